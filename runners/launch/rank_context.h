// Who this process is among the ranks of a run.
#pragma once

#include <memory>
#include <string>

#include "engine/comm/communicator.h"

namespace dml {

struct RankContext {
  int rank = 0;
  int world_size = 1;
  int local_rank = 0;
  int local_world_size = 1;
  std::string host;  ///< this machine's name
  /// Where ranks meet: a private directory (ranks started by our own launcher) or "host:port" (the environment
  /// contract of torchrun). Empty for a world of one.
  std::string rendezvous_directory;
  std::string rendezvous_address;
};

/// Connects to the other ranks: a solo communicator for a world of one, Gloo otherwise.
std::unique_ptr<Communicator> connect(const RankContext& context, std::chrono::milliseconds deadline);

/// Tells the supervisor, if there is one, what this rank is doing, so that it can say so when the rank dies.
/// Cheap enough for every step: a store to a shared page.
void report_progress(const RankContext& context, std::int64_t step);

}  // namespace dml
