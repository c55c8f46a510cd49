// What NVIDIA's driver says about this machine, asked through libcuda.so.1 at run time: no toolkit is needed.
#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "kernels/base/compute_capability.h"

namespace dml {

struct NvidiaDevice {
  std::string name;
  std::int64_t memory_bytes = 0;
  ComputeCapability compute = {};
};

struct NvidiaInventory {
  std::string problem;     ///< why there are no devices; empty when the driver answered
  std::string driver_api;  ///< newest CUDA version the driver supports, "13.0"; empty without a driver
  std::vector<NvidiaDevice> devices;

  /// "no NVIDIA driver (libcuda.so.1 is not here)", "2 NVIDIA devices: H100, H100".
  [[nodiscard]] std::string describe() const;
};

NvidiaInventory find_nvidia_devices();

}  // namespace dml
