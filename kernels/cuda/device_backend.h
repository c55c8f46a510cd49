// The backends that run our CUDA kernels: on a GPU (cuda), and on the CPU with every CUDA thread a fiber
// (emulator). Both are kernels/cuda/device_backend.cpp, compiled once for each.
//
// Activations, parameters and gradients are fp32 in device memory. Results depend on inputs alone: the same
// ones give the same bits.
#pragma once

#include <memory>

#include "kernels/base/backend.h"
#include "kernels/cuda/device_options.h"

namespace dml {

namespace cuda {
/// Whether this program has the CUDA backend at all.
bool is_built();
/// Throws UnavailableError when there is no driver or no such GPU.
std::unique_ptr<Backend> make_backend(const DeviceOptions& options);
}  // namespace cuda

namespace emulator {
std::unique_ptr<Backend> make_backend(const DeviceOptions& options);
}  // namespace emulator

}  // namespace dml
