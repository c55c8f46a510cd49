// Stands in for the CUDA backend where the program was built without a CUDA toolkit.
#include "kernels/base/error.h"
#include "kernels/cuda/device_backend.h"

namespace dml::cuda {

bool is_built() {
  return false;
}

std::unique_ptr<Backend> make_backend(const DeviceOptions& /*options*/) {
  throw UnavailableError(
      "this program was built without CUDA (no nvcc was found); install a CUDA toolkit and build again, or "
      "use "
      "--device cpu");
}

}  // namespace dml::cuda
