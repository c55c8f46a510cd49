// The loss kernel against double loops: every shape, one block and many, ties, values that are not finite,
// and what a slot says about the steps before it.
#include <algorithm>
#include <cmath>
#include <limits>
#include <utility>

#include "kernels/cuda/softmax_cross_entropy.h"
#include "tests/kernels/emulator/device_arrays.h"
#include "tests/kernels/oracle_arithmetic.h"
#include "tests/kernels/problem_shapes.h"

namespace dml::test {
namespace {

constexpr float kInfinity = std::numeric_limits<float>::infinity();
constexpr float kNaN = std::numeric_limits<float>::quiet_NaN();

struct Batch {
  std::size_t N = 0, K = 0;
  std::vector<float> logits;        ///< (N,K)
  std::vector<std::uint8_t> label;  ///< (N)
};

struct Result {
  std::vector<float> sample_losses;
  std::vector<std::int32_t> sample_correct;
  std::vector<float> dlogits;  ///< empty: not asked for
  std::vector<device::LossSlot> slots;
};

Batch random_batch(std::size_t N, std::size_t K, float scale) {
  Batch batch{N, K, random_values(N * K, 1, scale), {}};
  for (std::size_t n = 0; n < N; ++n) {
    batch.label.push_back(static_cast<std::uint8_t>(n * 7 % std::min<std::size_t>(K, 256)));
  }
  return batch;
}

/// The batch as step `cursor` of a window of three; the data set holds its samples in another order, among
/// others.
Result run(const Batch& batch, std::uint64_t order, int cursor, bool gradient,
           std::vector<device::LossSlot> slots = std::vector<device::LossSlot>(3)) {
  DeviceUnderTest on(order);
  std::vector<std::uint8_t> labels(2 * batch.N + 3, 0xee);
  std::vector<std::int64_t> indices(slots.size() * batch.N, 0);
  for (std::size_t n = 0; n < batch.N; ++n) {
    const std::size_t sample = 2 * (batch.N - n);
    labels[sample] = batch.label[n];
    indices[static_cast<std::size_t>(cursor) * batch.N + n] = static_cast<std::int64_t>(sample);
  }
  DeviceArray<float> logits(on, batch.logits);
  DeviceArray<std::uint8_t> device_labels(on, labels);
  DeviceArray<std::int64_t> device_indices(on, indices);
  DeviceArray<std::int32_t> device_cursor(on, std::vector<std::int32_t>{cursor});
  DeviceArray<float> dlogits(on, batch.logits.size(), 1), sample_losses(on, batch.N);
  DeviceArray<std::int32_t> sample_correct(on, batch.N);
  DeviceArray<device::LossSlot> losses(on, std::move(slots));
  device::softmax_cross_entropy({.N = static_cast<std::int64_t>(batch.N),
                                 .K = static_cast<std::int64_t>(batch.K),
                                 .logits = logits.data(),
                                 .labels = device_labels.data(),
                                 .samples = {device_indices.data(), device_cursor.data()},
                                 .dlogits = gradient ? dlogits.data() : nullptr,
                                 .sample_losses = sample_losses.data(),
                                 .sample_correct = sample_correct.data(),
                                 .losses = losses.data()},
                                on.stream());
  return {sample_losses.values(), sample_correct.values(), gradient ? dlogits.values() : std::vector<float>(),
          losses.values()};
}

void expect_same_slot(const device::LossSlot& a, const device::LossSlot& b) {
  EXPECT_EQ(std::bit_cast<std::uint64_t>(a.loss_sum), std::bit_cast<std::uint64_t>(b.loss_sum));
  EXPECT_EQ(a.correct, b.correct);
}

/// Against the formula in double. exp(x - max) is good to `spread` + 8 units, the sum to K more, log, a
/// division and the few additions behind it to 8 units of their terms.
void expect_formula(const Batch& batch, const Result& result, std::size_t cursor) {
  const double unit = unit_roundoff(DType::f32);
  double loss_sum = 0, loss_error = 0;
  std::int64_t correct = 0;
  for (std::size_t n = 0; n < batch.N; ++n) {
    const std::vector<double> x(batch.logits.begin() + static_cast<std::ptrdiff_t>(n * batch.K),
                                batch.logits.begin() + static_cast<std::ptrdiff_t>((n + 1) * batch.K));
    const auto largest = std::ranges::max_element(x);
    const double smallest = std::ranges::min(x), label = x[batch.label[n]];
    double sum = 0;
    for (const double logit : x) sum += std::exp(logit - *largest);
    const double relative =
        unit * (*largest - smallest + kTranscendentalUnits + static_cast<double>(batch.K));
    const double loss = std::log(sum) + *largest - label;
    const double error =
        relative + kTranscendentalUnits * unit * (std::log(sum) + std::fabs(*largest) + std::fabs(label));
    EXPECT_NEAR(result.sample_losses[n], loss, error) << "sample " << n;
    const bool right = largest - x.begin() == batch.label[n];
    EXPECT_EQ(result.sample_correct[n], right ? 1 : 0) << "sample " << n;
    loss_sum += loss;
    loss_error += error;
    correct += right ? 1 : 0;
    for (std::size_t k = 0; k < batch.K && !result.dlogits.empty(); ++k) {
      const double p = std::exp(x[k] - *largest) / sum;
      EXPECT_NEAR(result.dlogits[n * batch.K + k], p - (k == batch.label[n] ? 1 : 0),
                  p * (2 * relative + kTranscendentalUnits * unit) + unit)
          << "sample " << n << ", class " << k;
    }
  }
  EXPECT_NEAR(result.slots[cursor].loss_sum, loss_sum, loss_error);
  EXPECT_EQ(result.slots[cursor].correct, correct);
}

TEST(SoftmaxCrossEntropyKernel, FollowsItsFormulaOnEveryShape) {
  auto problems = softmax_problems();
  // Around a warp of samples, the largest batch of one block, and two rounds of the sum over samples.
  for (const std::int64_t N : {31, 33, 128, 129, 151, 1100}) {
    problems.push_back({"N_" + std::to_string(N), {N, 10}});
  }
  problems.push_back({"a_warp_of_classes", {3, 32}});
  problems.push_back({"many_blocks_of_many_classes", {131, 40}});
  for (const auto& [name, shape] : problems) {
    SCOPED_TRACE(name);
    const Batch batch = random_batch(static_cast<std::size_t>(shape.N), static_cast<std::size_t>(shape.K), 9);
    const Result natural = run(batch, 0, 1, true);
    expect_formula(batch, natural, 1);
    expect_same_slot(natural.slots[0], {});
    expect_same_slot(natural.slots[2], {});
    for (const std::uint64_t order : kOrders) {
      if (order > 0 && shape.N > 200) continue;  // the same kernels as N = 129, seven times the time
      const Result other = run(batch, order, 2, order == 0);
      expect_same_slot(other.slots[2], natural.slots[1]);
      EXPECT_EQ(other.sample_losses, natural.sample_losses) << "order " << order;
      if (order == 0) {
        EXPECT_EQ(other.dlogits, natural.dlogits);
      }
    }
  }
}

TEST(SoftmaxCrossEntropyKernel, CountsTheFirstOfEqualLogits) {
  for (const std::size_t K : {10, 32, 40, 97}) {
    SCOPED_TRACE(std::to_string(K) + " classes");
    // Sample n has its largest logit at n and at every later class; its label is n, then n + 1.
    Batch batch{K - 1, K, {}, {}};
    for (std::size_t n = 0; n + 1 < K; ++n) {
      for (std::size_t k = 0; k < K; ++k) batch.logits.push_back(k < n ? -1.0F : 2.0F);
      batch.label.push_back(static_cast<std::uint8_t>(n));
    }
    EXPECT_EQ(run(batch, 1, 0, true).slots[0].correct, static_cast<std::int64_t>(K - 1));
    for (std::uint8_t& label : batch.label) ++label;
    EXPECT_EQ(run(batch, 1, 0, true).slots[0].correct, 0);
  }
}

TEST(SoftmaxCrossEntropyKernel, KeepsExponentsFromOverflowing) {
  const Batch batch{2, 3, {1000, -1000, 999, -1e30F, -kInfinity, -1e30F}, {2, 0}};
  const Result result = run(batch, 0, 0, true);
  const double p = 1 / (1 + std::exp(-1.0));
  EXPECT_NEAR(result.sample_losses[0], -std::log(1 - p), 1e-6);
  EXPECT_NEAR(result.sample_losses[1], std::log(2.0), 1e-6);
  const std::vector<double> expected = {p, 0, -p, -0.5, 0, 0.5};
  for (std::size_t i = 0; i < expected.size(); ++i) EXPECT_NEAR(result.dlogits[i], expected[i], 1e-6);
}

TEST(SoftmaxCrossEntropyKernel, LetsNothingHideWhatIsNotFinite) {
  for (const std::size_t K : {5, 45}) {
    for (const std::size_t N : {4, 140}) {
      for (const float bad : {kNaN, kInfinity}) {
        for (const std::size_t place : {std::size_t{0}, std::size_t{2}, K - 1}) {
          SCOPED_TRACE(std::to_string(N) + " x " + std::to_string(K) + ", class " + std::to_string(place) +
                       " of sample 2 is " + std::to_string(bad));
          Batch batch = random_batch(N, K, 3);
          const Result healthy = run(batch, 0, 0, true);
          batch.logits[2 * K + place] = bad;
          const Result result = run(batch, 0, 0, true);
          EXPECT_FALSE(std::isfinite(result.slots[0].loss_sum));
          for (std::size_t n = 0; n < N; ++n) {
            if (n != 2) {
              EXPECT_EQ(result.sample_losses[n], healthy.sample_losses[n]) << "sample " << n;
            }
            for (std::size_t k = 0; k < K; ++k) {
              const float gradient = result.dlogits[n * K + k];
              EXPECT_TRUE(n == 2 ? std::isnan(gradient) : gradient == healthy.dlogits[n * K + k])
                  << "sample " << n << ", class " << k << ": " << gradient;
            }
          }
        }
      }
    }
  }
}

TEST(SoftmaxCrossEntropyKernel, FindsTheFirstLargestAmongNaNsAsTheReferenceDoes) {
  // A NaN in front leads, as it does for std::max_element; a later one is passed over. Nothing above
  // -infinity: the first one.
  const Batch batch{
      4,
      4,
      {kNaN, 1, 2, 3, 1, kNaN, 3, 2, 1, 2, 3, kNaN, -kInfinity, -kInfinity, -kInfinity, -kInfinity},
      {0, 2, 2, 0}};
  EXPECT_EQ(run(batch, 0, 0, false).sample_correct, (std::vector<std::int32_t>{1, 1, 1, 1}));
}

TEST(SoftmaxCrossEntropyKernel, OverwritesOneSlotOfTheWindow) {
  const device::LossSlot old{.loss_sum = kNaN, .correct = -5};
  for (const std::size_t N : {0, 3, 130}) {
    SCOPED_TRACE(std::to_string(N) + " samples");
    const Batch batch = random_batch(N, 10, 2);
    const Result result = run(batch, 0, 1, true, {old, old, old});
    EXPECT_TRUE(N == 0 ? result.slots[1].loss_sum == 0 : result.slots[1].loss_sum > 0);
    EXPECT_GE(result.slots[1].correct, 0);
    expect_same_slot(result.slots[0], old);
    expect_same_slot(result.slots[2], old);
  }
}

}  // namespace
}  // namespace dml::test
