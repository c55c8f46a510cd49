// Every operation, fused run and short model on our CUDA kernels against the oracle: by the emulator, in
// several orders of threads and blocks, also with every access checked; or, compiled for a GPU, there.
#include <algorithm>
#include <gtest/gtest.h>
#include <string>
#include <vector>

#include "kernels/cuda/device_backend.h"
#include "tests/kernels/operation_testbed.h"

#if defined(DML_TEST_CHECKED)
#include "kernels/emulator/checker.h"
#endif

#if defined(DML_TEST_CUDA)
#define DML_TESTED_DEVICE cuda
#else
#define DML_TESTED_DEVICE emulator
#endif

namespace dml::test {
namespace {

std::unique_ptr<Backend> backend_in_order(std::uint64_t seed) {
#if defined(DML_TEST_CHECKED)
  emulator::check_all_launches();
#endif
  return DML_TESTED_DEVICE::make_backend({.id = 0, .seed = seed});
}

class DeviceOperations : public testing::TestWithParam<StageCase> {};

TEST_P(DeviceOperations, MatchTheOracle) {
  const auto backend = backend_in_order(0);
  EXPECT_TRUE(check_stage(*backend, GetParam(), Values::small_integers));
  EXPECT_TRUE(check_stage(*backend, GetParam(), Values::reals));
}

#if !defined(DML_TEST_CUDA)
/// A kernel whose result depends on who comes first would differ from the oracle in one of these.
TEST_P(DeviceOperations, MatchTheOracleInAnyOrder) {
  for (const std::uint64_t seed : {1, 2}) {
    const auto backend = backend_in_order(seed);
    EXPECT_TRUE(check_stage(*backend, GetParam(), Values::small_integers)) << "order " << seed;
  }
}
#endif

INSTANTIATE_TEST_SUITE_P(Stages, DeviceOperations, testing::ValuesIn(stage_cases()), stage_case_name);
INSTANTIATE_TEST_SUITE_P(Tiles, DeviceOperations, testing::ValuesIn(many_tiles_cases()), stage_case_name);

TEST(DeviceBackend, KeepsThePromisesOfTheSeam) {
  const auto backend = backend_in_order(0);
  check_promises(*backend);
}

TEST(DeviceBackend, OptimizersFollowTheirFormulas) {
  const auto backend = backend_in_order(0);
  check_optimizers(*backend);
}

}  // namespace
}  // namespace dml::test
