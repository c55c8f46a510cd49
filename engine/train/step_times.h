// How long each phase of a step took on this rank, step by step, in bounded memory. Phases that compute are
// kept as they would be with an equal share of the batch, so that replicas can be compared whatever they
// hold.
#pragma once

#include <array>
#include <cstdint>
#include <vector>

#include "engine/run/step_phase.h"

namespace dml {

/// Durations of the phases of one step, or of what stands for several: milliseconds.
using PhaseTimes = std::array<double, kStepPhases>;

/// Keeps up to kKept steps, evenly spread over the run: when there are more, every second one is dropped and
/// from then on every second step is kept, and so on.
class StepTimes {
 public:
  /// `load`: the rank's samples over an equal share of them; a step with none is not kept.
  void begin_step(double load);
  void add(StepPhase phase, std::int64_t nanoseconds) {
    current_[static_cast<std::size_t>(phase)] += static_cast<double>(nanoseconds) * 1e-6;
  }
  void reset();

  /// The median (of communicate, which many local steps are without, the mean) of each phase in each of up to
  /// `count` equal blocks of consecutive kept steps, in order. Fewer when there are fewer than kLeastPerBlock
  /// steps for each.
  [[nodiscard]] std::vector<PhaseTimes> block_medians(std::size_t count) const;
  /// The median of each phase over all kept steps; zero without any.
  [[nodiscard]] PhaseTimes medians() const;

  static constexpr std::size_t kKept = 4096;
  static constexpr std::size_t kLeastPerBlock = 5;

 private:
  std::vector<PhaseTimes> kept_;
  PhaseTimes current_{};
  double load_ = 0;
  std::uint64_t steps_ = 0, stride_ = 1;
};

}  // namespace dml
