// What the reference's kernels have in common: their interface, and the context that gives them their
// buffers.
//
// A kernel computes one operation. Its input and output are Activations: values in NCHW order and, beside
// them, the gradient of the loss with respect to each value. forward() reads the input's values and
// overwrites the output's; backward() reads the output's gradient and overwrites the input's, unless nobody
// needs that (an empty span). Parameter gradients are sums over samples, overwritten or added to.
#pragma once

#include <memory>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "kernels/base/backend.h"
#include "kernels/base/buffer.h"
#include "kernels/base/lowering.h"

namespace dml::reference {

/// `gradient` is empty when the stage runs forward only, and where no gradient is needed.
struct Activation {
  std::span<double> values;
  std::span<double> gradient;
};

class Kernel {
 public:
  /// `layer` and `description` are for messages; `output` is what first_non_finite_layer() looks at.
  Kernel(std::string layer, std::string description, std::span<const double> output)
      : layer_(std::move(layer)), description_(std::move(description)), output_(output) {}
  Kernel(const Kernel&) = delete;
  Kernel& operator=(const Kernel&) = delete;
  virtual ~Kernel() = default;

  virtual void forward() = 0;
  /// `accumulate`: parameter gradients are added to instead of overwritten.
  virtual void backward(bool accumulate) = 0;

  [[nodiscard]] const std::string& layer() const { return layer_; }
  [[nodiscard]] const std::string& description() const { return description_; }
  [[nodiscard]] std::span<const double> output() const { return output_; }

 private:
  std::string layer_;
  std::string description_;
  std::span<const double> output_;
};

/// What a stage consists of beside its kernels. They keep references to it, so it stays where it is.
struct Context {
  using Kernel = reference::Kernel;

  Context(ParameterBinding& parameter_binding, const DataBinding& data_binding,
          const CompileOptions& compile_options)
      : parameters(parameter_binding), data(data_binding), options(compile_options) {}

  ParameterBinding& parameters;
  const DataBinding& data;
  CompileOptions options;
  std::vector<std::int64_t> sample_indices;
  LossResult loss;
  Activation last;  ///< what the kernel before the next one writes; the stage's input at first

  /// A new activation; its gradient exists only when `needs_gradient` and the stage is trained.
  Activation allocate(std::int64_t elements, bool needs_gradient);

 private:
  std::vector<HostBuffer> buffers_;
};

/// Weights, bias and their gradients of one layer, found in the arena anew at each run.
class LayerParameters {
 public:
  /// Asserts that both tensors lie inside the arena.
  LayerParameters(const ParameterBinding& binding, std::int64_t weight_offset, std::int64_t weight_elements,
                  std::int64_t bias_offset, std::int64_t bias_elements);

  [[nodiscard]] std::span<const double> weight() const { return weight_in(binding_->values); }
  [[nodiscard]] std::span<const double> bias() const { return bias_in(binding_->values); }
  [[nodiscard]] std::span<double> weight_gradient() const { return weight_in(binding_->gradients); }
  [[nodiscard]] std::span<double> bias_gradient() const { return bias_in(binding_->gradients); }
  /// Zeroes both gradients.
  void clear_gradients() const;

 private:
  [[nodiscard]] std::span<double> weight_in(const View& arena) const {
    return arena.slice(weight_offset_, weight_elements_).as<double>();
  }
  [[nodiscard]] std::span<double> bias_in(const View& arena) const {
    return arena.slice(bias_offset_, bias_elements_).as<double>();
  }

  const ParameterBinding* binding_;
  std::int64_t weight_offset_, weight_elements_, bias_offset_, bias_elements_;
};

using Candidate = dml::Candidate<Context>;

/// Whether the first operation is a `Work`: what every kernel here claims, whatever the shape.
template <class Work>
std::size_t claims_one(std::span<const Operation> operations) {
  return std::holds_alternative<Work>(operations.front().work) ? 1 : 0;
}

/// "conv2d_reference: convolution 1x28x28 -> 6x28x28, filter 5x5"
std::string kernel_description(std::string_view kernel, const Operation& operation);

}  // namespace dml::reference
