// Every operation, fused run and short model on the CPU backend against the oracle, with one thread and with
// two.
#include <gtest/gtest.h>

#include "kernels/base/error.h"
#include "kernels/cpu/cpu_backend.h"
#include "tests/kernels/operation_testbed.h"

namespace dml::test {
namespace {

class CpuOperations : public testing::TestWithParam<StageCase> {};

TEST_P(CpuOperations, OneThreadMatchesTheOracle) {
  const auto backend = make_cpu_backend(1);
  EXPECT_TRUE(check_stage(*backend, GetParam(), Values::small_integers));
  EXPECT_TRUE(check_stage(*backend, GetParam(), Values::reals));
}

TEST_P(CpuOperations, TwoThreadsMatchTheOracle) {
  const auto backend = make_cpu_backend(2);
  EXPECT_TRUE(check_stage(*backend, GetParam(), Values::small_integers));
  EXPECT_TRUE(check_stage(*backend, GetParam(), Values::reals));
}

INSTANTIATE_TEST_SUITE_P(Stages, CpuOperations, testing::ValuesIn(stage_cases()), stage_case_name);

TEST(CpuBackend, KeepsThePromisesOfTheSeam) {
  const auto backend = make_cpu_backend(2);
  check_promises(*backend);
}

TEST(CpuBackend, OptimizersFollowTheirFormulas) {
  const auto backend = make_cpu_backend(2);
  check_optimizers(*backend);
}

TEST(CpuBackend, RefusesNoThreads) {
  EXPECT_THROW(make_cpu_backend(0), UsageError);
  EXPECT_THROW(make_cpu_backend(-3), UsageError);
}

}  // namespace
}  // namespace dml::test
