#include "kernels/base/compute_capability.h"

namespace dml {

std::string ComputeCapability::text() const {
  return std::to_string(major) + "." + std::to_string(minor);
}

std::string too_old(ComputeCapability gpu, ComputeCapability least) {
  if (!(gpu < least)) return {};
  const std::string has = "has compute capability " + gpu.text() + ", and ";
  if (gpu < kOldestForKernels) return has + "the kernels need at least " + kOldestForKernels.text();
  return has + "this build has kernels for " + least.text() +
         " and newer; build it with -D DML_CUDA_ARCHITECTURES=" + std::to_string(gpu.major) +
         std::to_string(gpu.minor);
}

}  // namespace dml
