#include "tests/kernels/operation_testbed.h"

#include <algorithm>
#include <cmath>
#include <limits>
#include <optional>
#include <utility>

#include "kernels/base/lowering.h"
#include "kernels/base/philox.h"
#include "tests/kernels/compare.h"
#include "tests/kernels/oracle.h"
#include "tests/kernels/stage_subject.h"

namespace dml::test {
namespace {

using ::testing::AssertionFailure;
using ::testing::AssertionResult;
using ::testing::AssertionSuccess;

constexpr std::int64_t kSamples = 41;         // of the resident data set
constexpr int kAttempts = 20;                 // at inputs on which rounding decides nothing
constexpr double kMostDoubtfulOutputs = 0.1;  // a larger fraction would leave too little to compare

/// Numbers that are the same on every run: element i of stream `stream`.
std::vector<double> random_reals(std::size_t elements, std::uint64_t seed, std::uint32_t stream,
                                 double scale) {
  const PhiloxStream random(seed, RandomUse::synthetic_data, stream);
  std::vector<double> values(elements);
  // Rounded to fp32, so that every backend is given the same numbers.
  for (std::size_t i = 0; i < elements; ++i)
    values[i] = static_cast<float>((2.0 * random.uniform(i) - 1) * scale);
  return values;
}

std::vector<double> random_integers(std::size_t elements, std::uint64_t seed, std::uint32_t stream,
                                    int largest) {
  const PhiloxStream random(seed, RandomUse::synthetic_data, stream);
  std::vector<double> values(elements);
  for (std::size_t i = 0; i < elements; ++i) {
    values[i] = static_cast<double>(random.word(i) % static_cast<std::uint32_t>(2 * largest + 1)) - largest;
  }
  return values;
}

struct Extent {
  std::int64_t N = 0, input = 0, output = 0, images = 0, classes = 0;
  bool gathers = false, loses = false;
};

Extent extent_of(const StageCase& stage) {
  Extent extent;
  extent.input = input_elements(stage.operations.front());
  extent.output = output_elements(stage.operations.back());
  if (const auto* gather = std::get_if<GatherNormalize>(&stage.operations.front().work)) {
    extent.gathers = true;
    extent.N = gather->N;
    extent.images = gather->sample_elements();
    extent.input = 0;
  }
  if (const auto* softmax = std::get_if<SoftmaxCrossEntropy>(&stage.operations.back().work)) {
    extent.loses = true;
    extent.N = softmax->N;
    extent.classes = softmax->K;
  }
  return extent;
}

/// Weights scaled to keep activations near 1, as an initialisation would; biases of the same size.
void fill_real_parameters(const StageCase& stage, std::uint64_t seed, std::vector<double>& parameters) {
  std::uint32_t stream = 100;
  const auto fill = [&](std::int64_t offset, std::int64_t elements, std::int64_t fan_in) {
    const double scale = 1.7 / std::sqrt(static_cast<double>(fan_in));
    const auto values = random_reals(static_cast<std::size_t>(elements), seed, stream++, scale);
    std::copy(values.begin(), values.end(), parameters.begin() + offset);
  };
  for (const Operation& operation : stage.operations) {
    if (const auto* convolution = std::get_if<Convolution>(&operation.work)) {
      const ConvolutionShape& s = convolution->shape;
      fill(convolution->weight_offset, s.weight_elements(), s.C * s.R * s.S);
      fill(convolution->bias_offset, s.K, s.C * s.R * s.S);
    } else if (const auto* linear = std::get_if<Linear>(&operation.work)) {
      fill(linear->weight_offset, linear->shape.weight_elements(), linear->shape.C);
      fill(linear->bias_offset, linear->shape.K, linear->shape.C);
    }
  }
}

Inputs make_inputs(const StageCase& stage, Values values, std::uint64_t seed) {
  const Extent extent = extent_of(stage);
  const auto arena = static_cast<std::size_t>(stage.arena_elements);
  Inputs inputs;
  if (values == Values::small_integers) {
    inputs.parameters = random_integers(arena, seed, 1, 1);
    inputs.input = random_integers(static_cast<std::size_t>(extent.input), seed, 2, 2);
    inputs.output_gradient = random_integers(static_cast<std::size_t>(extent.output), seed, 3, 2);
    inputs.earlier_gradients = random_integers(arena, seed, 4, 8);
  } else {
    inputs.parameters = random_reals(arena, seed, 1, 1);
    fill_real_parameters(stage, seed, inputs.parameters);
    inputs.input = random_reals(static_cast<std::size_t>(extent.input), seed, 2, 1.7);
    inputs.output_gradient = random_reals(static_cast<std::size_t>(extent.output), seed, 3, 1);
    inputs.earlier_gradients = random_reals(arena, seed, 4, 8);
  }
  if (extent.loses) inputs.output_gradient.clear();
  const PhiloxStream random(seed, RandomUse::synthetic_data, 5);
  std::uint64_t draw = 0;
  inputs.images.resize(static_cast<std::size_t>(kSamples * extent.images));
  for (auto& pixel : inputs.images) pixel = static_cast<std::uint8_t>(random.word(draw++) % 256);
  if (extent.loses) inputs.labels.resize(kSamples);
  for (auto& label : inputs.labels) {
    label = static_cast<std::uint8_t>(
        random.word(draw++) % static_cast<std::uint32_t>(std::min<std::int64_t>(extent.classes, 256)));
  }
  if (extent.gathers || extent.loses) inputs.indices.resize(static_cast<std::size_t>(extent.N));
  for (auto& index : inputs.indices) index = static_cast<std::int64_t>(random.word(draw++) % kSamples);
  return inputs;
}

/// What the stage should have computed from its inputs.
struct Expectation {
  Inputs inputs;
  Oracle oracle;
};

AssertionResult check_forward(Subject& subject, const StageCase& stage, const Oracle& oracle,
                              const std::string& when) {
  Executable& executable = subject.executable();
  AssertionResult output = within_bound(to_doubles(executable.output()), oracle.output(), "output " + when);
  if (!output) return output;
  if (!executable.first_non_finite_layer().empty()) {
    return AssertionFailure() << "finite activations " << when << " were reported as non-finite in "
                              << executable.first_non_finite_layer();
  }
  if (!extent_of(stage).loses) return AssertionSuccess();
  const LossResult loss = executable.loss();
  if (loss.correct != oracle.correct()) {
    return AssertionFailure() << loss.correct << " correct samples " << when << ", expected "
                              << oracle.correct();
  }
  if (!(std::fabs(loss.loss_sum - oracle.loss()) <= oracle.loss_error())) {
    return AssertionFailure() << "loss sum " << when << " is " << loss.loss_sum << ", expected "
                              << oracle.loss() << " within " << oracle.loss_error();
  }
  return AssertionSuccess();
}

/// The stage's own gradients against the oracle; those of its neighbours against what was there before.
AssertionResult check_gradients(const StageCase& stage, const std::vector<double>& actual,
                                const Bounded& expected, const std::vector<double>& before,
                                const std::string& when) {
  const auto first = static_cast<std::size_t>(stage.first_parameter);
  const auto count = static_cast<std::size_t>(stage.parameters);
  for (std::size_t i = 0; i < actual.size(); ++i) {
    const bool own = i >= first && i < first + count;
    if (!own && actual[i] != before[i]) {
      return AssertionFailure() << "gradient " << i << " of a neighbour became " << actual[i] << " " << when;
    }
  }
  // Weights and biases have gradients of different sizes, so each operation's tensors are compared on their
  // own.
  const auto compare = [&](const std::string& what, std::int64_t offset, std::int64_t elements) {
    const auto begin = static_cast<std::ptrdiff_t>(offset);
    const auto end = static_cast<std::ptrdiff_t>(offset + elements);
    Bounded part(std::vector<double>(expected.value.begin() + begin, expected.value.begin() + end));
    part.error.assign(expected.error.begin() + begin, expected.error.begin() + end);
    return within_bound(
        std::span(actual).subspan(static_cast<std::size_t>(offset), static_cast<std::size_t>(elements)), part,
        what);
  };
  for (const Operation& operation : stage.operations) {
    std::int64_t weight_offset = 0, weight_elements = 0, bias_offset = 0, bias_elements = 0;
    if (const auto* convolution = std::get_if<Convolution>(&operation.work)) {
      weight_offset = convolution->weight_offset;
      weight_elements = convolution->shape.weight_elements();
      bias_offset = convolution->bias_offset;
      bias_elements = convolution->shape.K;
    } else if (const auto* linear = std::get_if<Linear>(&operation.work)) {
      weight_offset = linear->weight_offset;
      weight_elements = linear->shape.weight_elements();
      bias_offset = linear->bias_offset;
      bias_elements = linear->shape.K;
    }
    AssertionResult weights =
        compare(operation.layer + " weight gradient " + when, weight_offset, weight_elements);
    if (!weights) return weights;
    AssertionResult biases = compare(operation.layer + " bias gradient " + when, bias_offset, bias_elements);
    if (!biases) return biases;
  }
  return AssertionSuccess();
}

/// Finds inputs on which no rounding error decides the sign or the maximum of an inner activation, and zeroes
/// the gradient of the few outputs where it does.
std::optional<Expectation> expect(const StageCase& stage, Values values, double unit,
                                  std::uint64_t first_seed) {
  for (std::uint64_t seed = first_seed; seed < first_seed + kAttempts; ++seed) {
    Inputs inputs = make_inputs(stage, values, seed);
    Oracle oracle(stage.operations, inputs.parameters, inputs.images, inputs.labels,
                  {unit, values == Values::small_integers});
    oracle.forward(inputs.input, inputs.indices);
    const std::vector<bool>& doubtful = oracle.doubtful();
    const auto doubts = static_cast<double>(std::count(doubtful.begin(), doubtful.end(), true));
    if (oracle.inconclusive() || doubts > kMostDoubtfulOutputs * static_cast<double>(doubtful.size()))
      continue;
    for (std::size_t i = 0; i < inputs.output_gradient.size(); ++i) {
      if (doubtful[i]) inputs.output_gradient[i] = 0;
    }
    oracle.backward(inputs.output_gradient);
    return Expectation{std::move(inputs), std::move(oracle)};
  }
  return std::nullopt;
}

/// One executable through all phases.
AssertionResult check_training(Backend& backend, const StageCase& stage, const Expectation& expectation,
                               bool input_gradient) {
  const Inputs& inputs = expectation.inputs;
  const Oracle& oracle = expectation.oracle;
  Subject subject(backend, stage, inputs, {.training = true, .input_gradient = input_gradient});
  Executable& executable = subject.executable();
  subject.forward();  // with other weights: the next forward() has to notice the new version
  subject.set_parameters(inputs.parameters);
  subject.forward();
  AssertionResult result = check_forward(subject, stage, oracle, "of forward");
  if (!result) return result;
  const std::vector<double> output = to_doubles(executable.output());

  std::vector<double> poison = inputs.earlier_gradients;
  std::fill_n(poison.begin() + stage.first_parameter, stage.parameters,
              std::numeric_limits<double>::quiet_NaN());
  subject.set_gradients(poison);
  subject.backward(Phase::backward, inputs.output_gradient);
  const std::vector<double> gradients = subject.gradients();
  result = check_gradients(stage, gradients, oracle.parameter_gradients(), poison, "of backward");
  if (!result) return result;
  const std::vector<double> dx = to_doubles(executable.input_gradient());
  if (input_gradient && !extent_of(stage).gathers) {
    result = within_bound(dx, oracle.input_gradient(), "input gradient");
    if (!result) return result;
  } else if (!dx.empty()) {
    return AssertionFailure() << "an input gradient that nobody asked for";
  }

  subject.forward();
  if (to_doubles(executable.output()) != output)
    return AssertionFailure() << "a second forward gave other bits";
  subject.set_gradients(inputs.earlier_gradients);
  subject.backward(Phase::backward_accumulate, inputs.output_gradient);
  const Bounded accumulated = oracle.accumulated_gradients(inputs.earlier_gradients);
  result = check_gradients(stage, subject.gradients(), accumulated, inputs.earlier_gradients,
                           "of backward_accumulate");
  if (!result) return result;

  subject.forward();
  subject.set_gradients(poison);
  subject.backward(Phase::backward, inputs.output_gradient);
  if (subject.gradients() != gradients || to_doubles(executable.input_gradient()) != dx) {
    return AssertionFailure() << "a second backward gave other bits";
  }
  if (subject.parameters() != inputs.parameters)
    return AssertionFailure() << "running the stage changed the weights";
  return AssertionSuccess();
}

AssertionResult check_inference(Backend& backend, const StageCase& stage, const Expectation& expectation) {
  Subject subject(backend, stage, expectation.inputs, {.training = false, .input_gradient = false});
  subject.set_parameters(expectation.inputs.parameters);
  subject.forward();
  return check_forward(subject, stage, expectation.oracle, "of inference");
}

}  // namespace

AssertionResult check_stage(Backend& backend, const StageCase& stage, Values values) {
  const double unit = unit_roundoff(backend.dtype());
  const std::uint64_t first_seed = values == Values::small_integers ? 1 : 1001;
  // Scaled pixels are no integers, yet few enough that sums with integer weights tie.
  if (extent_of(stage).gathers) values = Values::reals;
  const std::optional<Expectation> expectation = expect(stage, values, unit, first_seed);
  if (!expectation)
    return AssertionFailure() << stage.name << ": no conclusive inputs in " << kAttempts << " attempts";
  if (values == Values::small_integers && !(expectation->oracle.largest_sum() * unit < 1)) {
    return AssertionFailure() << stage.name << ": sums up to " << expectation->oracle.largest_sum()
                              << " are not exact in " << to_string(backend.dtype());
  }
  const std::string where =
      stage.name + (values == Values::small_integers ? " (small integers): " : " (real numbers): ");
  for (const bool input_gradient : {true, false}) {
    const AssertionResult training = check_training(backend, stage, *expectation, input_gradient);
    if (!training) return AssertionFailure() << where << training.message();
  }
  const AssertionResult inference = check_inference(backend, stage, *expectation);
  if (!inference) return AssertionFailure() << where << inference.message();
  return AssertionSuccess();
}

}  // namespace dml::test
