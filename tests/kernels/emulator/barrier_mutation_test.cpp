// Is every barrier needed? Each __syncthreads and __syncwarp of the production kernels is left out at run
// time, one after the other; the checker or a wrong result has to notice. A barrier that nothing misses is
// either superfluous or not tested.
#include <filesystem>
#include <fstream>
#include <gtest/gtest.h>
#include <set>
#include <string>
#include <vector>

#include "kernels/base/error.h"
#include "kernels/cuda/device_backend.h"
#include "kernels/emulator/checker.h"
#include "tests/kernels/operation_testbed.h"

namespace dml::test {
namespace {

/// "conv2d_direct_forward.cu:152" for each barrier in kernels/cuda.
std::vector<std::string> barrier_sites() {
  std::vector<std::string> sites;
  for (const auto& file : std::filesystem::directory_iterator(DML_SOURCE_DIR "/kernels/cuda")) {
    const std::string extension = file.path().extension();
    if (extension != ".cu" && extension != ".cuh") continue;
    std::ifstream lines(file.path());
    std::string line;
    for (int number = 1; std::getline(lines, line); ++number) {
      const std::string code = line.substr(0, line.find("//"));
      if (code.find("__syncthreads(") == std::string::npos && code.find("__syncwarp(") == std::string::npos)
        continue;
      sites.push_back(file.path().filename().string() + ":" + std::to_string(number));
    }
  }
  return sites;
}

/// Stages that together run every kernel, with more than one slice, tile, split, group and sample each.
std::vector<StageCase> stages() {
  const std::set<std::string> wanted = {
      "conv_relu_pool_prime_everything",
      "conv_relu_pool_even_filter",
      "conv_dilation_2_stride_2",
      "conv_relu_batch_37",
      "conv_past_tile_of_32",
      "linear_relu_prime_everything",
      "loss_prime_everything",
      "pool_overlapping",
      "gather_linear_loss_batch_3",
      "loss_many_classes",
      "loss_batch_151",
      "conv_batch_151",
      "conv_row_filter_batch_151",
  };
  std::vector<StageCase> chosen;
  for (const StageCase& stage : stage_cases()) {
    if (wanted.contains(stage.name)) chosen.push_back(stage);
  }
  return chosen;
}

/// What was noticed without the barrier at `site`; empty: nothing.
std::string noticed_without(const std::string& site) {
  emulator::default_machine_options().dropped_barrier = site;
  std::string noticed;
  for (const std::uint64_t seed : {0, 1}) {
    for (const StageCase& stage : stages()) {
      try {
        const auto backend = emulator::make_backend({.id = 0, .seed = seed});
        const auto result = check_stage(*backend, stage, Values::small_integers);
        if (!result) noticed = stage.name + ": " + result.message();
      } catch (const Error& error) {
        noticed = stage.name + ": " + error.what();
      }
      if (!noticed.empty()) break;
    }
    if (!noticed.empty()) break;
  }
  emulator::default_machine_options().dropped_barrier.clear();
  return noticed;
}

class Barrier : public testing::TestWithParam<std::string> {};

TEST_P(Barrier, IsMissedWhenItIsLeftOut) {
  emulator::check_all_launches();
  const std::string noticed = noticed_without(GetParam());
  EXPECT_FALSE(noticed.empty()) << "nothing has noticed that the barrier at " << GetParam() << " is gone";
  std::printf("  %s: %.160s\n", GetParam().c_str(), noticed.c_str());
}

TEST(Barriers, NothingIsReportedWhileAllAreThere) {
  emulator::check_all_launches();
  EXPECT_EQ(noticed_without("no such place"), "");
  EXPECT_GE(barrier_sites().size(), 8U) << "the search for barriers finds hardly any";
}

std::string name_of(const testing::TestParamInfo<std::string>& p) {
  std::string name;
  for (const char letter : p.param)
    name += std::isalnum(static_cast<unsigned char>(letter)) != 0 ? letter : '_';
  return name;
}

INSTANTIATE_TEST_SUITE_P(Kernels, Barrier, testing::ValuesIn(barrier_sites()), name_of);

}  // namespace
}  // namespace dml::test
