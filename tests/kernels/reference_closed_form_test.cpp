// The double reference on problems small enough to solve on paper.
#include <cmath>
#include <gtest/gtest.h>
#include <string>

#include "kernels/reference/reference_backend.h"
#include "tests/kernels/compare.h"
#include "tests/kernels/stage_subject.h"

namespace dml::test {
namespace {

using Numbers = std::vector<double>;

/// What a stage computes from given numbers; its parameters are those of the only layer, weights before
/// biases.
struct Outcome {
  Numbers output, parameter_gradient, input_gradient;
  LossResult loss;
};

Outcome evaluate(const StageCase& stage, const Numbers& parameters, const Numbers& input,
                 const Numbers& output_gradient, const std::vector<std::uint8_t>& labels = {},
                 const std::vector<std::uint8_t>& images = {},
                 const std::vector<std::int64_t>& indices = {}) {
  const auto backend = make_reference_backend();
  Inputs inputs;
  inputs.parameters.assign(static_cast<std::size_t>(stage.arena_elements), 0);
  std::copy(parameters.begin(), parameters.end(), inputs.parameters.begin() + stage.first_parameter);
  inputs.input = input;
  inputs.labels = labels;
  inputs.images = images;
  inputs.indices = indices;
  Subject subject(*backend, stage, inputs, {.training = true, .input_gradient = images.empty()});
  subject.set_parameters(inputs.parameters);
  subject.forward();
  subject.backward(Phase::backward, output_gradient);
  Outcome outcome;
  outcome.output = subject.output();
  const Numbers gradients = subject.gradients();
  outcome.parameter_gradient.assign(gradients.begin() + stage.first_parameter,
                                    gradients.begin() + stage.first_parameter + stage.parameters);
  outcome.input_gradient = subject.input_gradient();
  if (!labels.empty()) outcome.loss = subject.executable().loss();
  return outcome;
}

const Numbers kOneToNine = {1, 2, 3, 4, 5, 6, 7, 8, 9};
// Decimal digits as weights: the output spells which inputs the taps met.
const Numbers kDigits = {1, 10, 100, 1000, 0};

TEST(ReferenceConvolution, PlacesEveryTap) {
  const Outcome plain = evaluate(StageBuilder("plain", 1, 1, 3, 3).convolution(1, 2, 2).build(), kDigits,
                                 kOneToNine, {1, 0, 0, 2});
  EXPECT_EQ(plain.output, (Numbers{5421, 6532, 8754, 9865}));
  EXPECT_EQ(plain.parameter_gradient, (Numbers{1 + 2 * 5, 2 + 2 * 6, 4 + 2 * 8, 5 + 2 * 9, 3}));
  EXPECT_EQ(plain.input_gradient, (Numbers{1, 10, 0, 100, 1000 + 2, 20, 0, 200, 2000}));
}

TEST(ReferenceConvolution, DilatesTheFilter) {
  const Outcome dilated = evaluate(StageBuilder("dilated", 1, 1, 3, 3).convolution(1, 2, 2, 1, 0, 2).build(),
                                   kDigits, kOneToNine, {3});
  EXPECT_EQ(dilated.output, (Numbers{9731}));
  EXPECT_EQ(dilated.parameter_gradient, (Numbers{3, 9, 21, 27, 3}));
  EXPECT_EQ(dilated.input_gradient, (Numbers{3, 0, 30, 0, 0, 0, 300, 0, 3000}));
}

TEST(ReferenceConvolution, PadsWithZerosAndStrides) {
  const Outcome padded = evaluate(StageBuilder("padded", 1, 1, 3, 3).convolution(1, 2, 2, 2, 1).build(),
                                  kDigits, kOneToNine, {1, 1, 1, 1});
  EXPECT_EQ(padded.output, (Numbers{1000, 3200, 7040, 9865}));
  EXPECT_EQ(padded.parameter_gradient, (Numbers{5, 4 + 6, 2 + 8, 1 + 3 + 7 + 9, 4}));
  EXPECT_EQ(padded.input_gradient, (Numbers{1000, 100, 1000, 10, 1, 10, 1000, 100, 1000}));
}

TEST(ReferenceConvolution, SumsChannelsAndKeepsFiltersApart) {
  // Two input channels, two 1x1 filters: y_k = w_k0 x_0 + w_k1 x_1 + b_k.
  const Outcome mixed = evaluate(StageBuilder("mixed", 1, 2, 1, 2).convolution(2, 1, 1).build(),
                                 {1, 2, 3, 4, 100, 200}, {1, 2, 10, 20}, {1, 1, 1, -1});
  EXPECT_EQ(mixed.output, (Numbers{121, 142, 243, 286}));
  EXPECT_EQ(mixed.parameter_gradient, (Numbers{3, 30, -1, -10, 2, 0}));
  EXPECT_EQ(mixed.input_gradient, (Numbers{1 + 3, 1 - 3, 2 + 4, 2 - 4}));
}

TEST(ReferenceMaxPool, GivesTheFirstOfEqualMaximaTheGradient) {
  const Outcome tied =
      evaluate(StageBuilder("tied", 1, 1, 2, 4).max_pool(2, 2).build(), {}, {1, 3, 7, 7, 3, 3, 7, 7}, {5, 6});
  EXPECT_EQ(tied.output, (Numbers{3, 7}));
  EXPECT_EQ(tied.input_gradient, (Numbers{0, 5, 6, 0, 0, 0, 0, 0}));
}

TEST(ReferenceMaxPool, DropsWhatFillsNoWindow) {
  const Outcome dropped =
      evaluate(StageBuilder("dropped", 1, 1, 3, 3).max_pool(2, 2).build(), {}, kOneToNine, {4});
  EXPECT_EQ(dropped.output, (Numbers{5}));
  EXPECT_EQ(dropped.input_gradient, (Numbers{0, 0, 0, 0, 4, 0, 0, 0, 0}));
}

TEST(ReferenceMaxPool, AddsUpOverlappingWindows) {
  const Outcome overlapping = evaluate(StageBuilder("overlapping", 1, 1, 3, 3).max_pool(2, 1).build(), {},
                                       {0, 0, 0, 0, 9, 0, 0, 0, 0}, {1, 2, 3, 4});
  EXPECT_EQ(overlapping.output, (Numbers{9, 9, 9, 9}));
  EXPECT_EQ(overlapping.input_gradient, (Numbers{0, 0, 0, 0, 10, 0, 0, 0, 0}));
}

TEST(ReferenceRelu, HasNoGradientAtZero) {
  const Outcome relu =
      evaluate(StageBuilder("relu", 1, 4, 1, 1).relu().build(), {}, {-2, 0, -0.0, 3}, {5, 6, 7, 8});
  EXPECT_EQ(relu.output, (Numbers{0, 0, 0, 3}));
  EXPECT_EQ(relu.input_gradient, (Numbers{0, 0, 0, 8}));
}

TEST(ReferenceLinear, MultipliesByTheTransposedWeight) {
  // w = [1 2 3; 4 5 6], b = [10 20].
  const Outcome linear = evaluate(StageBuilder("linear", 2, 3, 1, 1).linear(2).build(),
                                  {1, 2, 3, 4, 5, 6, 10, 20}, {1, 0, 2, 0, 1, 0}, {1, 2, 3, 4});
  EXPECT_EQ(linear.output, (Numbers{17, 36, 12, 25}));
  EXPECT_EQ(linear.parameter_gradient, (Numbers{1, 3, 2, 2, 4, 4, 4, 6}));
  EXPECT_EQ(linear.input_gradient, (Numbers{9, 12, 15, 19, 26, 33}));
}

TEST(ReferenceLoss, IsTheLogarithmOfTheClassesForEqualLogits) {
  const StageCase stage = StageBuilder("equal", 2, 2, 1, 1).softmax_cross_entropy().build();
  const Outcome equal = evaluate(stage, {}, {3, 3, 3, 3}, {}, {1, 0}, {}, {0, 1});
  EXPECT_NEAR(equal.loss.loss_sum, 2 * std::log(2.0), 1e-15);
  EXPECT_EQ(equal.loss.correct, 1) << "the first of equal logits is the answer: only the label 0 is right";
  EXPECT_EQ(equal.input_gradient, (Numbers{0.5, -0.5, -0.5, 0.5}));
}

TEST(ReferenceLoss, SurvivesLogitsWhoseExponentialOverflows) {
  const StageCase stage = StageBuilder("large", 1, 3, 1, 1).softmax_cross_entropy().build();
  const Outcome large = evaluate(stage, {}, {1000, -1000, 0}, {}, {2}, {}, {0});
  EXPECT_EQ(large.loss.loss_sum, 1000);
  EXPECT_EQ(large.loss.correct, 0);
  EXPECT_EQ(large.input_gradient, (Numbers{1, 0, -1}));
}

TEST(ReferenceGather, ReadsTheIndexedImagesAndNormalises) {
  const StageCase stage = StageBuilder("gather", 3, 1, 1, 2).gather(0.2, 0.5).convolution(1, 1, 1).build();
  const Outcome gathered =
      evaluate(stage, {1, 0}, {}, {1, 10, 100, 1000, 0, 0}, {}, {0, 51, 102, 255}, {1, 0, 1});
  const Numbers expected = {0.4, 1.6, -0.4, 0, 0.4, 1.6};
  ASSERT_EQ(gathered.output.size(), expected.size());
  for (std::size_t i = 0; i < expected.size(); ++i) EXPECT_NEAR(gathered.output[i], expected[i], 1e-15);
  EXPECT_NEAR(gathered.parameter_gradient[0], 0.4 + 16 - 40, 1e-13);
  EXPECT_EQ(gathered.parameter_gradient[1], 1111);
}

/// Runs updates of one parameter that starts at 1, with the given mean gradients.
Numbers update(const OptimizerOptions& options, const Numbers& gradients, double learning_rate) {
  const auto backend = make_reference_backend();
  const HostBuffer value(1, DType::f64);
  const HostBuffer gradient(1, DType::f64);
  const HostBuffer state(optimizer_state_slots(options), DType::f64);
  value.as<double>()[0] = 1;
  ParameterBinding binding;
  binding.values = value.view();
  binding.gradients = gradient.view();
  const auto optimizer = backend->make_optimizer(options, binding, state.view(), 0, 1);
  const auto stream = backend->make_stream();
  Numbers path;
  for (std::size_t step = 0; step < gradients.size(); ++step) {
    constexpr std::int64_t kSamples = 4;
    gradient.as<double>()[0] = kSamples * gradients[step];
    optimizer->run(
        {.step = static_cast<std::int64_t>(step), .samples = kSamples, .learning_rate = learning_rate},
        *stream);
    path.push_back(value.as<double>()[0]);
  }
  return path;
}

TEST(ReferenceOptimizer, FollowsPathsWorkedOutByHand) {
  using Rule = OptimizerOptions::Rule;
  // Powers of two throughout, so that the paths are exact. Gradients 2, then 1; learning rate 1/8.
  EXPECT_EQ(update({.rule = Rule::sgd, .momentum = 0}, {2, 1}, 0.125), (Numbers{0.75, 0.625}));
  // m = 2, then 0.5 * 2 + 1 = 2.
  EXPECT_EQ(update({.rule = Rule::sgd, .momentum = 0.5}, {2, 1}, 0.125), (Numbers{0.75, 0.5}));
  // g + 0.5 m = 3, then 1 + 1 = 2.
  EXPECT_EQ(update({.rule = Rule::sgd, .momentum = 0.5, .nesterov = true}, {2, 1}, 0.125),
            (Numbers{0.625, 0.375}));
  // g = 2 + 0.5 * 1 = 2.5, then 1 + 0.5 * 0.6875 = 1.34375.
  EXPECT_EQ(update({.rule = Rule::sgd, .momentum = 0, .weight_decay = 0.5}, {2, 1}, 0.125),
            (Numbers{0.6875, 0.6875 - 0.125 * 1.34375}));
  // Adam with epsilon 0 and beta1 = beta2 = 1/2: m = 1, v = 2, corrected 2 and 4: a step of 2 / 2. Then m =
  // 1/2 + 2 = 5/2, v = 1 + 8 = 9, corrected by 3/4: 10/3 and 12.
  const Numbers adam = update({.rule = Rule::adam, .beta1 = 0.5, .beta2 = 0.5, .epsilon = 0}, {2, 4}, 0.125);
  EXPECT_NEAR(adam[0], 0.875, 1e-15);
  EXPECT_NEAR(adam[1], 0.875 - 0.125 * (10.0 / 3) / std::sqrt(12.0), 1e-15);
}

}  // namespace
}  // namespace dml::test
