// What both sides of the runtime speak of: launches, properties of devices, and their failures.
#pragma once

#include <cstddef>
#include <cstdint>
#include <string>

#include "kernels/base/error.h"
#include "kernels/cuda/device_options.h"

namespace dml {

/// A call to a device failed for no fault of the user's: a kernel that wrote outside its memory, a lost GPU.
struct DeviceError : Error {
  explicit DeviceError(const std::string& message) : Error(ExitCode::unavailable, message) {}
};

struct DeviceProperties {
  std::string name;
  int multiprocessors = 1;
  std::int64_t memory_bytes = 0;
};

/// One, two or three dimensions, x fastest.
struct Extent {
  unsigned x = 1, y = 1, z = 1;
};

/// The shape of a launch: blocks of the grid, threads of a block, bytes of dynamic shared memory.
struct LaunchShape {
  Extent blocks, threads;
  std::size_t shared_bytes = 0;
};

}  // namespace dml
