// Which rank holds which layers of which replica.
#pragma once

#include <vector>

#include "engine/model/spec.h"
#include "engine/parallel/options.h"

namespace dml {

/// The contiguous layers [first_layer, last_layer) that one rank holds.
struct Stage {
  int first_layer = 0, last_layer = 0;
};

/// `replicas` copies of the model, each cut into the same stages. Rank r holds stage r mod S of replica r div
/// S.
struct Topology {
  int replicas = 1;
  std::vector<Stage> stages;

  [[nodiscard]] int stage_count() const { return static_cast<int>(stages.size()); }
  [[nodiscard]] int ranks() const { return replicas * stage_count(); }
  [[nodiscard]] int stage_of(int rank) const { return rank % stage_count(); }
  [[nodiscard]] int replica_of(int rank) const { return rank / stage_count(); }
  [[nodiscard]] const Stage& stage(int rank) const {
    return stages[static_cast<std::size_t>(stage_of(rank))];
  }
  [[nodiscard]] bool is_first_stage(int rank) const { return stage_of(rank) == 0; }
  [[nodiscard]] bool is_last_stage(int rank) const { return stage_of(rank) == stage_count() - 1; }
};

/// Throws UsageError when the options cannot be laid out: a split outside the model or not increasing, or a
/// number of ranks that is not the number of stages.
Topology make_topology(const ParallelOptions& options, const ModelSpec& model);

/// The share of the training work (training_flops) that each stage holds; they sum to 1.
std::vector<double> stage_work(const Topology& topology, const ModelSpec& model);

/// What no schedule can beat at this cut: total work / work of the heaviest stage, times the replicas.
double speedup_ceiling(const Topology& topology, const ModelSpec& model);

}  // namespace dml
