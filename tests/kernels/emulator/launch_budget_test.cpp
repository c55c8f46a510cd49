// Would a GPU take our launches? The emulator refuses those beyond what ptxas found for their kernels
// (kernels/cuda/resources.txt): more threads than the launch bounds, more registers than a multiprocessor
// has, more shared memory. Here every kernel of the table, each variant of a template, is launched at least
// once, so that none escapes; and the dynamic shared memory, which the launches choose and ptxas does not
// see, is held against a table of its own.
#include <algorithm>
#include <fnmatch.h>
#include <fstream>
#include <iomanip>
#include <map>
#include <set>
#include <sstream>

#include "kernels/cuda/device.h"
#include "kernels/cuda/device_backend.h"
#include "kernels/cuda/pointwise.h"
#include "kernels/emulator/kernel_budgets.h"
#include "tests/kernels/emulator/device_arrays.h"
#include "tests/kernels/operation_testbed.h"

namespace dml::test {
namespace {

struct Findings {
  std::map<std::string, std::set<const void*>> variants;  ///< launched ones, by kernel
  std::map<std::string, std::size_t> dynamic_bytes;  ///< of shared memory at most; only where there are any
  std::set<std::string> unknown;                     ///< launches of kernels that the table lacks
};
Findings& findings() {
  static Findings all;
  return all;
}

class LaunchObserver final : public emulator::Observer {
 public:
  void launch_begins(const emulator::Grid& grid) override {
    const emulator::KernelBudget* const budget = emulator::budget_of(grid.name);
    if (budget == nullptr) {
      findings().unknown.insert(grid.name);
      return;
    }
    const std::string kernel(budget->kernel);
    findings().variants[kernel].insert(grid.kernel);
    if (grid.dynamic_shared == 0) return;
    std::size_t& most = findings().dynamic_bytes[kernel];
    most = std::max(most, grid.dynamic_shared);
  }
  void shared_memory_begins(const emulator::Block& /*block*/,
                            const emulator::SharedVariable& /*variable*/) override {}
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
  void operation_begins(std::size_t /*stream*/, const emulator::StreamClock& /*after*/) override {}
  void memory_read(const std::byte* /*data*/, std::size_t /*bytes*/) override {}
  void memory_written(const std::byte* /*data*/, std::size_t /*bytes*/) override {}
};

void look_at_all_launches() {
  emulator::set_observer_factory(
      []() -> std::unique_ptr<emulator::Observer> { return std::make_unique<LaunchObserver>(); });
  findings() = {};
}

/// The whole list, small shapes and large ones, so that both tiles, one block and many run.
std::vector<StageCase> stages() {
  std::vector<StageCase> chosen = stage_cases();
  std::ranges::copy(many_tiles_cases(), std::back_inserter(chosen));
  return chosen;
}

void expect_all_variants(const std::set<std::string_view>& exempt) {
  for (const emulator::KernelBudget& budget : emulator::kernel_budgets()) {
    if (exempt.contains(budget.kernel)) continue;
    EXPECT_EQ(findings().variants[std::string(budget.kernel)].size(), budget.variants)
        << "variants of " << budget.kernel << " were launched; of the others nothing was proven";
  }
}

/// As kernels/cuda/dynamic_shared.txt has it.
std::string table_of_dynamic_bytes() {
  std::ostringstream table;
  for (const auto& [kernel, bytes] : findings().dynamic_bytes) {
    table << std::setw(6) << bytes << " bytes  " << kernel << "_kernel\n";
  }
  return table.str();
}
std::string committed_table() {
  std::ifstream file(DML_SOURCE_DIR "/kernels/cuda/dynamic_shared.txt");
  std::string table, line;
  while (std::getline(file, line)) {
    if (!line.starts_with('#')) table += line + '\n';
  }
  return table;
}

TEST(LaunchBudget, EveryKernelIsLaunchedAndStaysWithinIt) {
  ASSERT_GT(emulator::kernel_budgets().size(), 15U) << "the table was hardly read";
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
  EXPECT_EQ(findings().unknown, std::set<std::string>()) << "kernels/cuda/resources.sh update";
  expect_all_variants({});
  EXPECT_EQ(table_of_dynamic_bytes(), committed_table()) << "kernels/cuda/dynamic_shared.txt should be that";
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
  // A sum and an average over ranks, and what a loop over steps does between two of them.
  expect_all_variants({"sum_copies", "scale", "advance_cursor", "note_time"});
}

// ---- and whoever goes beyond is found

struct TooMuch {
  float values[1024];
};
void greedy_kernel() {
  device::shared_memory<TooMuch>().values[threadIdx.x % 1024] = 0;
}
void idle_kernel() {}

/// Why the emulator does not run such a launch; empty: it does.
std::string refusal(const char* name, void (*kernel)(), unsigned threads) {
  DeviceUnderTest on(0);
  try {
    device::launch(name, kernel, {.blocks = {1}, .threads = {threads}}, on.stream());
    on.stream().synchronize();
  } catch (const DeviceError& error) {
    return error.what();
  }
  return "";
}

TEST(LaunchBudget, IsKeptByTheEmulator) {
  EXPECT_EQ(refusal("adam_update", idle_kernel, 256), "");
  EXPECT_EQ(refusal("adam_update", idle_kernel, 257),
            "launch of kernel adam_update: 257 threads in a block; its launch bounds are 256");
  EXPECT_EQ(refusal("adam_update(of a test)", idle_kernel, 257),
            "launch of kernel adam_update(of a test): 257 threads in a block; its launch bounds are 256");
  EXPECT_NE(refusal("sum_parts", greedy_kernel, 1)
                .find("4096 bytes of static shared memory; 1024 were compiled in"),
            std::string::npos);
  look_at_all_launches();
  EXPECT_EQ(refusal("adam_updates", idle_kernel, 1), "");
  EXPECT_EQ(findings().unknown, std::set<std::string>{"adam_updates"});
}

}  // namespace
}  // namespace dml::test
