// Which samples a rank works on in a step.
//
// Step t of an epoch takes positions [t B, min((t + 1) B, L)) of its order; position p belongs to replica p
// mod W. A replica's samples are cut into micro-batches as equal as possible. All stages of a replica compute
// the same.
#pragma once

#include <cstdint>
#include <vector>

#include "engine/data/sample_order.h"

namespace dml {

struct StepBatch {
  std::vector<std::vector<std::int64_t>> micro_batches;  ///< sample indices of this rank's replica
  std::vector<std::int64_t> replica_samples;             ///< how many samples each replica has
  std::int64_t samples = 0;                              ///< of the whole update
};

class BatchSequence {
 public:
  /// `slices` micro-batches per step for replica `replica` of `replicas`.
  BatchSequence(SampleOrder order, std::int64_t batch, int replicas, int replica, int slices);

  [[nodiscard]] std::int64_t steps() const { return (order_.length + batch_ - 1) / batch_; }
  /// Fills `out` for step `step` of the epoch; reuses its memory.
  void take(std::int64_t step, StepBatch& out) const;

 private:
  SampleOrder order_;
  std::int64_t batch_;
  int replicas_, replica_, slices_;
};

}  // namespace dml
