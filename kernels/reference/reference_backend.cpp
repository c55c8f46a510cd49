#include "kernels/reference/reference_backend.h"

#include <algorithm>
#include <array>
#include <cmath>

#include "kernels/reference/convolution.h"
#include "kernels/reference/gather_normalize.h"
#include "kernels/reference/linear.h"
#include "kernels/reference/max_pool.h"
#include "kernels/reference/optimizer.h"
#include "kernels/reference/relu.h"
#include "kernels/reference/softmax_cross_entropy.h"

namespace dml {
namespace {

bool all_finite(std::span<const double> values) {
  return std::ranges::all_of(values, [](double value) { return std::isfinite(value); });
}

class ReferenceExecutable final : public Executable {
 public:
  ReferenceExecutable(std::span<const Operation> operations, ParameterBinding& parameters,
                      const DataBinding& data, const CompileOptions& options)
      : context_(parameters, data, options) {
    check_operations(operations);
    DML_ASSERT(parameters.values.dtype == DType::f64, "the reference computes with f64 parameters");
    DML_ASSERT(!options.training || parameters.gradients.elements == parameters.values.elements,
               "gradients have the layout of the parameters");
    const auto* gather = std::get_if<GatherNormalize>(&operations.front().work);
    const auto* loss = std::get_if<SoftmaxCrossEntropy>(&operations.back().work);
    ends_in_loss_ = loss != nullptr;
    if (gather == nullptr) {
      input_ = context_.allocate(input_elements(operations.front()), options.input_gradient);
    }
    context_.last = input_;
    if (gather != nullptr) reserve_indices(gather->N);
    if (loss != nullptr) reserve_indices(loss->N);
    const std::array candidates = {reference::gather_normalize(), reference::convolution(),
                                   reference::linear(),           reference::relu(),
                                   reference::max_pool(),         reference::softmax_cross_entropy()};
    kernels_ = lower<reference::Context>(operations, candidates, context_);
  }

  void run(Phase phase, Stream& /*stream*/) override {
    if (phase == Phase::forward) {
      for (const auto& kernel : kernels_) kernel->forward();
      return;
    }
    DML_ASSERT(context_.options.training, "a stage compiled for inference keeps nothing for a backward pass");
    for (std::size_t i = kernels_.size(); i-- > 0;) {
      kernels_[i]->backward(phase == Phase::backward_accumulate);
    }
  }

  std::span<std::int64_t> sample_indices() override { return context_.sample_indices; }
  View input() override { return view_of(input_.values); }
  View output() override { return view_of(context_.last.values); }
  View output_gradient() override {
    return view_of(ends_in_loss_ ? std::span<double>() : context_.last.gradient);
  }
  View input_gradient() override { return view_of(input_.gradient); }

  LossResult loss() override {
    DML_ASSERT(ends_in_loss_, "a stage without a loss was asked for it");
    return context_.loss;
  }

  std::string first_non_finite_layer() override {
    for (const auto& kernel : kernels_) {
      if (!all_finite(kernel->output())) return kernel->layer();
    }
    return {};
  }
  bool output_is_finite() override { return all_finite(context_.last.values); }

  std::string description() const override {
    std::string lines;
    for (const auto& kernel : kernels_) lines += kernel->layer() + ": " + kernel->description() + "\n";
    return lines;
  }

 private:
  void reserve_indices(std::int64_t samples) {
    context_.sample_indices.resize(static_cast<std::size_t>(samples));
  }

  reference::Context context_;
  reference::Activation input_;
  bool ends_in_loss_ = false;
  std::vector<std::unique_ptr<reference::Kernel>> kernels_;
};

class ReferenceBackend final : public Backend {
 public:
  std::string name() const override { return "reference"; }
  DType dtype() const override { return DType::f64; }

  std::unique_ptr<Executable> compile(std::span<const Operation> operations, ParameterBinding& parameters,
                                      const DataBinding& data, const CompileOptions& options) override {
    return std::make_unique<ReferenceExecutable>(operations, parameters, data, options);
  }

  std::unique_ptr<Optimizer> make_optimizer(const OptimizerOptions& options, ParameterBinding& parameters,
                                            View state, std::int64_t first, std::int64_t count) override {
    return reference::make_optimizer(options, parameters, state, first, count);
  }
};

}  // namespace

std::unique_ptr<Backend> make_reference_backend() {
  return std::make_unique<ReferenceBackend>();
}

}  // namespace dml
