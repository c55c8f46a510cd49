#include "kernels/reference/optimizer.h"

#include <cmath>

namespace dml::reference {
namespace {

/// The part every rule shares: the range, and the gradient of the mean loss with weight decay.
class RangeOptimizer : public Optimizer {
 public:
  RangeOptimizer(const OptimizerOptions& options, ParameterBinding& parameters, const View& state,
                 std::int64_t first, std::int64_t count)
      : options_(options), parameters_(&parameters), state_(state), first_(first), count_(count) {}

  void run(const StepState& step, Stream& /*stream*/) final {
    DML_ASSERT(step.samples > 0 || count_ == 0, "an update without samples has no mean gradient");
    const auto w = parameters_->values.slice(first_, count_).as<double>();
    const std::span<const double> gradient_sum = parameters_->gradients.slice(first_, count_).as<double>();
    for (std::size_t i = 0; i < w.size(); ++i) {
      const double g = gradient_sum[i] / static_cast<double>(step.samples) + options_.weight_decay * w[i];
      w[i] -= change(i, g, step);
    }
    ++parameters_->version;
  }

 protected:
  /// What is subtracted from parameter first + i.
  virtual double change(std::size_t i, double g, const StepState& step) = 0;

  [[nodiscard]] const OptimizerOptions& options() const { return options_; }
  /// One state slot over the range.
  [[nodiscard]] std::span<double> slot(int index) const {
    return state_.slice(index * parameters_->values.elements + first_, count_).as<double>();
  }

 private:
  OptimizerOptions options_;
  ParameterBinding* parameters_;
  View state_;
  std::int64_t first_, count_;
};

class PlainSgd final : public RangeOptimizer {
 public:
  using RangeOptimizer::RangeOptimizer;

 protected:
  double change(std::size_t /*i*/, double g, const StepState& step) override {
    return step.learning_rate * g;
  }
};

class MomentumSgd final : public RangeOptimizer {
 public:
  using RangeOptimizer::RangeOptimizer;

 protected:
  double change(std::size_t i, double g, const StepState& step) override {
    const double momentum = options().momentum;
    double& m = slot(0)[i];
    m = momentum * m + g;
    return step.learning_rate * (options().nesterov ? g + momentum * m : m);
  }
};

class Adam final : public RangeOptimizer {
 public:
  using RangeOptimizer::RangeOptimizer;

 protected:
  double change(std::size_t i, double g, const StepState& step) override {
    const auto [beta1, beta2] = std::pair(options().beta1, options().beta2);
    double& m = slot(0)[i];
    double& v = slot(1)[i];
    m = beta1 * m + (1 - beta1) * g;
    v = beta2 * v + (1 - beta2) * g * g;
    const auto t = static_cast<double>(step.step + 1);
    const double bias_correction1 = 1 - std::pow(beta1, t);
    const double bias_correction2 = 1 - std::pow(beta2, t);
    return step.learning_rate / bias_correction1 * m / (std::sqrt(v / bias_correction2) + options().epsilon);
  }
};

}  // namespace

std::unique_ptr<Optimizer> make_optimizer(const OptimizerOptions& options, ParameterBinding& parameters,
                                          const View& state, std::int64_t first, std::int64_t count) {
  const std::int64_t arena = parameters.values.elements;
  DML_ASSERT(parameters.values.dtype == DType::f64 && parameters.gradients.elements == arena,
             "the reference updates f64 parameters from gradients of the same layout");
  DML_ASSERT(first >= 0 && count >= 0 && first + count <= arena, "a range outside the arena");
  DML_ASSERT(state.elements == optimizer_state_slots(options) * arena, "optimizer state of another size");
  if (options.rule == OptimizerOptions::Rule::adam) {
    return std::make_unique<Adam>(options, parameters, state, first, count);
  }
  if (options.momentum != 0) return std::make_unique<MomentumSgd>(options, parameters, state, first, count);
  return std::make_unique<PlainSgd>(options, parameters, state, first, count);
}

}  // namespace dml::reference
