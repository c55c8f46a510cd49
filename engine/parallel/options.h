// How the work of a run is split over ranks: what the user chose, as data.
#pragma once

#include <cstdint>
#include <string>
#include <vector>

namespace dml {

enum class Mode { single, data_parallel, model_parallel };
/// How replicas combine gradients: a summing all_reduce, or all_gather and a local sum in rank order.
enum class Aggregate { allreduce, allgather };
/// Order of the micro-batches in a pipeline. sequential: each micro-batch forward then backward, one at a
/// time. gpipe: all forwards, then all backwards (Huang et al., 2019).
enum class Schedule { sequential, gpipe };
/// How a batch is shared among replicas. equal: sizes differ by at most one. speed: in proportion to how fast
/// each replica was lately, so the same samples in the same updates, added in another order.
enum class Share { equal, speed };

struct ParallelOptions {
  Mode mode = Mode::single;
  int ranks = 1;
  Aggregate aggregate = Aggregate::allreduce;
  std::int64_t bucket_bytes = 25 << 20;  ///< gradients travel in flat buckets of at most this size
  std::vector<int> split;                ///< layers before which model-parallel cuts; empty: conv-fc
  Schedule schedule = Schedule::sequential;
  int micro_batches = 1;  ///< pipeline: slices of the batch
  int accumulate = 1;     ///< single and data-parallel: slices of a replica's share, one after another
  Share share = Share::equal;
  /// 0: gradients are combined in every step. K > 0: replicas update alone and average their weights after
  /// every K-th step of an epoch and at its end (McMahan et al., 2017; Stich, "Local SGD converges fast and
  /// communicates little", 2019). Another computation than any mode without it, but for K = 1 with SGD.
  std::int64_t local_steps = 0;
};

std::string to_string(Mode mode);
std::string to_string(Aggregate aggregate);
std::string to_string(Schedule schedule);
std::string to_string(Share share);

}  // namespace dml
