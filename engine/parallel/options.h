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

struct ParallelOptions {
  Mode mode = Mode::single;
  int ranks = 1;
  Aggregate aggregate = Aggregate::allreduce;
  std::int64_t bucket_bytes = 25 << 20;  ///< gradients travel in flat buckets of at most this size
  std::vector<int> split;                ///< layers before which model-parallel cuts; empty: conv-fc
  Schedule schedule = Schedule::sequential;
  int micro_batches = 1;  ///< pipeline: slices of the batch
  int accumulate = 1;     ///< single and data-parallel: slices of a replica's share, one after another
};

std::string to_string(Mode mode);
std::string to_string(Aggregate aggregate);
std::string to_string(Schedule schedule);

}  // namespace dml
