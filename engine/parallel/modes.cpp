#include "engine/parallel/modes.h"

#include "engine/parallel/data_parallel.h"
#include "engine/parallel/model_parallel.h"
#include "kernels/base/error.h"

namespace dml {

std::vector<std::int64_t> slice_sizes(std::int64_t samples, int parts) {
  DML_ASSERT(samples >= 0 && parts >= 1, "samples cannot be sliced like this");
  std::vector<std::int64_t> sizes;
  for (int part = 0; part < parts; ++part)
    sizes.push_back(samples / parts + (part < samples % parts ? 1 : 0));
  return sizes;
}

int slices_per_step(const ParallelOptions& options) {
  return options.mode == Mode::model_parallel ? options.micro_batches : options.accumulate;
}

Program training_step(const ParallelOptions& options, const Topology& topology, int rank,
                      const StepShape& shape) {
  switch (options.mode) {
    case Mode::single:  // one replica: nothing to reduce
    case Mode::data_parallel:
      return options.local_steps > 0 ? local_step(topology, shape) : data_parallel_step(topology, shape);
    case Mode::model_parallel:
      return model_parallel_step(options.schedule, topology, rank, shape);
  }
  throw InternalError("unknown mode");
}

}  // namespace dml
