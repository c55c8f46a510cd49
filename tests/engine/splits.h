// The ways of splitting a run that tests choose from.
#pragma once

#include <cstdint>
#include <ostream>
#include <string>
#include <utility>
#include <vector>

#include "engine/parallel/options.h"

namespace dml::testing {

/// One of several, as a test's parameter.
struct Split {
  std::string name;
  ParallelOptions options;
};

inline void PrintTo(const Split& split, std::ostream* out) {
  *out << split.name;
}

inline ParallelOptions data_parallel(int ranks, Aggregate aggregate, int accumulate = 1,
                                     std::int64_t bucket_bytes = ParallelOptions().bucket_bytes) {
  ParallelOptions options;
  options.mode = Mode::data_parallel;
  options.ranks = ranks;
  options.aggregate = aggregate;
  options.accumulate = accumulate;
  options.bucket_bytes = bucket_bytes;
  return options;
}

/// A stage on each rank; `split`: before which layers the model is cut.
inline ParallelOptions model_parallel(std::vector<int> split, Schedule schedule, int micro_batches) {
  ParallelOptions options;
  options.mode = Mode::model_parallel;
  options.ranks = static_cast<int>(split.size()) + 1;
  options.split = std::move(split);
  options.schedule = schedule;
  options.micro_batches = micro_batches;
  return options;
}

}  // namespace dml::testing
