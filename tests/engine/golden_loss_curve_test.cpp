// One epoch of lenet on Fashion-MNIST against PyTorch with the same initial weights and the same order.
//
// Free-running fp32 training is chaotic: PyTorch's float32 and float64 runs, which agree to 1e-7 at first,
// differ by up to 1.6 % in the mean loss of a block of 100 steps. So the first steps are compared tightly and
// the blocks within 3 %.
#include <cmath>
#include <gtest/gtest.h>
#include <numeric>
#include <vector>

#include "engine/data/dataset.h"
#include "kernels/cpu/cpu_backend.h"
#include "samplers/sampler.h"
#include "tests/engine/whole_model.h"
#include "tests/golden/golden_file.h"

namespace dml::test {
namespace {

std::vector<double> mean_of_blocks(const std::vector<double>& losses, std::size_t block) {
  std::vector<double> means;
  for (std::size_t first = 0; first < losses.size(); first += block) {
    const std::size_t count = std::min(block, losses.size() - first);
    const auto begin = losses.begin() + static_cast<std::ptrdiff_t>(first);
    means.push_back(std::accumulate(begin, begin + static_cast<std::ptrdiff_t>(count), 0.0) /
                    static_cast<double>(count));
  }
  return means;
}

/// The mean loss of every step of one epoch. `batch` divides the number of samples.
std::vector<double> train_epoch(const Dataset& dataset, const GoldenFile& golden) {
  const auto batch = static_cast<std::int64_t>(golden.number("batch"));
  const auto seed = static_cast<std::uint64_t>(golden.number("seed"));
  const auto backend = make_cpu_backend(1);
  const DataBinding data{dataset.images, dataset.labels};
  WholeModel model("lenet", *backend, data, batch, {dataset.mean, dataset.stddev}, seed);
  const OptimizerOptions sgd{.momentum = golden.number("momentum")};
  HostBuffer state(optimizer_state_slots(sgd) * model.layout().elements(), DType::f32);
  const auto optimizer =
      backend->make_optimizer(sgd, model.parameters(), state.view(), 0, model.layout().elements());

  const EpochOrder order = make_sampler("balanced", {.samples = dataset.samples, .seed = seed})->epoch(0);
  std::vector<double> losses;
  std::vector<std::int64_t> samples(static_cast<std::size_t>(batch));
  for (std::int64_t first = 0; first + batch <= order.length(); first += batch) {
    for (std::int64_t i = 0; i < batch; ++i)
      samples[static_cast<std::size_t>(i)] = order.sample(first + i).value();
    losses.push_back(model.compute_gradients(samples));
    optimizer->run({.step = first / batch, .samples = batch, .learning_rate = golden.number("lr")},
                   model.stream());
  }
  return losses;
}

TEST(GoldenLossCurve, OfLenetOverOneEpoch) {
  const GoldenFile golden("loss_curve.safetensors");
  if (find_dataset("fashion-mnist", "").empty()) {
    GTEST_SKIP()
        << "Fashion-MNIST is in none of its usual places (Debian: apt install dataset-fashion-mnist)";
  }
  const Dataset dataset = load_dataset(DatasetOptions{}).train;
  ASSERT_EQ(dataset.mean, golden.number("mean"));
  ASSERT_EQ(dataset.stddev, golden.number("stddev"));

  const std::vector<double> losses = train_epoch(dataset, golden);
  const auto first = golden.values<double>("first_losses_float64");
  ASSERT_GE(losses.size(), first.size());
  for (std::size_t step = 0; step < first.size(); ++step) {
    EXPECT_NEAR(losses[step], first[step], 2e-6 * first[step]) << "step " << step;
  }

  const auto expected = golden.values<double>("block_mean_loss");
  const auto blocks = mean_of_blocks(losses, static_cast<std::size_t>(golden.number("block_steps")));
  ASSERT_EQ(blocks.size(), expected.size());
  double worst = 0;
  for (std::size_t block = 0; block < blocks.size(); ++block) {
    worst = std::max(worst, std::fabs(blocks[block] / expected[block] - 1));
    EXPECT_NEAR(blocks[block], expected[block], 0.03 * expected[block]) << "block " << block;
  }
  RecordProperty("largest_relative_difference_of_a_block", std::to_string(worst));
  EXPECT_LT(blocks.back(), 0.4 * blocks.front()) << "training did not get anywhere";
}

}  // namespace
}  // namespace dml::test
