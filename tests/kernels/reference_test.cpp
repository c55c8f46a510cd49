// The double reference against the oracle: every stage, every promise, every optimizer.
#include <gtest/gtest.h>

#include "kernels/reference/reference_backend.h"
#include "tests/kernels/operation_testbed.h"

namespace dml::test {
namespace {

class ReferenceStages : public ::testing::TestWithParam<StageCase> {};

TEST_P(ReferenceStages, MatchTheOracle) {
  const auto backend = make_reference_backend();
  EXPECT_TRUE(check_stage(*backend, GetParam(), Values::small_integers));
  EXPECT_TRUE(check_stage(*backend, GetParam(), Values::reals));
}

INSTANTIATE_TEST_SUITE_P(All, ReferenceStages, ::testing::ValuesIn(stage_cases()), stage_case_name);

TEST(Reference, KeepsThePromisesOfTheSeam) {
  check_promises(*make_reference_backend());
}

TEST(Reference, UpdatesByEveryRule) {
  check_optimizers(*make_reference_backend());
}

}  // namespace
}  // namespace dml::test
