// The kernels that pool, with `>` between a value and the best so far turned into `>=`, so that the last of
// equal values wins instead of the first: does the test of operations notice? CMake makes the turned sources
// of those that are released, and links them in their place.
#include <gtest/gtest.h>
#include <string>

#include "kernels/cuda/device_backend.h"
#include "tests/kernels/operation_testbed.h"

namespace dml::test {
namespace {

class WrongTie : public testing::TestWithParam<std::string> {};

TEST_P(WrongTie, IsNoticed) {
  const auto backend = emulator::make_backend({});
  for (const StageCase& stage : stage_cases()) {
    if (stage.name == GetParam()) {
      EXPECT_FALSE(check_stage(*backend, stage, Values::small_integers));
      return;
    }
  }
  FAIL() << "no such stage";
}

// Of the pool alone with windows of 2 and of another size, of a pool fused into a direct and into a window
// kernel.
INSTANTIATE_TEST_SUITE_P(Stages, WrongTie,
                         testing::Values("pool_odd_channels", "pool_overlapping",
                                         "conv_relu_pool_even_filter", "conv_relu_pool_prime_everything",
                                         "conv_relu_pool_lenet_conv2"),
                         [](const testing::TestParamInfo<std::string>& p) { return p.param; });

/// Where nothing ties, nothing is wrong: what the others noticed are the ties.
TEST(WrongTies, AreAllThatIsWrong) {
  const auto backend = emulator::make_backend({});
  for (const StageCase& stage : stage_cases()) {
    if (stage.name == "conv_prime_everything" || stage.name == "conv_even_filter") {
      EXPECT_TRUE(check_stage(*backend, stage, Values::small_integers)) << stage.name;
    }
  }
}

}  // namespace
}  // namespace dml::test
