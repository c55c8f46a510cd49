#include "kernels/reference/kernel.h"

#include <algorithm>

namespace dml::reference {

Activation Context::allocate(std::int64_t elements, bool needs_gradient) {
  Activation activation;
  activation.values = buffers_.emplace_back(elements, DType::f64).as<double>();
  if (needs_gradient && options.training) {
    activation.gradient = buffers_.emplace_back(elements, DType::f64).as<double>();
  }
  return activation;
}

LayerParameters::LayerParameters(const ParameterBinding& binding, std::int64_t weight_offset,
                                 std::int64_t weight_elements, std::int64_t bias_offset,
                                 std::int64_t bias_elements)
    : binding_(&binding),
      weight_offset_(weight_offset),
      weight_elements_(weight_elements),
      bias_offset_(bias_offset),
      bias_elements_(bias_elements) {
  const std::int64_t arena = binding.values.elements;
  DML_ASSERT(weight_offset >= 0 && weight_offset + weight_elements <= arena, "weights outside the arena");
  DML_ASSERT(bias_offset >= 0 && bias_offset + bias_elements <= arena, "a bias outside the arena");
}

void LayerParameters::clear_gradients() const {
  std::ranges::fill(weight_gradient(), 0.0);
  std::ranges::fill(bias_gradient(), 0.0);
}

std::string kernel_description(std::string_view kernel, const Operation& operation) {
  return std::string(kernel) + ": " + describe(operation);
}

}  // namespace dml::reference
