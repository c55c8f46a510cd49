// The host's side of a device: memory, streams, events, launches. One set of words, two devices behind it.
//
// With DML_EMULATOR they are the emulator's (kernels/emulator/runtime.h), without it CUDA's
// (kernels/cuda/cuda_runtime.h). Host code of the device backends is compiled twice, once with each, and
// names its namespace DML_DEVICE. Both sides promise the same:
//
//   Device(DeviceOptions)                        one device, opened; properties()
//   DeviceMemory(device, bytes, purpose)         bytes on the device, 256-byte aligned, not initialised;
//   movable PinnedMemory(device, bytes, purpose)         bytes of the host that copies read and write;
//   movable DeviceStream(device) : dml::Stream           an ordered queue; copy(), clear() and launches
//   return before they ran
//     .copy(source, target)                      View to View of equal bytes, between any two memories
//     .clear(target)                             zero bytes
//     .wait(event)                               what is enqueued from now on waits for the event
//     .synchronize()                             the host waits for everything enqueued so far
//   Event(device)  .record(stream)  .synchronize()
//   launch("name", kernel, LaunchShape, stream, arguments...)
//   launch_cooperative(...)                      the same; all blocks are resident at once and may wait for
//   each other
//
// A failed call throws DeviceError, naming the call and what it was for; a device that is not there or has no
// memory left UnavailableError with the sizes.
#pragma once

#include <cstddef>
#include <cstdint>
#include <string>

#include "kernels/base/backend.h"
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

#if defined(DML_EMULATOR)
#define DML_DEVICE emulator
#include "kernels/emulator/runtime.h"  // IWYU pragma: export
#else
#define DML_DEVICE cuda
#include "kernels/cuda/cuda_runtime.h"  // IWYU pragma: export
#endif
