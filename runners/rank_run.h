// Assembles what train, evaluate and benchmark have in common on one rank: data, peers, backend, sampler,
// session.
#pragma once

#include <memory>
#include <string>

#include "engine/comm/communicator.h"
#include "engine/data/dataset.h"
#include "engine/train/device_communicator.h"
#include "engine/train/session.h"
#include "kernels/base/backend.h"
#include "runners/cli/invocation.h"
#include "runners/launch/rank_context.h"
#include "samplers/partition_card.h"
#include "samplers/sampler.h"

namespace dml {

class RankRun {
 public:
  /// Loads the data, connects to the other ranks, checks that all of them were started alike, and builds the
  /// session with its initial weights (--init-from, or from the seed). `while_waiting`: see connect().
  RankRun(const Invocation& invocation, const RankContext& context, const WhileWaiting& while_waiting = {});

  [[nodiscard]] const Invocation& invocation() const { return invocation_; }
  [[nodiscard]] const RankContext& context() const { return context_; }
  [[nodiscard]] const DatasetSplits& data() const { return data_; }
  [[nodiscard]] Session& session() { return *session_; }
  [[nodiscard]] bool is_rank_zero() const { return context_.rank == 0; }
  /// Seconds since the run was begun.
  [[nodiscard]] double elapsed_seconds() const;

  /// What this run is, for people: model, data, mode, what the batch means, what the split can give at best,
  /// with --explain-partition who has which samples, with --explain-kernels which kernel computes each layer
  /// on which rank. Collective.
  [[nodiscard]] std::string headline();
  /// Who has which samples in the first epoch.
  [[nodiscard]] PartitionCard partition_card() const;
  /// The share of the training set that no replica sees in `epoch`; 0 for global orders.
  [[nodiscard]] double unseen_share(std::int64_t epoch) const;

 private:
  [[nodiscard]] std::string kernels();
  [[nodiscard]] int partitions() const;
  [[nodiscard]] std::string partition() const;

  const Invocation& invocation_;
  const RankContext& context_;
  std::int64_t started_ns_;
  DatasetSplits data_;
  std::unique_ptr<Backend> backend_;
  std::unique_ptr<Communicator> host_communicator_;
  DeviceCommunicator device_communicator_;
  std::unique_ptr<Sampler> sampler_;
  std::unique_ptr<Session> session_;
};

/// "batch 32 = 2 replicas x 16": what the batch means under this split.
std::string batch_meaning(const RunConfig& config);

}  // namespace dml
