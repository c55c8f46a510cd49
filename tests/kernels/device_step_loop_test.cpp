// Whole steps without the host in between: the same bits as step after step, with graphs and without, also of
// steps that use an executable several times and do other things in between.
#include <algorithm>
#include <cmath>
#include <gtest/gtest.h>
#include <limits>
#include <vector>

#include "kernels/cuda/device_backend.h"
#include "tests/kernels/compare.h"
#include "tests/kernels/stage_cases.h"
#include "tests/kernels/stage_inputs.h"

#if defined(DML_TEST_CHECKED)
#include "kernels/emulator/checker.h"
#endif

#if defined(DML_TEST_CUDA)
#define DML_TESTED_DEVICE cuda
#else
#define DML_TESTED_DEVICE emulator
#endif

namespace dml::test {
namespace {

constexpr std::int64_t kBatch = 5;
constexpr std::int64_t kSamples = 40;
constexpr std::size_t kSteps = 21;  // one graph of 16 steps and five of one

std::unique_ptr<Backend> make_backend(const DeviceOptions& options) {
#if defined(DML_TEST_CHECKED)
  emulator::check_all_launches();
#endif
  return DML_TESTED_DEVICE::make_backend(options);
}

StageCase small_model() {
  return StageBuilder("small_model", kBatch, 1, 12, 12)
      .gather(0.3, 0.4)
      .convolution(3, 5, 5, 1, 2)
      .relu()
      .max_pool(2, 2)
      .convolution(4, 3, 3)
      .relu()
      .linear(10)
      .relu()
      .linear(6)
      .softmax_cross_entropy()
      .build();
}

/// A model with an optimizer on one backend, from the same weights and samples every time.
class Training {
 public:
  /// `passes`: forward and backward passes of a step, all by the same executable.
  Training(bool use_graphs, std::uint64_t seed, OptimizerOptions::Rule rule, std::size_t passes = 1)
      : passes_(passes),
        backend_(make_backend({.id = 0, .use_graphs = use_graphs, .seed = seed})),
        stream_(backend_->make_stream()),
        values_(backend_->allocate(stage_.arena_elements, "parameters")),
        gradients_(backend_->allocate(stage_.arena_elements, "gradients")),
        options_{.rule = rule, .weight_decay = 1e-3},
        state_(backend_->allocate(optimizer_state_slots(options_) * stage_.arena_elements, "state")) {
    Inputs inputs = make_inputs(stage_, Values::reals, 11);
    images_.resize(kSamples * 144);
    labels_.resize(kSamples);
    for (std::size_t i = 0; i < images_.size(); ++i) images_[i] = static_cast<std::uint8_t>(i * 37 % 251);
    for (std::size_t i = 0; i < labels_.size(); ++i) labels_[i] = static_cast<std::uint8_t>(i % 6);
    data_.images = images_;
    data_.labels = labels_;
    for (double& value : inputs.parameters) value *= 0.3;
    write_doubles(inputs.parameters, values_.view, *stream_);
    binding_.values = values_.view;
    binding_.gradients = gradients_.view;
    executable_ =
        backend_->compile(stage_.operations, binding_, data_, {.training = true, .window = kLargestWindow});
    optimizer_ = backend_->make_optimizer(options_, binding_, state_.view, 0, stage_.arena_elements);
  }

  std::vector<LossResult> step_by_step() {
    std::vector<LossResult> losses;
    for (std::size_t step = 0; step < kSteps; ++step) {
      losses.emplace_back();
      for (std::size_t pass = 0; pass < passes_; ++pass) {
        std::ranges::copy(samples_of(step, pass), executable_->sample_indices().begin());
        executable_->run(Phase::forward, *stream_);
        losses.back().loss_sum += executable_->loss().loss_sum;
        losses.back().correct += executable_->loss().correct;
        executable_->run(pass == 0 ? Phase::backward : Phase::backward_accumulate, *stream_);
      }
      if (passes_ > 1) backend_->scale(gradients_.view, 0.5, *stream_);
      optimizer_->run(state_of(step), *stream_);
    }
    return losses;
  }

