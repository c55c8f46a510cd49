#include "kernels/base/empty_executable.h"

namespace dml {

void EmptyExecutable::run(Phase phase, Stream& stream) {
  if (phase != Phase::backward) return;
  const auto clear = [&](std::int64_t offset, std::int64_t count) {
    stream.clear(parameters_.gradients.slice(offset, count));
  };
  for (const Operation& operation : operations_) {
    if (const auto* const convolution = std::get_if<Convolution>(&operation.work)) {
      clear(convolution->weight_offset, convolution->shape.weight_elements());
      clear(convolution->bias_offset, convolution->shape.K);
    } else if (const auto* const linear = std::get_if<Linear>(&operation.work)) {
      clear(linear->weight_offset, linear->shape.weight_elements());
      clear(linear->bias_offset, linear->shape.K);
    }
  }
}

}  // namespace dml
