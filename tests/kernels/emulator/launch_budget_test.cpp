// Would a GPU take our launches? Each one is held against what ptxas found for its kernel
// (kernels/cuda/resources.txt): no more threads than its launch bounds, no more registers than a
// multiprocessor has, no more static shared memory than was compiled in. And every kernel of the table is
// launched here at least once, so that none escapes.
//
// A launch is named like its kernel without "_kernel" (kernel_of() knows the others); of a kernel's template
// variants the largest budget of registers and shared memory counts, and the smallest of threads. The matrix
// products are told apart, by their names and by the shared memory of their tiles.
#include <algorithm>
#include <fnmatch.h>
#include <fstream>
#include <map>
#include <set>
#include <sstream>

#include "kernels/cuda/device.h"
#include "kernels/cuda/device_backend.h"
#include "kernels/cuda/pointwise.h"
#include "tests/kernels/emulator/device_arrays.h"
#include "tests/kernels/operation_testbed.h"

namespace dml::test {
namespace {

constexpr std::size_t kRegistersOfAMultiprocessor = 65536;
constexpr std::size_t kRegistersPerAllocation = 256;  // a warp takes whole ones
constexpr std::size_t kWarp = 32;

struct Budget {
  std::size_t registers = 0, shared_bytes = 0, threads = 1024;
  std::size_t variants = 0;  ///< instances of a template
};

/// By the kernel's name without "_kernel" and template arguments.
const std::map<std::string, Budget>& budgets() {
  static const std::map<std::string, Budget> table = [] {
    std::map<std::string, Budget> budgets;
    std::ifstream lines(DML_SOURCE_DIR "/kernels/cuda/resources.txt");
    for (std::string line; std::getline(lines, line);) {
      std::istringstream words(line);
      Budget variant;
      std::string registers, shared, spilled, threads, kernel;
      std::size_t spilled_bytes = 0;
      words >> variant.registers >> registers >> variant.shared_bytes >> shared >> spilled_bytes >> spilled >>
          variant.threads >> threads >> kernel;
      if (!words || registers != "registers" || threads != "threads") continue;
      Budget& budget = budgets[kernel.substr(0, kernel.find("_kernel"))];
      budget.registers = std::max(budget.registers, variant.registers);
      budget.shared_bytes = std::max(budget.shared_bytes, variant.shared_bytes);
      budget.threads = std::min(budget.threads, variant.threads);
      ++budget.variants;
    }
    return budgets;
  }();
  return table;
}

/// One kernel serves many launches: those of matrix products are named for what they compute.
std::string kernel_of(const std::string& launch) {
  if (launch.starts_with("linear_") || launch.starts_with("conv2d_tiled_")) return "tiled_gemm";
  const bool planes = launch == "conv2d_window_forward" || launch == "conv2d_window_input_gradient";
  return planes ? "conv2d_window_planes" : launch;
}

struct Findings {
  std::set<std::string> launched;
  std::set<std::string> refused;                           ///< why, as often as it may have happened
  std::set<std::pair<std::string, std::size_t>> products;  ///< launches of tiled_gemm, and their tiles' bytes
};
Findings& findings() {
  static Findings all;
  return all;
}

class BudgetObserver final : public emulator::Observer {
 public:
  void launch_begins(const emulator::Grid& grid) override {
    launch_ = grid.name;
    name_ = kernel_of(launch_);
    findings().launched.insert(name_);
    const auto found = budgets().find(name_);
    if (found == budgets().end()) {
      refuse("is not in the table");
      return;
    }
    const std::size_t threads = grid.threads_per_block(), warps = (threads + kWarp - 1) / kWarp;
    const std::size_t of_a_warp = (found->second.registers * kWarp + kRegistersPerAllocation - 1) /
                                  kRegistersPerAllocation * kRegistersPerAllocation;
    if (threads > found->second.threads) {
      refuse(std::to_string(threads) + " threads, its launch bounds are " +
             std::to_string(found->second.threads));
    }
    if (of_a_warp * warps > kRegistersOfAMultiprocessor) {
      refuse(std::to_string(warps) + " warps of " + std::to_string(of_a_warp) + " registers");
    }
  }
  void shared_memory_begins(const emulator::Block& block,
                            const emulator::SharedVariable& /*variable*/) override {
    std::size_t bytes = 0;
    for (const emulator::SharedVariable& variable : block.shared) {
      if (variable.key != nullptr) bytes += variable.bytes;
    }
    if (name_ == "tiled_gemm") findings().products.insert({launch_, bytes});
    const auto found = budgets().find(name_);
    if (found != budgets().end() && bytes > found->second.shared_bytes) {
      refuse(std::to_string(bytes) + " bytes of static shared memory, the table says " +
             std::to_string(found->second.shared_bytes));
    }
  }
  void launch_ends() override {}
  void threads_meet(const std::vector<emulator::Thread*>& /*members*/) override {}
  void shared_memory_ends(const emulator::SharedVariable& /*variable*/) override {}
  void accessed(const void* /*address*/, std::size_t /*bytes*/, bool /*writes*/) override {}
  void fence(bool /*gpu_scope*/) override {}
  void atomic(const void* /*address*/, bool /*reads*/, bool /*writes*/) override {}
  void acquire(const void* /*address*/) override {}
  void release(const void* /*address*/) override {}
  void memory_begins(const std::byte* /*data*/, std::size_t /*bytes*/,
                     const std::string& /*purpose*/) override {}
  void memory_ends(const std::byte* /*data*/) override {}
  void memory_written(const std::byte* /*data*/, std::size_t /*bytes*/) override {}