  std::vector<LossResult> by_loop(std::size_t first, std::size_t count) {
    if (!loop_) loop_ = backend_->make_step_loop(parts(), *optimizer_, [this](Stream&) { ++replays_; });
    std::vector<StepState> states;
    std::vector<std::int64_t> samples;
    for (std::size_t step = first; step < first + count; ++step) {
      states.push_back(state_of(step));
      for (std::size_t pass = 0; pass < passes_; ++pass) {
        std::ranges::copy(samples_of(step, pass), std::back_inserter(samples));
      }
    }
    StepLoopResult result = loop_->run(states, samples, *stream_);
    times_ = std::move(result.times);
    return result.losses;
  }
  [[nodiscard]] const std::vector<std::int64_t>& times() const { return times_; }
  [[nodiscard]] int replays() const { return replays_; }
  [[nodiscard]] std::int64_t largest_window() const { return loop_->largest_window(); }
  /// Null: the second forward pass has taken the place of the first before its backward pass comes.
  std::unique_ptr<StepLoop> loop_of_a_lost_pass() {
    using Kind = StepPart::Kind;
    const auto other =
        backend_->compile(stage_.operations, binding_, data_, {.training = true, .window = kLargestWindow});
    return backend_->make_step_loop({{.kind = Kind::forward, .executable = other.get()},
                                     {.kind = Kind::forward, .executable = executable_.get()},
                                     {.kind = Kind::forward, .executable = executable_.get()},
                                     {.kind = Kind::backward, .executable = other.get()},
                                     {.kind = Kind::update}},
                                    *optimizer_);
  }

  std::vector<double> parameters() { return to_doubles(values_.view, *stream_); }
  std::vector<double> state() { return to_doubles(state_.view, *stream_); }
  void spoil(std::size_t parameter) {
    std::vector<double> values = parameters();
    values[parameter] = std::numeric_limits<double>::infinity();
    write_doubles(values, values_.view, *stream_);
  }
  Executable& executable() { return *executable_; }
  Stream& stream() { return *stream_; }
  std::uint64_t version() const { return binding_.version; }
  std::size_t last_bias() const {
    return static_cast<std::size_t>(stage_.first_parameter + stage_.parameters - 1);
  }

 private:
  std::vector<StepPart> parts() {
    using Kind = StepPart::Kind;
    std::vector<StepPart> parts;
    for (std::size_t pass = 0; pass < passes_; ++pass) {
      parts.push_back({.kind = Kind::forward, .executable = executable_.get()});
      parts.push_back(
          {.kind = pass == 0 ? Kind::backward : Kind::backward_accumulate, .executable = executable_.get()});
    }
    if (passes_ > 1) {
      parts.push_back({.enqueue = [this](Stream& stream) { backend_->scale(gradients_.view, 0.5, stream); },
                       .timed = true});
    }
    parts.push_back({.kind = Kind::update});
    return parts;
  }
  static std::vector<std::int64_t> samples_of(std::size_t step, std::size_t pass) {
    std::vector<std::int64_t> samples;
    for (std::int64_t n = 0; n < kBatch; ++n) {
      samples.push_back((static_cast<std::int64_t>(step * 7 + pass * 11) + n * 3) % kSamples);
    }
    return samples;
  }
  [[nodiscard]] StepState state_of(std::size_t step) const {
    return {.step = static_cast<std::int64_t>(step),
            .samples = kBatch * static_cast<std::int64_t>(passes_),
            .learning_rate = 0.05 / static_cast<double>(1 + step)};
  }

