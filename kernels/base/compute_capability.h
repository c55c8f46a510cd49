// What generation an NVIDIA GPU is of.
#pragma once

#include <string>

namespace dml {

struct ComputeCapability {
  int major = 0, minor = 0;
  bool operator<(const ComputeCapability& other) const {
    return major != other.major ? major < other.major : minor < other.minor;
  }
  /// "9.0"
  [[nodiscard]] std::string text() const;
};

/// Of the oldest GPUs that our kernels can be compiled for: they have cp.async and TF32 tensor cores.
inline constexpr ComputeCapability kOldestForKernels{8, 0};

/// Why a GPU cannot run kernels compiled for `least` and newer, and which build could, as half a sentence;
/// empty when it can.
std::string too_old(ComputeCapability gpu, ComputeCapability least);

}  // namespace dml
