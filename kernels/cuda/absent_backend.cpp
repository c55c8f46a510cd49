// Stands in for the CUDA backend where the program was built without a CUDA toolkit.
#include "kernels/base/error.h"
#include "kernels/cuda/device_backend.h"

namespace dml::cuda {

std::optional<ComputeCapability> least_compute_capability() {
  return std::nullopt;
}

std::unique_ptr<Backend> make_backend(const DeviceOptions& /*options*/) {
  throw UnavailableError(
      "this program was built without CUDA (no nvcc was found); install a CUDA toolkit and build again, or "
      "use "
      "--device cpu");
}

}  // namespace dml::cuda
