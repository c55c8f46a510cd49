// Which launches an H100 or H200 would refuse. What their multiprocessors hold is in the CUDA C++ Programming
// Guide ("Technical Specifications per Compute Capability", 9.0); what a kernel needs, in kernel_budgets.h.
#pragma once

#include <cstddef>

#include "kernels/cuda/launch_shape.h"
#include "kernels/emulator/kernel_budgets.h"

namespace dml::emulator {

inline constexpr int kMultiprocessors = 132;
inline constexpr std::size_t kStaticSharedLimit = std::size_t{48} << 10U;  ///< of a block, in bytes
inline constexpr std::size_t kSharedLimit = std::size_t{227} << 10U;       ///< static and dynamic together
/// Threads that the emulator itself runs at once: a stack of each is two mappings, of which Linux allows
/// 65530.
inline constexpr std::size_t kMostResidentThreads = 16384;

/// How many blocks of so many threads and bytes of dynamic shared memory a multiprocessor holds at once; 0:
/// not even one. Without a budget a kernel is taken to need neither registers nor static shared memory.
[[nodiscard]] std::size_t resident_blocks(const KernelBudget* budget, std::size_t threads,
                                          std::size_t dynamic_shared);

/// Throws DeviceError, with the rule, for a launch that a GPU would refuse: the sizes of block and grid,
/// launch bounds, registers, shared memory, and a cooperative grid that is not resident as a whole. `budget`
/// is null for a kernel that ptxas has not seen.
void check_launch(const char* name, const KernelBudget* budget, const LaunchShape& shape, bool cooperative);

}  // namespace dml::emulator