  std::size_t passes_;
  StageCase stage_ = small_model();
  std::unique_ptr<Backend> backend_;
  std::unique_ptr<Stream> stream_;
  Buffer values_, gradients_;
  OptimizerOptions options_;
  Buffer state_;
  std::vector<std::uint8_t> images_, labels_;
  DataBinding data_;
  ParameterBinding binding_;
  std::unique_ptr<Executable> executable_;
  std::unique_ptr<Optimizer> optimizer_;
  std::unique_ptr<StepLoop> loop_;
  std::vector<std::int64_t> times_;
  int replays_ = 0;
};

class DeviceStepLoop : public testing::TestWithParam<bool> {};

TEST_P(DeviceStepLoop, GivesTheBitsOfStepAfterStep) {
  for (const auto rule : {OptimizerOptions::Rule::sgd, OptimizerOptions::Rule::adam}) {
    Training expected(false, 0, rule);
    const std::vector<double> start = expected.parameters();
    const std::vector<LossResult> losses = expected.step_by_step();
    const std::vector<double> parameters = expected.parameters();
    ASSERT_GT(relative_error(parameters, start), 1e-3) << "training has to move";
    for (const std::uint64_t seed : {0, 1, 2}) {
      Training training(GetParam(), seed, rule);
      std::vector<LossResult> actual = training.by_loop(0, 20);
      const std::vector<LossResult> tail = training.by_loop(20, kSteps - 20);
      actual.insert(actual.end(), tail.begin(), tail.end());
      ASSERT_EQ(actual.size(), losses.size());
      for (std::size_t step = 0; step < losses.size(); ++step) {
        EXPECT_EQ(actual[step].loss_sum, losses[step].loss_sum) << "step " << step << ", order " << seed;
        EXPECT_EQ(actual[step].correct, losses[step].correct) << "step " << step << ", order " << seed;
      }
      EXPECT_EQ(training.parameters(), parameters) << "order " << seed;
      EXPECT_EQ(training.state(), expected.state()) << "order " << seed;
      EXPECT_EQ(training.version(), expected.version());
    }
  }
}

/// Three passes a step leave room for 42 steps; the first is never recorded, one graph holds 16 more.
TEST_P(DeviceStepLoop, UsesAnExecutableSeveralTimesInAStep) {
  Training expected(false, 0, OptimizerOptions::Rule::sgd, 3);
  const std::vector<LossResult> losses = expected.step_by_step();
  for (const std::uint64_t seed : {0, 1}) {
    Training training(GetParam(), seed, OptimizerOptions::Rule::sgd, 3);
    const std::vector<LossResult> actual = training.by_loop(0, kSteps);
    EXPECT_EQ(training.largest_window(), 42);
    EXPECT_EQ(training.replays(), GetParam() ? 1 + 4 : 0);
    for (std::size_t step = 0; step < losses.size(); ++step) {
      EXPECT_EQ(actual[step].loss_sum, losses[step].loss_sum) << "step " << step << ", order " << seed;
      EXPECT_EQ(actual[step].correct, losses[step].correct) << "step " << step << ", order " << seed;
    }
    EXPECT_EQ(training.parameters(), expected.parameters()) << "order " << seed;
    EXPECT_EQ(training.state(), expected.state()) << "order " << seed;
    ASSERT_EQ(training.times().size(), 3 * kSteps + 1);  // when a step and its timed part began, and ended
    EXPECT_TRUE(std::ranges::is_sorted(training.times()));
    EXPECT_LT(training.times().front(), training.times().back());
  }
}

TEST_P(DeviceStepLoop, IsNotMadeForABackwardPassWhoseForwardPassIsGone) {
  EXPECT_EQ(Training(GetParam(), 0, OptimizerOptions::Rule::sgd).loop_of_a_lost_pass(), nullptr);
}

TEST_P(DeviceStepLoop, ReportsALossThatIsNotFiniteAndLeavesTheCursorWhereASingleStepExpectsIt) {
  Training training(GetParam(), 0, OptimizerOptions::Rule::sgd);
  training.by_loop(0, 3);
  training.spoil(training.last_bias());
  const std::vector<LossResult> losses = training.by_loop(3, 18);
  EXPECT_FALSE(std::isfinite(losses.front().loss_sum));
  for (std::int64_t& index : training.executable().sample_indices()) index = 1;
  training.executable().run(Phase::forward, training.stream());
  EXPECT_FALSE(std::isfinite(training.executable().loss().loss_sum));
}

INSTANTIATE_TEST_SUITE_P(Graphs, DeviceStepLoop, testing::Bool(),
                         [](const ::testing::TestParamInfo<bool>& p) {
                           return p.param ? "graphs" : "no_graphs";
                         });

}  // namespace
}  // namespace dml::test
