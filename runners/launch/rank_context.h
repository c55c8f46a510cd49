// Who this process is among the ranks of a run.
#pragma once

#include <chrono>
#include <cstdint>
#include <exception>
#include <memory>
#include <string>

#include "engine/comm/communicator.h"
#include "kernels/base/error.h"
#include "runners/launch/contract.h"

namespace dml {

class ProgressPage;

struct RankContext {
  int rank = 0;
  int world_size = 1;
  int local_rank = 0;
  int local_world_size = 1;
  std::string host;  ///< this machine's name
  /// Where ranks meet: a private directory (ranks started by our own launcher) or "host:port" (the
  /// environment contract of torchrun). Empty for a world of one.
  std::string rendezvous_directory;
  std::string rendezvous_address;
  std::shared_ptr<ProgressPage> progress;  ///< shared with the supervisor; null when there is none
};

/// `rendezvous` is --rendezvous, or empty. Throws UsageError when a launcher's ranks have nowhere to meet.
RankContext make_rank_context(const Contract& contract, const std::string& rendezvous);

/// Connects to the other ranks: a solo communicator for a world of one, Gloo otherwise. Returns when all
/// ranks are connected; throws PeerError when one is not within `deadline`, and what `while_waiting` throws.
std::unique_ptr<Communicator> connect(const RankContext& context, std::chrono::milliseconds deadline,
                                      const WhileWaiting& while_waiting = {});

/// Tells the supervisor, if there is one, what this rank is doing, so that it can say so when the rank dies.
/// Cheap enough for every step: a store to a shared page.
void report_progress(const RankContext& context, std::int64_t step);

/// Hands the rank's error, as `code` and `message`, to the supervisor, which prints it once for all ranks.
/// Returns false when there is no supervisor, so that the caller prints it.
bool report_failure(const RankContext& context, const std::exception& error, ExitCode code,
                    const std::string& message);

/// The same where no exception reaches the main thread any more, because it waits for a device: ends the
/// process at once, with error.code().
[[noreturn]] void end_process(const RankContext& context, const Error& error);

}  // namespace dml
