// The double reference's gradients against central differences of its own forward pass.
//
// L(t) is the loss, or sum(dy * y) where a stage has none, with one parameter or input moved by t. Then
//   (L(h) - L(-h)) / 2h = dL/dt + truncation + rounding + kinks.
// Truncation: between two kinks of ReLU and max pool, outputs and logits are linear in one coordinate, so it
// is zero without a loss; with one, |L'''| is a third central moment of d(logits)/dt under the softmax, at
// most its range cubed, and the range is measured. Rounding: L(h) - L(-h) is off by the oracle's bounds on
// what changed. Kinks: one within reach bends L by as much as L(h) - 2 L(0) + L(-h) shows, half of which is
// its part in the quotient. Coordinates where all that exceeds a thousandth of the gradient prove nothing;
// they may be a quarter at most.
#include <gtest/gtest.h>
#include <set>

#include "kernels/base/philox.h"
#include "kernels/reference/reference_backend.h"
#include "tests/kernels/compare.h"
#include "tests/kernels/oracle.h"
#include "tests/kernels/stage_subject.h"

namespace dml::test {
namespace {

constexpr double kStepWithoutKinks = 0x1p-10;  // rounding is negligible, truncation is bounded
constexpr double kStepBetweenKinks = 0x1p-17;  // few kinks within reach, truncation is negligible
constexpr std::size_t kRandomCoordinates = 4;  // of each tensor, besides its ends and its largest gradient
constexpr double kSharp = 1e-3;                // of the largest gradient of the tensor

bool has_kinks(const StageCase& stage) {
  return std::ranges::any_of(stage.operations, [](const Operation& operation) {
    return std::holds_alternative<Relu>(operation.work) || std::holds_alternative<MaxPool>(operation.work);
  });
}

struct Difference {
  double value = 0, rounding = 0;
};

/// One stage whose loss can be asked for at displaced coordinates.
class DisplacedStage {
 public:
  DisplacedStage(Backend& backend, const StageCase& stage)
      : inputs_(make_inputs(stage, Values::reals, 2001)),
        extent_(extent_of(stage)),
        kinks_(has_kinks(stage)),
        step_(kinks_ ? kStepBetweenKinks : kStepWithoutKinks),
        oracle_(stage.operations, inputs_.parameters, inputs_.images, inputs_.labels,
                {.unit = unit_roundoff(DType::f64), .exact = false}),
        subject_(backend, stage, inputs_, {.training = true, .input_gradient = !extent_.gathers}) {
    oracle_.forward(inputs_.input, inputs_.indices);
    here_ = evaluate();
    subject_.backward(Phase::backward, inputs_.output_gradient);
    parameter_gradient_ = subject_.gradients();
    input_gradient_ = subject_.input_gradient();
  }

  void check_parameters(const ParameterTensor& tensor) {
    const auto offset = static_cast<std::size_t>(tensor.offset);
    const auto elements = static_cast<std::size_t>(tensor.elements);
    check(tensor.name, std::span(inputs_.parameters).subspan(offset, elements),
          std::span(parameter_gradient_).subspan(offset, elements));
  }
  void check_input() { check("input", inputs_.input, input_gradient_); }

 private:
  struct Point {
    double loss = 0;
    std::vector<double> output;
  };

  /// `coordinates` are those of inputs_, and are put back.
  void check(const std::string& what, std::span<double> coordinates, std::span<const double> gradient) {
    ASSERT_EQ(coordinates.size(), gradient.size()) << what;
    if (coordinates.empty()) return;
    const std::set<std::size_t> chosen = choose(gradient);
    const double scale = largest_magnitude(gradient);
    std::size_t coarse = 0;
    for (const std::size_t i : chosen) {
      const double original = coordinates[i];
      coordinates[i] = original + step_;
      const Point above = evaluate();
      coordinates[i] = original - step_;
      const Point below = evaluate();
      coordinates[i] = original;
      const Difference central = difference(above, below);
      const double bend =
          kinks_ ? std::fabs(difference(above, here_).value - difference(here_, below).value) : 0;
      const double tolerance =
          step_ * step_ / 6 * third_derivative(above, below) + (central.rounding + bend) / (2 * step_);
      if (scale > 0 && tolerance > kSharp * scale) ++coarse;
      const double quotient = central.value / (2 * step_);
      EXPECT_LE(std::fabs(quotient - gradient[i]), tolerance)
          << what << "[" << i << "]: " << quotient << " by differences, " << gradient[i] << " by backward";
    }
    EXPECT_LE(4 * coarse, chosen.size()) << what << ": too coarse to prove anything";
  }

