#include "tests/kernels/operation_testbed.h"

#include <algorithm>
#include <cmath>
#include <limits>
#include <optional>
#include <utility>

#include "tests/kernels/compare.h"
#include "tests/kernels/oracle.h"
#include "tests/kernels/stage_subject.h"

namespace dml::test {
namespace {

using ::testing::AssertionFailure;
using ::testing::AssertionResult;
using ::testing::AssertionSuccess;

constexpr int kAttempts = 20;                 // at inputs on which rounding decides nothing
constexpr double kMostDoubtfulOutputs = 0.1;  // a larger fraction would leave too little to compare

/// What the stage should have computed from its inputs.
struct Expectation {
  Inputs inputs;
  Oracle oracle;
};

AssertionResult check_forward(Subject& subject, const StageCase& stage, const Oracle& oracle,
                              const std::string& when) {
  Executable& executable = subject.executable();
  AssertionResult output = within_bound(subject.output(), oracle.output(), "output " + when);
  if (!output) return output;
  if (!executable.first_non_finite_layer().empty()) {
    return AssertionFailure() << "finite activations " << when << " were reported as non-finite in "
                              << executable.first_non_finite_layer();
  }
  if (!extent_of(stage).ends_in_loss) return AssertionSuccess();
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
  for (const ParameterTensor& tensor : parameter_tensors(stage)) {
    AssertionResult result = compare(tensor.name + " gradient " + when, tensor.offset, tensor.elements);
    if (!result) return result;
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
    if (oracle.inconclusive() || doubts > kMostDoubtfulOutputs * static_cast<double>(doubtful.size())) {
      continue;
    }
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
                               const CompileOptions& options) {
  const Inputs& inputs = expectation.inputs;
  const Oracle& oracle = expectation.oracle;
  Subject subject(backend, stage, inputs, options);
  subject.forward();  // with other weights: the next forward() has to notice the new version
  subject.set_parameters(inputs.parameters);
  subject.forward();
  AssertionResult result = check_forward(subject, stage, oracle, "of forward");
  if (!result) return result;
  const std::vector<double> output = subject.output();

  std::vector<double> poison = inputs.earlier_gradients;
  std::fill_n(poison.begin() + stage.first_parameter, stage.parameters,
              std::numeric_limits<double>::quiet_NaN());
  subject.set_gradients(poison);
  subject.backward(Phase::backward, inputs.output_gradient);
  const std::vector<double> gradients = subject.gradients();
  result = check_gradients(stage, gradients, oracle.parameter_gradients(), poison, "of backward");
  if (!result) return result;
  const std::vector<double> dx = subject.input_gradient();
  if (options.input_gradient && !extent_of(stage).gathers) {
    result = within_bound(dx, oracle.input_gradient(), "input gradient");
    if (!result) return result;
  } else if (!dx.empty()) {
    return AssertionFailure() << "an input gradient that nobody asked for";
  }

  subject.forward();
  if (subject.output() != output) {
    return AssertionFailure() << "a second forward gave other bits";
  }
  subject.set_gradients(inputs.earlier_gradients);
  subject.backward(Phase::backward_accumulate, inputs.output_gradient);
  const Bounded accumulated = oracle.accumulated_gradients(inputs.earlier_gradients);
  result = check_gradients(stage, subject.gradients(), accumulated, inputs.earlier_gradients,
                           "of backward_accumulate");
  if (!result) return result;

  subject.forward();
  subject.set_gradients(poison);
  subject.backward(Phase::backward, inputs.output_gradient);
  if (subject.gradients() != gradients || subject.input_gradient() != dx) {
    return AssertionFailure() << "a second backward gave other bits";
  }
  if (subject.parameters() != inputs.parameters) {
    return AssertionFailure() << "running the stage changed the weights";
  }
  return AssertionSuccess();
}

AssertionResult check_inference(Backend& backend, const StageCase& stage, const Expectation& expectation,
                                KernelChoice kernels) {
  Subject subject(backend, stage, expectation.inputs,
                  {.training = false, .input_gradient = false, .kernels = kernels});
  subject.set_parameters(expectation.inputs.parameters);
  subject.forward();
  return check_forward(subject, stage, expectation.oracle, "of inference");
}

}  // namespace

AssertionResult check_stage(Backend& backend, const StageCase& stage, Values values, KernelChoice kernels) {
  const double unit = unit_roundoff(backend.dtype());
  const std::uint64_t first_seed = values == Values::small_integers ? 1 : 1001;
  // Scaled pixels are no integers, yet few enough that sums with integer weights tie.
  if (extent_of(stage).gathers) values = Values::reals;
  const std::optional<Expectation> expectation = expect(stage, values, unit, first_seed);
  if (!expectation) {
    return AssertionFailure() << stage.name << ": no conclusive inputs in " << kAttempts << " attempts";
  }
  if (values == Values::small_integers && !(expectation->oracle.largest_sum() * unit < 1)) {
    return AssertionFailure() << stage.name << ": sums up to " << expectation->oracle.largest_sum()
                              << " are not exact in " << to_string(backend.dtype());
  }
  const std::string where =
      stage.name + (values == Values::small_integers ? " (small integers): " : " (real numbers): ");
  for (const bool input_gradient : {true, false}) {
    const AssertionResult training =
        check_training(backend, stage, *expectation,
                       {.training = true, .input_gradient = input_gradient, .kernels = kernels});
    if (!training) return AssertionFailure() << where << training.message();
  }
  const AssertionResult inference = check_inference(backend, stage, *expectation, kernels);
  if (!inference) return AssertionFailure() << where << inference.message();
  return AssertionSuccess();
}

}  // namespace dml::test
