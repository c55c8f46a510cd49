#include "runners/cli/device_flags.h"

#include <algorithm>
#include <vector>

#include "kernels/base/error.h"
#include "runners/cli/flags.h"
#include "runners/cli/suggest.h"

namespace dml {
namespace {

constexpr std::int64_t kLargestDeviceId = 1023;

/// Quoted for a shell when it has to be.
std::string quoted(const std::string& word) {
  const bool plain = !word.empty() && std::all_of(word.begin(), word.end(), [](unsigned char letter) {
    return std::isalnum(letter) != 0 ||
           std::string_view("-_./:=,+@%").find(static_cast<char>(letter)) != std::string_view::npos;
  });
  if (plain) return word;
  std::string result = "'";
  for (const char letter : word) result += letter == '\'' ? std::string("'\\''") : std::string(1, letter);
  return result + "'";
}

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
    line += " " + quoted(words[i]);
  }
  return extra.empty() ? line : line + " " + extra;
}

Device read_device(FlagReader& flags, std::span<const std::string> words, const Environment& environment) {
  static const std::vector<std::string> kChoices = {"auto", "cpu", "cuda", "emulator"};
  const std::string word = flags.given("device") ? flags.typed("device") : "auto";
  if (std::find(kChoices.begin(), kChoices.end(), word) == kChoices.end()) {
    const bool means_cuda = word == "gpu" || word == "nvidia" || word.starts_with("cuda:");
    refuse_choice("device", word, kChoices, means_cuda ? std::optional<std::string>("cuda") : std::nullopt);
  }

  std::int64_t devices = 1;
  if (flags.given("gpus")) {
    if (word != "auto" && word != "cuda") {
      throw UsageError("--gpus " + flags.typed("gpus") + " and --device " + word +
                       " contradict each other. Leave one of them out.");
    }
    const auto ids = parse_integer_list("gpus", flags.typed("gpus"), {0, kLargestDeviceId},
                                        "Device ids are numbers: write for example --gpus 0,1.");
    devices = static_cast<std::int64_t>(ids.size());
    if (flags.given("ranks") && flags.typed("ranks") != std::to_string(devices)) {
      throw UsageError("--gpus " + flags.typed("gpus") + " names " + std::to_string(devices) +
                       " devices, one rank each, but --ranks says " + shown(flags.typed("ranks")) +
                       ". Leave --ranks out.");
    }
  }
  if (flags.given("gpus") || word == "cuda") {
    const std::string asked = flags.given("gpus") ? "--gpus " + flags.typed("gpus") : "--device cuda";
    throw UnavailableError(asked + ": this build has no CUDA backend; this machine has " +
                           environment.find_gpus().describe() + ". The same job on the CPU:\n  " +
                           line_on_cpu(flags, words, environment, devices));
  }
  if (word == "emulator") {
    throw UnavailableError(
        "--device emulator: this build has no emulator backend. The same job on the CPU:\n  " +
        line_on_cpu(flags, words, environment, devices));
  }
  if (word == "auto") {
    flags.note("device", "cpu", Setting::Source::derived, "the only backend of this build");
  } else {
    flags.note("device", "cpu", Setting::Source::flag);
  }
  return Device::cpu;
}

}  // namespace dml
