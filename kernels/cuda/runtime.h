// The host's side of a device: memory, streams, events, launches. One set of words, two devices behind it.
//
// With DML_EMULATOR they are the emulator's (kernels/emulator/runtime.h), without it CUDA's
// (kernels/cuda/cuda_runtime.h). Host code of the device backends is compiled twice, once with each, and
// names its namespace DML_DEVICE. Both sides promise the same:
//
//   Device(options)               one device, opened; properties()
//   DeviceMemory, PinnedMemory    (device, bytes, purpose): on the device, of the host; movable, not
//   initialised DeviceStream(device)          an ordered queue, a dml::Stream: work is enqueued and runs
//   later
//     copy(source, target)        between any two memories
//     clear(target)               zero bytes
//     wait(event)                 what is enqueued from now on waits for the event
//     synchronize()               the host waits for everything enqueued so far
//   Event(device)                 record(stream), synchronize()
//   Graph(stream, enqueue)        records what `enqueue` puts on the stream; launch(stream) enqueues it
//
//   launch("name", kernel, LaunchShape, stream, arguments...)
//   launch_cooperative(...)       the same; all blocks are resident and may wait for each other
//
// Device memory is 256-byte aligned. A failed call throws DeviceError, naming the call and what it was for; a
// device that is not there or has no memory left throws UnavailableError with the sizes.
#pragma once

#include "kernels/cuda/launch_shape.h"  // IWYU pragma: export

#if defined(DML_EMULATOR)
#define DML_DEVICE emulator
#include "kernels/emulator/runtime.h"  // IWYU pragma: export
#else
#define DML_DEVICE cuda
#include "kernels/cuda/cuda_runtime.h"  // IWYU pragma: export
#endif
