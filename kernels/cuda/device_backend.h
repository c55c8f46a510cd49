// The backends that run our CUDA kernels: on a GPU (cuda), and on the CPU with every CUDA thread a fiber
// (emulator). Both are kernels/cuda/device_backend.cpp, compiled once for each.
//
// Activations, parameters and gradients are fp32 in device memory. Results depend on inputs alone: the same
// ones give the same bits.
#pragma once

#include <memory>
#include <optional>

#include "kernels/base/backend.h"
#include "kernels/base/compute_capability.h"
#include "kernels/cuda/device_options.h"

namespace dml {

namespace cuda {
/// Of the oldest GPUs that this build has kernels for; none: it has no CUDA backend at all.
std::optional<ComputeCapability> least_compute_capability();
/// Throws UnavailableError when there is no driver, no such GPU, or one that is too old.
std::unique_ptr<Backend> make_backend(const DeviceOptions& options);
}  // namespace cuda

namespace emulator {
std::unique_ptr<Backend> make_backend(const DeviceOptions& options);
}  // namespace emulator

}  // namespace dml
