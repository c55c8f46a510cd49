// Which device, told without naming a kind of device: what code outside of kernels/cuda may include.
#pragma once

#include <cstdint>

namespace dml {

struct DeviceOptions {
  int id = 0;              ///< among the devices that this process may see
  bool use_graphs = true;  ///< record whole steps in a CUDA graph where nothing comes in between
  std::int64_t memory_bytes = std::int64_t{80} << 30;  ///< emulator: how much the device has
  std::uint64_t seed = 0;  ///< emulator: of the order of threads, blocks and streams; 0 keeps them in order
};

}  // namespace dml
