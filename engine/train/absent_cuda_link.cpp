// Stands in for cuda_link.cpp where the program was built without a CUDA toolkit.
#include "engine/train/cuda_link.h"
#include "kernels/base/error.h"

namespace dml {

std::unique_ptr<DeviceLink> make_cuda_link(int /*id*/) {
  throw UnavailableError("this program was built without CUDA; install a CUDA toolkit and build again");
}

}  // namespace dml
