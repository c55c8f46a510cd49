// Which backend serves a device and a precision.
#pragma once

#include <memory>
#include <optional>

#include "engine/run/run_config.h"
#include "kernels/base/backend.h"
#include "kernels/base/compute_capability.h"

namespace dml {

/// The backend of the rank that is `local_rank` on its host. fp64 runs on the double-precision reference,
/// fp32 on the device's own backend. Throws UnavailableError when the device is not there.
std::unique_ptr<Backend> make_backend(const RunConfig& config, int local_rank);

/// The GPU of the rank that is `local_rank` on its host, among those that its process may see.
int gpu_of(const RunConfig& config, int local_rank);

/// Of the oldest NVIDIA GPUs that this program can run on; none: on no NVIDIA GPU at all.
std::optional<ComputeCapability> least_compute_capability();

}  // namespace dml