 private:
  void refuse(const std::string& why) { findings().refused.insert(name_ + ": " + why); }
  std::string launch_, name_;
};

void look_at_all_launches() {
  emulator::set_observer_factory(
      []() -> std::unique_ptr<emulator::Observer> { return std::make_unique<BudgetObserver>(); });
  findings() = {};
}

/// Small shapes and large ones, so that both tiles, one block and many run. What takes long is left to the
/// test of what the sanitizer runs.
std::vector<StageCase> stages() {
  std::vector<StageCase> chosen = stage_cases();
  std::ranges::copy(many_tiles_cases(), std::back_inserter(chosen));
  const auto is_slow = [](const StageCase& stage) {
    return stage.name.find("mnist_cnn") != std::string::npos ||
           stage.name.find("many_windows") != std::string::npos;
  };
  std::erase_if(chosen, is_slow);
  return chosen;
}

TEST(LaunchBudget, EveryKernelIsLaunchedAndStaysWithinIt) {
  ASSERT_GT(budgets().size(), 15U) << "the table was hardly read";
  look_at_all_launches();
  for (const StageCase& stage : stages()) {
    const auto backend = emulator::make_backend({});
    EXPECT_TRUE(check_stage(*backend, stage, Values::small_integers)) << stage.name;
  }
  {
    const auto backend = emulator::make_backend({});
    check_promises(*backend);
    check_optimizers(*backend);
    DeviceUnderTest on(0);
    DeviceArray<float> copies(on, random_values(300, 1)), sum(on, std::size_t{100});
    DeviceArray<std::int32_t> cursor(on, std::vector<std::int32_t>{0});
    device::sum_copies(100, 3, copies.data(), sum.data(), on.stream());
    device::scale(300, 0.5F, copies.data(), on.stream());
    device::advance_cursor(cursor.data(), on.stream());
    DeviceArray<std::int64_t> times(on, std::size_t{4});
    device::note_time(cursor.data(), 2, 1, times.data(), on.stream());
    DeviceArray<float> gradient(on, random_values(300, 2));
    device::relu_forward(300, copies.data(), copies.data(), on.stream());
    device::relu_backward(300, gradient.data(), copies.data(), gradient.data(), on.stream());
    on.stream().synchronize();
  }
  for (const std::string& why : findings().refused) ADD_FAILURE() << why;
  for (const auto& [kernel, budget] : budgets()) {
    EXPECT_TRUE(findings().launched.contains(kernel)) << kernel << " was never launched: nothing was proven";
  }
  EXPECT_EQ(findings().products.size(), budgets().at("tiled_gemm").variants)
      << "a product in large or in small tiles was never launched";
}

/// What tests/gpu/accept runs under compute-sanitizer: a filter of the GPU's test program.
std::vector<std::string> sanitized_patterns() {
  std::ifstream file(DML_SOURCE_DIR "/tests/gpu/accept");
  std::ostringstream script;
  script << file.rdbuf();
  const std::string text = script.str();
  const std::size_t begin = std::min(text.find("\nSMALL = ("), text.size());
  const std::string lines = text.substr(begin, text.find(')', begin) - begin);
  std::vector<std::string> patterns;
  bool quoted = false;
  for (const char letter : lines) {
    if (letter == '\'') {
      quoted = !quoted;
      if (patterns.empty()) patterns.emplace_back();
    } else if (quoted && letter == ':') {
      patterns.emplace_back();
    } else if (quoted) {
      patterns.back() += letter;
    }
  }
  return patterns;
}

TEST(LaunchBudget, EveryKernelIsLaunchedUnderTheSanitizer) {
  const std::vector<std::string> patterns = sanitized_patterns();
  ASSERT_GT(patterns.size(), 3U) << "the filter was not found";
  const auto is_chosen = [&](const std::string& test) {
    return std::ranges::any_of(
        patterns, [&](const std::string& pattern) { return fnmatch(pattern.c_str(), test.c_str(), 0) == 0; });
  };
  look_at_all_launches();
  const auto backend = emulator::make_backend({});
  const auto run = [&](const std::string& suite, const std::vector<StageCase>& cases) {
    for (const StageCase& stage : cases) {
      if (!is_chosen(suite + "/DeviceOperations.MatchTheOracle/" + stage.name)) continue;
      EXPECT_TRUE(check_stage(*backend, stage, Values::small_integers)) << stage.name;
    }
  };
  run("Stages", stage_cases());
  run("Tiles", many_tiles_cases());
  if (is_chosen("DeviceBackend.OptimizersFollowTheirFormulas")) check_optimizers(*backend);
  for (const std::string& why : findings().refused) ADD_FAILURE() << why;
  for (const auto& [kernel, budget] : budgets()) {
    // A sum and an average over ranks, and what a loop over steps does between two of them.
    if (kernel == "sum_copies" || kernel == "scale") continue;
    if (kernel == "advance_cursor" || kernel == "note_time") continue;
    EXPECT_TRUE(findings().launched.contains(kernel)) << kernel;
  }
  EXPECT_EQ(findings().products.size(), budgets().at("tiled_gemm").variants);
}

// ---- and whoever goes beyond is found

struct TooMuch {
  float values[1024];
};
void greedy_kernel() {
  device::shared_memory<TooMuch>().values[threadIdx.x % 1024] = 0;
}
void idle_kernel() {}

std::set<std::string> refused(const char* name, void (*kernel)(), unsigned threads) {
  look_at_all_launches();
  DeviceUnderTest on(0);
  device::launch(name, kernel, {.blocks = {1}, .threads = {threads}}, on.stream());
  on.stream().synchronize();
  return findings().refused;
}

TEST(LaunchBudget, FindsALaunchBeyondIt) {
  using Reasons = std::set<std::string>;
  EXPECT_EQ(refused("adam_update", idle_kernel, 256), Reasons());
  EXPECT_EQ(refused("adam_update", idle_kernel, 257),
            Reasons{"adam_update: 257 threads, its launch bounds are 256"});
  EXPECT_EQ(refused("adam_updates", idle_kernel, 1), Reasons{"adam_updates: is not in the table"});
  EXPECT_EQ(refused("gather_normalize", greedy_kernel, 1),
            Reasons{"gather_normalize: 4096 bytes of static shared memory, the table says 1024"});
  EXPECT_EQ(refused("tiled_gemm", idle_kernel, 352).size(), 2U) << "189 registers and 11 warps";
}

}  // namespace
}  // namespace dml::test
