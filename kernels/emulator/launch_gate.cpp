#include "kernels/emulator/launch_gate.h"

#include <algorithm>
#include <string>

namespace dml::emulator {
namespace {

constexpr std::size_t kWarp = 32;
constexpr std::size_t kThreadsOfABlock = 1024;
constexpr unsigned kThreadsInZ = 64;
constexpr unsigned kBlocksInX = 0x7fffffff, kBlocksInYAndZ = 65535;
// Of a multiprocessor.
constexpr std::size_t kBlocks = 32, kWarps = 64;
constexpr std::size_t kSharedBytes = std::size_t{228} << 10U;
constexpr std::size_t kReservedBytes = 1024;  // of shared memory, by the system, in each block

std::string product(const Extent& extent) {
  return std::to_string(extent.x) + "x" + std::to_string(extent.y) + "x" + std::to_string(extent.z);
}

}  // namespace

std::size_t resident_blocks(const KernelBudget* budget, std::size_t threads, std::size_t dynamic_shared) {
  const std::size_t warps = (threads + kWarp - 1) / kWarp;
  const std::size_t registers = budget != nullptr ? registers_of_block(*budget, threads) : 0;
  const std::size_t shared = (budget != nullptr ? budget->shared_bytes : 0) + dynamic_shared + kReservedBytes;
  std::size_t blocks = std::min({kBlocks, kWarps / warps, kSharedBytes / shared});
  if (registers > 0) blocks = std::min(blocks, kRegistersOfAMultiprocessor / registers);
  return blocks;
}

void check_launch(const char* name, const KernelBudget* budget, const LaunchShape& shape, bool cooperative) {
  const auto refuse = [&](const std::string& rule) {
    throw DeviceError("launch of kernel " + std::string(name) + ": " + rule);
  };
  const Extent b = shape.blocks;
  const Extent t = shape.threads;
  const std::size_t threads = std::size_t{t.x} * t.y * t.z;
  if (threads == 0 || threads > kThreadsOfABlock || t.z > kThreadsInZ) {
    refuse("a block of " + product(t) + " threads; a block has 1 to 1024 threads, at most 64 in z");
  }
  if (b.x == 0 || b.y == 0 || b.z == 0 || b.x > kBlocksInX || b.y > kBlocksInYAndZ || b.z > kBlocksInYAndZ) {
    refuse("a grid of " + product(b) + " blocks; a grid has 1 to 2147483647, 65535 and 65535");
  }
  if (budget != nullptr && threads > budget->threads) {
    refuse(std::to_string(threads) + " threads in a block; its launch bounds are " +
           std::to_string(budget->threads));
  }
  if (budget != nullptr && registers_of_block(*budget, threads) > kRegistersOfAMultiprocessor) {
    refuse("a block of " + std::to_string(threads) + " threads takes " +
           std::to_string(registers_of_block(*budget, threads)) + " registers; a multiprocessor has " +
           std::to_string(kRegistersOfAMultiprocessor));
  }
  const std::size_t fixed = budget != nullptr ? budget->shared_bytes : 0;
  if (fixed + shape.shared_bytes > kSharedLimit) {
    refuse(std::to_string(fixed) + " bytes of static and " + std::to_string(shape.shared_bytes) +
           " of dynamic shared memory; together at most " + std::to_string(kSharedLimit) + " fit");
  }
  if (!cooperative) return;
  const std::size_t blocks = std::size_t{b.x} * b.y * b.z;
  const std::size_t resident = kMultiprocessors * resident_blocks(budget, threads, shape.shared_bytes);
  if (blocks > resident) {
    refuse("a cooperative grid of " + std::to_string(blocks) + " blocks; " + std::to_string(resident) +
           " of them are resident at once");
  }
  if (blocks * threads > kMostResidentThreads) {
    refuse("a cooperative grid of " + std::to_string(blocks * threads) +
           " threads; the emulator runs at most " + std::to_string(kMostResidentThreads) + " at once");
  }
}

}  // namespace dml::emulator
