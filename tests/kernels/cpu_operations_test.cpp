// Every operation, fused run and short model on the CPU backend against the oracle, with one thread and with
// two.
#include <algorithm>
#include <gtest/gtest.h>
#include <string>
#include <vector>

#include "kernels/base/error.h"
#include "kernels/cpu/cpu_backend.h"
#include "tests/kernels/operation_testbed.h"

namespace dml::test {
namespace {

class CpuOperations : public testing::TestWithParam<StageCase> {};

TEST_P(CpuOperations, MatchTheOracle) {
  const auto backend = make_cpu_backend(1);
  EXPECT_TRUE(check_stage(*backend, GetParam(), Values::small_integers));
  EXPECT_TRUE(check_stage(*backend, GetParam(), Values::reals));
}

INSTANTIATE_TEST_SUITE_P(Stages, CpuOperations, testing::ValuesIn(stage_cases()), stage_case_name);

/// The oracle takes nearly all the time and a team of threads changes nothing in what is fused or how: big
/// shapes and fused runs are left to one thread.
std::vector<StageCase> stages_for_two_threads() {
  std::vector<StageCase> stages = stage_cases();
  const auto is_left_out = [](const StageCase& stage) {
    return stage.name.find("mnist_cnn") != std::string::npos || stage.name.rfind("conv_relu", 0) == 0 ||
           stage.name.rfind("linear_relu", 0) == 0;
  };
  stages.erase(std::remove_if(stages.begin(), stages.end(), is_left_out), stages.end());
  return stages;
}

class CpuOperationsOnTwoThreads : public testing::TestWithParam<StageCase> {};

TEST_P(CpuOperationsOnTwoThreads, MatchTheOracle) {
  const auto backend = make_cpu_backend(2);
  EXPECT_TRUE(check_stage(*backend, GetParam(), Values::small_integers));
}

INSTANTIATE_TEST_SUITE_P(Stages, CpuOperationsOnTwoThreads, testing::ValuesIn(stages_for_two_threads()),
                         stage_case_name);

/// Convolutions around the edges of the lanes: blocks of 16 samples, tiles of channels and points, skipped
/// rows and columns of padding, pools that drop or skip some.
std::vector<StageCase> lanes_cases() {
  std::vector<StageCase> cases;
  for (const std::int64_t N : {8, 15, 16, 17, 33}) {
    cases.push_back(
        StageBuilder("batch_" + std::to_string(N), N, 2, 7, 9).convolution(5, 3, 3, 1, 1).relu().build());
  }
  for (std::int64_t K = 1; K <= 16; ++K) {
    cases.push_back(StageBuilder("channels_" + std::to_string(K), 8, 17 - K > 15 ? 15 : 17 - K, 6, 5)
                        .convolution(K, 3, 2, 1, 1)
                        .build());
  }
  for (std::int64_t Q = 1; Q <= 14; ++Q) {
    cases.push_back(
        StageBuilder("columns_" + std::to_string(Q), 9, 3, 4, Q + 4).convolution(4, 3, 5).relu().build());
  }
  for (std::int64_t S = 1; S <= 7; ++S) {
    cases.push_back(StageBuilder("filter_" + std::to_string(S), 16, 3, 9, 8)
                        .convolution(6, S, S, 1, S / 2)
                        .relu()
                        .max_pool(2, 2)
                        .build());
  }
  for (const std::int64_t window : {1, 2, 3}) {
    for (const std::int64_t stride : {1, 2, 3, 4}) {
      const std::string name = "pool_" + std::to_string(window) + "_stride_" + std::to_string(stride);
      cases.push_back(
          StageBuilder(name, 11, 2, 10, 11).convolution(3, 3, 3, 1, 1).max_pool(window, stride).build());
      cases.push_back(StageBuilder(name + "_relu", 11, 2, 10, 11)
                          .convolution(3, 3, 3)
                          .relu()
                          .max_pool(window, stride)
                          .build());
    }
  }
  cases.push_back(StageBuilder("two_layers", 18, 1, 12, 12)
                      .gather(0.25, 0.5)
                      .convolution(6, 5, 5, 1, 2)
                      .relu()
                      .max_pool(2, 2)
                      .convolution(4, 3, 3)
                      .relu()
                      .linear(5)
                      .softmax_cross_entropy()
                      .build());
  cases.push_back(StageBuilder("behind_many_channels", 16, 3, 8, 8)
                      .convolution(32, 3, 3, 1, 1)
                      .relu()
                      .convolution(8, 1, 1)
                      .convolution(8, 3, 3)
                      .build());
  return cases;
}

class CpuLanesConvolutions : public testing::TestWithParam<StageCase> {};

TEST_P(CpuLanesConvolutions, MatchTheOracle) {
  for (const int threads : {1, 3}) {
    const auto backend = make_cpu_backend(threads);
    EXPECT_TRUE(check_stage(*backend, GetParam(), Values::small_integers));
    EXPECT_TRUE(check_stage(*backend, GetParam(), Values::reals));
  }
}

TEST_P(CpuLanesConvolutions, AndTheLibraryInTheirPlaceMatchesTheOracle) {
  const auto backend = make_cpu_backend(1);
  EXPECT_TRUE(check_stage(*backend, GetParam(), Values::small_integers, KernelChoice::library));
}

INSTANTIATE_TEST_SUITE_P(Stages, CpuLanesConvolutions, testing::ValuesIn(lanes_cases()), stage_case_name);

TEST(CpuBackend, KeepsThePromisesOfTheSeam) {
  const auto backend = make_cpu_backend(2);
  check_promises(*backend);
}

TEST(CpuBackend, OptimizersFollowTheirFormulas) {
  const auto backend = make_cpu_backend(2);
  check_optimizers(*backend);
}

TEST(CpuBackend, ComputesWithTheKernelsThatWereChosen) {
  const auto backend = make_cpu_backend(1);
  const StageCase stage =
      StageBuilder("c", 16, 1, 12, 12).gather(0.25, 0.5).convolution(6, 5, 5).relu().build();
  ParameterBinding parameters;
  const Buffer arena = backend->allocate(stage.arena_elements, "parameters");
  parameters.values = parameters.gradients = arena.view;
  const std::vector<std::uint8_t> images(16 * 144), labels(16);
  const DataBinding data{images, labels, {}};
  const auto description = [&](KernelChoice kernels) {
    return backend->compile(stage.operations, parameters, data, {.kernels = kernels})->description();
  };
  EXPECT_NE(description(KernelChoice::automatic).find("samples in lanes"), std::string::npos);
  EXPECT_NE(description(KernelChoice::custom).find("samples in lanes"), std::string::npos);
  const std::string library = description(KernelChoice::library);
  EXPECT_EQ(library.find("samples in lanes"), std::string::npos) << library;
  EXPECT_NE(library.find("convolution forward: "), std::string::npos) << library;
}

TEST(CpuBackend, RefusesNoThreads) {
  EXPECT_THROW(make_cpu_backend(0), UsageError);
  EXPECT_THROW(make_cpu_backend(-3), UsageError);
}

}  // namespace
}  // namespace dml::test
