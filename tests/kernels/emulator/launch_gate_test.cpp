// Each rule of the launch gate, just kept and just broken, by the figures of the CUDA C++ Programming Guide
// for compute capability 9.0.
#include "kernels/emulator/launch_gate.h"

#include <gtest/gtest.h>
#include <string>

namespace dml::emulator {
namespace {

/// Why such a launch is refused; empty: it is not.
std::string refusal(const LaunchShape& shape, bool cooperative = false,
                    const KernelBudget* budget = nullptr) {
  try {
    check_launch("some", budget, shape, cooperative);
  } catch (const DeviceError& error) {
    const std::string message = error.what(), start = "launch of kernel some: ";
    EXPECT_TRUE(message.starts_with(start)) << message;
    return message.substr(start.size());
  }
  return "";
}

TEST(LaunchGate, KeepsTheSizesOfABlock) {
  EXPECT_EQ(refusal({.blocks = {1}, .threads = {1024}}), "");
  EXPECT_EQ(refusal({.blocks = {1}, .threads = {4, 4, 64}}), "");
  const std::string rule = " threads; a block has 1 to 1024 threads, at most 64 in z";
  EXPECT_EQ(refusal({.blocks = {1}, .threads = {1025}}), "a block of 1025x1x1" + rule);
  EXPECT_EQ(refusal({.blocks = {1}, .threads = {1, 1, 65}}), "a block of 1x1x65" + rule);
  EXPECT_EQ(refusal({.blocks = {1}, .threads = {0}}), "a block of 0x1x1" + rule);
}

TEST(LaunchGate, KeepsTheSizesOfAGrid) {
  EXPECT_EQ(refusal({.blocks = {0x7fffffff, 65535, 65535}, .threads = {32}}), "");
  const std::string rule = " blocks; a grid has 1 to 2147483647, 65535 and 65535";
  EXPECT_EQ(refusal({.blocks = {0x80000000U}, .threads = {32}}), "a grid of 2147483648x1x1" + rule);
  EXPECT_EQ(refusal({.blocks = {1, 65536}, .threads = {32}}), "a grid of 1x65536x1" + rule);
  EXPECT_EQ(refusal({.blocks = {1, 1, 65536}, .threads = {32}}), "a grid of 1x1x65536" + rule);
  EXPECT_EQ(refusal({.blocks = {0}, .threads = {32}}), "a grid of 0x1x1" + rule);
}

TEST(LaunchGate, KeepsLaunchBounds) {
  const KernelBudget budget{.kernel = "some", .registers = 32, .threads = 256};
  EXPECT_EQ(refusal({.blocks = {1}, .threads = {256}}, false, &budget), "");
  EXPECT_EQ(refusal({.blocks = {1}, .threads = {257}}, false, &budget),
            "257 threads in a block; its launch bounds are 256");
}

TEST(LaunchGate, KeepsTheRegistersOfAMultiprocessor) {
  const KernelBudget budget{.kernel = "some", .registers = 65, .threads = 1024};
  EXPECT_EQ(registers_of_block(budget, 32), 2304U) << "65 x 32, rounded up to 256";
  EXPECT_EQ(registers_of_block(budget, 33), 2U * 2304U) << "whole warps";
  EXPECT_EQ(refusal({.blocks = {1}, .threads = {896}}, false, &budget), "");
  EXPECT_EQ(refusal({.blocks = {1}, .threads = {897}}, false, &budget),
            "a block of 897 threads takes 66816 registers; a multiprocessor has 65536");
}

TEST(LaunchGate, AddsStaticAndDynamicSharedMemory) {
  EXPECT_EQ(refusal({.blocks = {1}, .threads = {32}, .shared_bytes = 227 << 10}), "");
  EXPECT_EQ(refusal({.blocks = {1}, .threads = {32}, .shared_bytes = (227 << 10) + 1}),
            "0 bytes of static and 232449 of dynamic shared memory; together at most 232448 fit");
  const KernelBudget budget{.kernel = "some", .registers = 32, .shared_bytes = 1024, .threads = 1024};
  EXPECT_EQ(refusal({.blocks = {1}, .threads = {32}, .shared_bytes = 226 << 10}, false, &budget), "");
  EXPECT_EQ(refusal({.blocks = {1}, .threads = {32}, .shared_bytes = (226 << 10) + 1}, false, &budget),
            "1024 bytes of static and 231425 of dynamic shared memory; together at most 232448 fit");
}

TEST(LaunchGate, KnowsHowManyBlocksAMultiprocessorHolds) {
  EXPECT_EQ(resident_blocks(nullptr, 32, 0), 32U) << "blocks";
  EXPECT_EQ(resident_blocks(nullptr, 1024, 0), 2U) << "64 warps";
  EXPECT_EQ(resident_blocks(nullptr, 65, 0), 21U) << "a third warp for one thread";
  EXPECT_EQ(resident_blocks(nullptr, 32, 227 << 10), 1U) << "with the 1 KiB of the system just all of it";
  EXPECT_EQ(resident_blocks(nullptr, 32, 113 << 10), 2U);
  EXPECT_EQ(resident_blocks(nullptr, 32, (113 << 10) + 1), 1U);
  const KernelBudget budget{
      .kernel = "some", .registers = 128, .shared_bytes = std::size_t{48} << 10U, .threads = 256};
  EXPECT_EQ(resident_blocks(&budget, 256, 0), 2U) << "128 x 256 registers";
  EXPECT_EQ(resident_blocks(&budget, 128, 0), 4U) << "registers; 49 KiB of shared memory each fit four times";
  EXPECT_EQ(resident_blocks(&budget, 128, 64 << 10), 2U) << "113 KiB each";
}

TEST(LaunchGate, RefusesCooperativeGridsThatAreNotResidentAsAWhole) {
  const LaunchShape fits{.blocks = {132}, .threads = {32}, .shared_bytes = 200 << 10};
  const LaunchShape one_more{.blocks = {133}, .threads = {32}, .shared_bytes = 200 << 10};
  EXPECT_EQ(refusal(fits, true), "");
  EXPECT_EQ(refusal(one_more, true), "a cooperative grid of 133 blocks; 132 of them are resident at once");
  EXPECT_EQ(refusal(one_more, false), "") << "without a barrier over the grid nobody minds";
  const KernelBudget budget{.kernel = "some", .registers = 255, .threads = 256};
  EXPECT_EQ(refusal({.blocks = {11, 24}, .threads = {96}}, true, &budget),
            "a cooperative grid of 25344 threads; the emulator runs at most 16384 at once");
  EXPECT_EQ(refusal({.blocks = {3, 89}, .threads = {256}}, true, &budget),
            "a cooperative grid of 267 blocks; 132 of them are resident at once");
}

}  // namespace
}  // namespace dml::emulator
