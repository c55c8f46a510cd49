// What must hold of a list of operations before the CPU backend compiles it.
#pragma once

#include <cstdint>
#include <span>

#include "kernels/base/operation.h"

namespace dml::cpu {

/// Elements an operation reads and writes; a gather reads none of the stage's own.
struct OperationSize {
  std::int64_t samples = 0;  ///< -1 for a ReLU, which does not say
  std::int64_t input_elements = 0, output_elements = 0;
};
OperationSize size_of(const Operation& operation);

/// The number of samples of the stage. Throws UsageError naming layer and rule when a shape has no output,
/// when neighbours disagree, or when a gather or a loss is not at its end of the list.
std::int64_t check_stage(std::span<const Operation> operations);

}  // namespace dml::cpu
