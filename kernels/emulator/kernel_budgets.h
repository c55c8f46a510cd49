// What ptxas found for each kernel on sm_90 (kernels/cuda/resources.txt, compiled in): the registers and the
// static shared memory of its largest variant, and the threads of its smallest launch bounds.
#pragma once

#include <cstddef>
#include <span>
#include <string_view>

namespace dml::emulator {

struct KernelBudget {
  std::string_view kernel;  ///< without "_kernel" and template arguments
  std::size_t registers = 0, shared_bytes = 0, threads = 0;
  std::size_t variants = 1;  ///< instances of a template
};

/// One for each kernel.
std::span<const KernelBudget> kernel_budgets();
/// That of the launch's kernel, whose name it begins with: "tiled_gemm(linear_forward)". Null for one that is
/// not in the table.
const KernelBudget* budget_of(std::string_view launch);
/// Registers that a block of so many threads takes from its multiprocessor: whole warps in whole allocations.
std::size_t registers_of_block(const KernelBudget& budget, std::size_t threads);

inline constexpr std::size_t kRegistersOfAMultiprocessor = 65536;

}  // namespace dml::emulator
