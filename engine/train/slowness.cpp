#include "engine/train/slowness.h"

#include <chrono>
#include <thread>

#include "engine/train/timeline.h"
#include "kernels/base/philox.h"

namespace dml {
namespace {

constexpr double kNanosecondsPerMillisecond = 1e6;
constexpr std::int64_t kSleepGranularityNs = 1'000'000;  // how late a sleep may wake

void spin_for(std::int64_t nanoseconds) {
  const std::int64_t end_ns = monotonic_ns() + nanoseconds;
  if (nanoseconds > 2 * kSleepGranularityNs) {
    std::this_thread::sleep_for(std::chrono::nanoseconds(nanoseconds - kSleepGranularityNs));
  }
  while (monotonic_ns() < end_ns) {
  }
}

}  // namespace

Slowness::Slowness(const SlowOptions* options, int rank)
    : options_(options != nullptr ? *options : SlowOptions{}),
      active_(options != nullptr && options->rank == rank) {}

void Slowness::after(StepPhase phase, std::int64_t phase_ns) {
  if (!active_ || phase != options_.phase) return;
  double delay_ns = options_.ms * kNanosecondsPerMillisecond;
  if (phase != StepPhase::communicate) delay_ns += (options_.factor - 1) * static_cast<double>(phase_ns);
  if (options_.jitter_ms > 0) {
    const PhiloxStream random(0, RandomUse::slowness, static_cast<std::uint32_t>(options_.rank));
    delay_ns += options_.jitter_ms * kNanosecondsPerMillisecond * random.uniform(delays_++);
  }
  spin_for(static_cast<std::int64_t>(delay_ns));
}

}  // namespace dml