  static std::set<std::size_t> choose(std::span<const double> gradient) {
    const auto smaller = [](double a, double b) { return std::fabs(a) < std::fabs(b); };
    std::set<std::size_t> chosen = {0, gradient.size() - 1};
    chosen.insert(static_cast<std::size_t>(std::ranges::max_element(gradient, smaller) - gradient.begin()));
    const PhiloxStream random(5, RandomUse::sampling, 0);
    for (std::size_t i = 0; i < kRandomCoordinates; ++i) chosen.insert(random.word(i) % gradient.size());
    return chosen;
  }

  Point evaluate() {
    subject_.set_parameters(inputs_.parameters);
    subject_.forward();
    return {extent_.ends_in_loss ? subject_.executable().loss().loss_sum : 0, subject_.output()};
  }

  /// L(a) - L(b). Outputs that did not change cancel exactly.
  [[nodiscard]] Difference difference(const Point& a, const Point& b) const {
    if (extent_.ends_in_loss) return {a.loss - b.loss, 2 * oracle_.loss_error()};
    Difference sum;
    std::int64_t changed = 0;
    double magnitude = 0;
    for (std::size_t i = 0; i < a.output.size(); ++i) {
      if (a.output[i] == b.output[i]) continue;
      const double dy = inputs_.output_gradient[i];
      sum.value += dy * (a.output[i] - b.output[i]);
      sum.rounding += std::fabs(dy) * 2 * oracle_.output().error[i];
      magnitude += std::fabs(dy * (a.output[i] - b.output[i]));
      ++changed;
    }
    sum.rounding += sum_rounding(changed + 1, unit_roundoff(DType::f64)) * magnitude;
    return sum;
  }

  /// A bound on |L'''|, from the logits at both ends of the step.
  [[nodiscard]] double third_derivative(const Point& above, const Point& below) const {
    if (!extent_.ends_in_loss) return 0;
    double sum = 0;
    for (std::int64_t n = 0; n < extent_.samples; ++n) {
      double low = std::numeric_limits<double>::infinity();
      double high = -low;
      for (std::int64_t k = 0; k < extent_.classes; ++k) {
        const auto i = static_cast<std::size_t>(n * extent_.classes + k);
        const double slope = (above.output[i] - below.output[i]) / (2 * step_);
        low = std::min(low, slope);
        high = std::max(high, slope);
      }
      sum += std::pow(high - low, 3);
    }
    return sum;
  }

  Inputs inputs_;
  StageExtent extent_;
  bool kinks_;
  double step_;
  Oracle oracle_;
  Subject subject_;
  Point here_;
  std::vector<double> parameter_gradient_, input_gradient_;
};

class ReferenceGradients : public ::testing::TestWithParam<StageCase> {};

TEST_P(ReferenceGradients, MatchCentralDifferences) {
  const auto backend = make_reference_backend();
  DisplacedStage displaced(*backend, GetParam());
  for (const ParameterTensor& tensor : parameter_tensors(GetParam())) displaced.check_parameters(tensor);
  if (!extent_of(GetParam()).gathers) displaced.check_input();
}

INSTANTIATE_TEST_SUITE_P(All, ReferenceGradients, ::testing::ValuesIn(stage_cases()), stage_case_name);

}  // namespace
}  // namespace dml::test
