#include "runners/cli/device_flags.h"

#include <algorithm>
#include <vector>

#include "kernels/base/error.h"
#include "runners/cli/flags.h"
#include "runners/cli/suggest.h"
#include "runners/cli/terminal.h"

namespace dml {
namespace {

constexpr std::int64_t kLargestDeviceId = 1023;

/// What the same job is on the CPU: ranks instead of devices.
std::string line_on_cpu(const FlagReader& flags, std::span<const std::string> words,
                        const Environment& environment, std::int64_t devices) {
  static const std::vector<std::string> kWithout = {"gpus", "device"};
  std::string extra = "--device cpu";
  const bool counts_ranks = flags.given("ranks") || !flags.given("gpus");
  if (devices > 1 && !flags.given("mode")) extra = "--mode data-parallel " + extra;
  if (devices > 1 && !counts_ranks) extra += " --ranks " + std::to_string(devices);
  return runnable_line(environment, words, kWithout, extra);
}

}  // namespace

std::string runnable_line(const Environment& environment, std::span<const std::string> words,
                          std::span<const std::string> without, const std::string& extra) {
  std::string line = environment.program;
  for (std::size_t i = 0; i < words.size(); ++i) {
    const std::string name = words[i].starts_with("--") ? words[i].substr(2, words[i].find('=') - 2) : "";
    if (std::find(without.begin(), without.end(), name) != without.end()) {
      const bool value_follows = words[i].find('=') == std::string::npos;
      if (value_follows) ++i;
      continue;
    }
    line += " " + shell_word(words[i]);
  }
  return extra.empty() ? line : line + " " + extra;
}

namespace {

/// The ids of --gpus; empty when the flag is not there.
std::vector<int> read_gpu_list(FlagReader& flags, const std::string& device) {
  if (!flags.given("gpus")) return {};
  if (device != "auto" && device != "cuda") {
    throw UsageError("--gpus " + flags.typed("gpus") + " and --device " + device +
                     " contradict each other. Leave one of them out.");
  }
  const auto ids = parse_integer_list("gpus", flags.typed("gpus"), {0, kLargestDeviceId},
                                      "Device ids are numbers: write for example --gpus 0,1.");
  if (flags.given("ranks") && flags.typed("ranks") != std::to_string(ids.size())) {
    throw UsageError("--gpus " + flags.typed("gpus") + " names " + std::to_string(ids.size()) +
                     " devices, one rank each, but --ranks says " + shown(flags.typed("ranks")) +
                     ". Leave --ranks out.");
  }
  return {ids.begin(), ids.end()};
}

/// What is wrong with the GPUs that a run asks for, as half a sentence; empty when nothing is. `gpus` are the
/// ids of
/// --gpus, or empty for the first `ranks` GPUs.
std::string problem_with(const NvidiaInventory& inventory, const Environment& environment,
                         const std::vector<int>& gpus) {
  if (!environment.least_compute) {
    return "this build has no CUDA backend; this machine has " + inventory.describe();
  }
  if (inventory.devices.empty()) return "this machine has " + inventory.describe();
  const int found = static_cast<int>(inventory.devices.size());
  for (const int id : gpus.empty() ? std::vector<int>{0} : gpus) {
    if (id >= found) {
      return "there is no GPU " + std::to_string(id) + ": this process may use " + inventory.describe() +
             ", numbered from 0";
    }
    const NvidiaDevice& device = inventory.devices[static_cast<std::size_t>(id)];
    const std::string problem = too_old(device.compute, *environment.least_compute);
    if (!problem.empty()) return "GPU " + std::to_string(id) + " (" + device.name + ") " + problem;
  }
  return {};
}

}  // namespace

DeviceChoice read_device(FlagReader& flags, std::span<const std::string> words,
                         const Environment& environment) {
  static const std::vector<std::string> kChoices = {"auto", "cpu", "cuda", "emulator"};
  const std::string word = flags.given("device") ? flags.typed("device") : "auto";
  if (std::find(kChoices.begin(), kChoices.end(), word) == kChoices.end()) {
    const bool means_cuda = word == "gpu" || word == "nvidia" || word.starts_with("cuda:");
    refuse_choice("device", word, kChoices, means_cuda ? std::optional<std::string>("cuda") : std::nullopt);
  }
  const auto source = word == "auto" ? Setting::Source::derived : Setting::Source::flag;
  if (word == "cpu" || word == "emulator") {
    static_cast<void>(read_gpu_list(flags, word));  // which contradicts it
    flags.note("device", word, source);
    return {word == "cpu" ? Device::cpu : Device::emulator, {}};
  }

  const std::vector<int> gpus = read_gpu_list(flags, word);
  const bool asked = word == "cuda" || !gpus.empty();
  if (!asked && !environment.least_compute) {
    flags.note("device", "cpu", source, "this build has no CUDA backend");
    return {Device::cpu, {}};
  }
  const NvidiaInventory inventory = environment.find_gpus();
  const std::string problem = problem_with(inventory, environment, gpus);
  if (problem.empty()) {
    flags.note("device", "cuda", source, inventory.describe());
    if (!gpus.empty()) flags.note("gpus", flags.typed("gpus"), Setting::Source::flag);
    return {Device::cuda, gpus};
  }
  if (!asked) {
    flags.note("device", "cpu", source, problem);
    return {Device::cpu, {}};
  }
  const std::string words_asked = flags.given("gpus") ? "--gpus " + flags.typed("gpus") : "--device cuda";
  const auto devices = static_cast<std::int64_t>(std::max<std::size_t>(1, gpus.size()));
  throw UnavailableError(words_asked + ": " + problem + ". The same job on the CPU:\n  " +
                         line_on_cpu(flags, words, environment, devices));
}

}  // namespace dml
