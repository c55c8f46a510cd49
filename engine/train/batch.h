// Which samples a rank works on in a step.
//
// Step t of an epoch takes positions [t B, min((t + 1) B, L)) of its order; position p belongs to replica p
// mod W; where the replicas' shares are not equal (ParallelOptions::share), each gets a run of the step's
// positions in proportion to its share. A replica's samples are cut into micro-batches as equal as possible.
// All stages of a replica compute the same.
#pragma once

#include <cstdint>
#include <vector>

#include "engine/data/sample_order.h"

namespace dml {

struct StepBatch {
  std::vector<std::vector<std::int64_t>> micro_batches;  ///< sample indices of this rank's replica
  std::vector<std::int64_t> replica_samples;             ///< how many samples each replica has
  std::int64_t samples = 0;                              ///< of the whole update
  bool average = false;                                  ///< local steps: replicas average after this one
};

class BatchSequence {
 public:
  /// `slices` micro-batches per step for replica `replica` of `replicas`, which average after every
  /// `local_steps` steps (0: never).
  BatchSequence(SampleOrder order, std::int64_t batch, int replicas, int replica, int slices,
                std::int64_t local_steps = 0);

  [[nodiscard]] std::int64_t steps() const { return (order_.length + batch_ - 1) / batch_; }
  /// Fills `out` for step `step` of the epoch; reuses its memory.
  void take(std::int64_t step, StepBatch& out) const;
  /// From here on a replica's part of a step is in proportion to its weight, and at least one sample where
  /// there are enough. Only for orders in which every position holds a sample. The same on all ranks.
  void set_shares(std::vector<double> weights);

 private:
  [[nodiscard]] std::vector<std::int64_t> parts_of(std::int64_t positions) const;

  SampleOrder order_;
  std::int64_t batch_;
  int replicas_, replica_, slices_;
  std::int64_t local_steps_;
  std::vector<double> shares_;  ///< empty: position p belongs to replica p mod W
};

}  // namespace dml
