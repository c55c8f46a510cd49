#include "engine/train/backends.h"

#include "kernels/cpu/cpu_backend.h"
#include "kernels/cuda/device_backend.h"
#include "kernels/reference/reference_backend.h"

namespace dml {

std::unique_ptr<Backend> make_backend(const RunConfig& config, int local_rank) {
  if (config.precision == Precision::fp64) {
    if (config.device == Device::cpu) return make_reference_backend();
    throw UsageError("--precision fp64 runs on the CPU alone; write --device cpu, or leave --precision out");
  }
  switch (config.device) {
    case Device::cpu:
      return make_cpu_backend(config.threads);
    case Device::cuda:
      return cuda::make_backend({.id = gpu_of(config, local_rank), .use_graphs = config.cuda_graphs});
    case Device::emulator:
      return emulator::make_backend({.use_graphs = config.cuda_graphs});
  }
  throw InternalError("unknown device");
}

int gpu_of(const RunConfig& config, int local_rank) {
  if (config.gpus.empty()) return local_rank;
  const auto place = static_cast<std::size_t>(local_rank);
  DML_ASSERT(place < config.gpus.size(), "a rank without a GPU");
  return config.gpus[place];
}

std::optional<ComputeCapability> least_compute_capability() {
  return cuda::least_compute_capability();
}

}  // namespace dml
