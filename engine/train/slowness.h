// Injected slowness: a rank that dawdles on purpose, so that what a straggler does to a run can be seen.
//
// The delay follows the named phase of every step on one rank:
//   forward, backward   (factor - 1) times what the phase took, plus `ms`, plus jitter
//   communicate         `ms` plus jitter, before the rank enters the communication
// Jitter is uniform in [0, jitter_ms), drawn anew for each delay (Philox, so every run has the same delays).
// The rank spins while it waits, as if it computed; delays above two milliseconds sleep first.
#pragma once

#include <cstdint>

#include "engine/run/run_config.h"
#include "engine/train/step_times.h"

namespace dml {

class Slowness {
 public:
  /// What `options` mean for `rank`: nothing, where another one is named.
  Slowness(const SlowOptions* options, int rank);

  /// Waits as long as the phase, which took `phase_ns`, is to be delayed.
  void after(StepPhase phase, std::int64_t phase_ns);

 private:
  SlowOptions options_;
  bool active_;
  std::uint64_t delays_ = 0;
};

}  // namespace dml
