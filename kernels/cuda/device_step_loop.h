// Whole training steps on a device without the host in between.
//
// Sample indices, losses and scalars of a window of steps lie in arrays on the device. A step has one place
// there, or several where it uses an executable more than once. A cursor on the device says which place is in
// progress, and every kernel that needs one of them looks it up: so all steps enqueue the same work, which is
// recorded in a graph once, several steps in one, and launched again and again.
//
//   upload scalars and indices of the window
//   in graphs, for each step: { forward, loss -> losses[cursor]; backward; ...; update; cursor += 1 }
//   download losses and times, wait
#pragma once

#include <functional>
#include <memory>
#include <vector>

#include "kernels/base/backend.h"
#include "kernels/cuda/device_executable.h"
#include "kernels/cuda/device_optimizer.h"

namespace dml::DML_DEVICE {

struct StepLoopOptions {
  MappedValues<std::int32_t>& cursor;  ///< what all executables and the optimizer were made with
  bool use_graphs = true;              ///< false enqueues each kernel of each step by itself
  std::function<void(Stream&)> replayed = {};
};

/// See Backend::make_step_loop().
std::unique_ptr<StepLoop> make_device_step_loop(Device& device, const std::vector<StepPart>& parts,
                                                DeviceOptimizer& optimizer, StepLoopOptions options);

}  // namespace dml::DML_DEVICE
