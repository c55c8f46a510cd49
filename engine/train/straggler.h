// Which rank holds the others up, and with what.
//
// Waiting shows on the ranks that wait, not on the one that is waited for. So ranks that do the same work
// (replicas of one stage) are compared by what they do alone: each phase of a step, measured before any
// communication. A run is cut into blocks of steps, and in each block the rank's median time for a phase is
// held against the median of the other ranks'. A rank is named when
//   - the median over blocks of its excess is at least kLeastShare of a step,
//   - for a phase that computes, also at least kLeastFactor of what the others take, and
//   - it was slower than the others in at least kLeastBlocks of the blocks, so that a disturbance does not
//   count.
// The thresholds are a compromise measured on a noisy machine: docs/results/stragglers.md. Stages of a
// pipeline do different work and are never compared with each other.
#pragma once

#include <optional>
#include <span>
#include <string>
#include <vector>

#include "engine/train/step_times.h"

namespace dml {

struct RankPhases {
  int stage = 0;                   ///< ranks of one stage do the same work
  std::vector<PhaseTimes> blocks;  ///< StepTimes::block_medians(), milliseconds
  double step_ms = 0;              ///< mean length of a step
};

struct Straggler {
  int rank = 0;
  StepPhase phase = StepPhase::forward;
  double excess_ms = 0;      ///< per step, over the median of the other ranks
  double share_of_step = 0;  ///< excess_ms / step_ms
  double consistency = 0;    ///< share of the blocks in which the rank was the slower one
};

inline constexpr std::size_t kStragglerBlocks = 16;
inline constexpr double kLeastShare = 0.03;
inline constexpr double kLeastFactor = 0.10;
inline constexpr double kLeastBlocks = 0.80;

/// The largest excess that meets the rules; none where no rank stands out, or where none has a twin.
std::optional<Straggler> find_straggler(std::span<const RankPhases> ranks);

}  // namespace dml
