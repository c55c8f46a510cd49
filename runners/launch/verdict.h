// Which rank is to blame when a run ends badly, and what to say about it: a pure function of how the ranks
// ended.
//
// When one rank fails, its peers notice within milliseconds and fail too, so the first exit seen is often not
// the cause. The order of blame is
//   1. a rank that died of a signal or of an error of its own, the earliest seen first;
//   2. when all that failed only lost a peer: a rank that still lives, which must be the one they waited for;
//   3. otherwise the first that lost a peer.
#pragma once

#include <chrono>
#include <cstdint>
#include <optional>
#include <span>
#include <string>

#include "runners/launch/rank_status.h"

namespace dml {

/// How a run that was supervised ended. `message` is empty when there is nothing to report.
struct Verdict {
  int exit_code = 0;
  std::string message;
};

/// What is known of one rank at the moment the supervisor decides to end the run.
struct RankReport {
  enum class State {
    running,    ///< lives
    suspended,  ///< lives, but somebody stopped its process (SIGSTOP)
    succeeded,  ///< exited with 0
    stopped,    ///< exited because a signal asked for it: 75, 130 or 143, or died of the forwarded signal
    failed,     ///< exited with `exit_code`, saying `failure` if it had the time
    killed,     ///< died of `signal`
  };
  int rank = 0;
  int pid = 0;
  State state = State::running;
  int exit_code = 0;
  int signal = 0;
  std::int64_t step = -1;  ///< the last one it reported, -1 for none
  int order = 0;           ///< of ends, as the supervisor saw them
  std::optional<RankFailure> failure = std::nullopt;
};

/// `reports` has one entry per rank. `deadline` is what peers waited for, for the message.
Verdict judge(std::span<const RankReport> reports, std::chrono::milliseconds deadline);

}  // namespace dml
