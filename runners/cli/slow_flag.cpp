#include "runners/cli/slow_flag.h"

#include <string>
#include <vector>

#include "kernels/base/error.h"
#include "runners/cli/suggest.h"

namespace dml {
namespace {

constexpr double kLongestDelayMs = 600'000;
constexpr double kLargestFactor = 1000;
constexpr const char* kExample = "Write for example --slow rank=1,phase=forward,factor=1.5.";

StepPhase phase_of(const std::string& word) {
  static const std::vector<std::string> kPhases = {"forward", "backward", "communicate"};
  for (const StepPhase phase : {StepPhase::forward, StepPhase::backward, StepPhase::communicate}) {
    if (word == to_string(phase)) return phase;
  }
  refuse_choice("slow phase", word, kPhases);
}

}  // namespace

std::optional<SlowOptions> read_slow(FlagReader& flags, int ranks) {
  if (!flags.given("slow")) return std::nullopt;
  const std::string& text = flags.typed("slow");
  static const std::vector<std::string> kKeys = {"rank", "phase", "ms", "factor", "jitter"};
  SlowOptions slow;
  bool has_rank = false, has_phase = false;
  for (const auto& [key, value] : parse_arguments("slow", text)) {
    const std::string flag = "slow " + key;
    const RealRange delay{.low = 0, .high = kLongestDelayMs, .low_excluded = true};
    if (key == "rank") {
      slow.rank = static_cast<int>(parse_integer(flag, value, {0, ranks - 1}, kExample));
      has_rank = true;
    } else if (key == "phase") {
      slow.phase = phase_of(value);
      has_phase = true;
    } else if (key == "ms") {
      slow.ms = parse_real(flag, value, delay, kExample);
    } else if (key == "jitter") {
      slow.jitter_ms = parse_real(flag, value, delay, kExample);
    } else if (key == "factor") {
      slow.factor =
          parse_real(flag, value, {.low = 1, .high = kLargestFactor, .low_excluded = true}, kExample);
    } else {
      refuse_choice("slow", key, kKeys);
    }
  }
  const auto refuse = [&](const std::string& what) {
    throw UsageError("--slow " + shown(text) + ": " + what + ". " + kExample);
  };
  if (!has_rank) refuse("which rank is missing");
  if (!has_phase) refuse("the phase is missing: forward, backward or communicate");
  if (slow.ms > 0 && slow.factor > 1) refuse("ms and factor are two ways to say how slow. Keep one of them");
  if (slow.ms == 0 && slow.factor == 1 && slow.jitter_ms == 0) {
    refuse("how slow is missing: ms=20, factor=1.5 or jitter=5");
  }
  if (slow.phase == StepPhase::communicate && slow.factor > 1) {
    refuse("how long a communication takes depends on the other ranks, so it has no factor. Write ms=");
  }
  flags.note("slow", to_string(slow), Setting::Source::flag);
  return slow;
}

}  // namespace dml
