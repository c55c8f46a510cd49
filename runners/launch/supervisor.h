// Starts one process per rank on this host and sees all of them to their end.
//
// Timeline of a failure, in which no step waits for a rank's good will:
//   first bad exit ──(0.4 s, or 0.5 s when it only lost a peer: others may tell more)──> verdict
//   verdict ──SIGTERM to the rest──(1 s)──SIGKILL──> all over
// So a rank that dies or throws ends the run within 2 s, one that stalls within the deadline + 2 s. No rank
// outlives this process, and the private directory goes in every case but a SIGKILL of this process itself.
#pragma once

#include <chrono>
#include <string>
#include <vector>

#include "runners/launch/contract.h"
#include "runners/launch/verdict.h"

namespace dml {

struct SupervisorOptions {
  int ranks = 2;
  std::vector<std::string> arguments;         ///< argv of every rank, the program's name first
  std::string executable = "/proc/self/exe";  ///< what every rank runs
  Variables variables;  ///< the environment of every rank, to which the private ones come
  std::chrono::milliseconds deadline{60000};  ///< of the ranks' communication
};

/// Returns when every rank has ended. SIGINT, SIGTERM and SIGHUP (as SIGTERM) are forwarded to the ranks, a
/// second one kills them. Throws IoError or UnavailableError when ranks cannot be started.
Verdict supervise(const SupervisorOptions& options);

}  // namespace dml
