// The modes: pure functions from a rank and its samples to the actions of one step.
//
// Micro-batches without samples are left out, on every stage alike: all ranks of a replica know the same
// sizes. A rank without any samples still takes part in the reduction, with zeros; between averages it does
// nothing.
#pragma once

#include <cstdint>
#include <span>
#include <vector>

#include "engine/parallel/options.h"
#include "engine/parallel/program.h"
#include "engine/parallel/topology.h"

namespace dml {

/// Sizes of `parts` slices of `samples`: as equal as possible, larger ones first. Slices may be empty.
std::vector<std::int64_t> slice_sizes(std::int64_t samples, int parts);

/// How many slices a rank's samples of a step are cut into: micro-batches of a pipeline, or --accumulate.
int slices_per_step(const ParallelOptions& options);

struct StepShape {
  std::span<const std::int64_t> micro_batch_samples;  ///< of the rank's replica
  int buckets = 0;                                    ///< of the rank's gradients
  bool average = false;                               ///< local steps: the replicas average in this one
};

/// The training step of `rank` under the mode, aggregate and schedule of `options`.
Program training_step(const ParallelOptions& options, const Topology& topology, int rank,
                      const StepShape& shape);

/// Forward only, one micro-batch: what evaluation runs on each stage.
Program inference_step(const Topology& topology, int rank);

}  // namespace dml
