// Whole training steps on a device without the host in between.
//
// Scalars, sample indices and losses of up to CompileOptions::window steps lie in arrays on the device; a
// cursor there says which step is in progress, and every kernel that needs one of them looks it up. So all
// steps enqueue the same work: it is recorded in a graph once, several steps in one, and launched again and
// again.
//
//   upload scalars and indices of K steps
//   K x { forward, loss -> losses[cursor]; backward; update from scalars[cursor]; cursor += 1 }   (graphs)
//   download K losses, wait
#pragma once

#include <memory>

#include "kernels/base/backend.h"
#include "kernels/cuda/device_executable.h"
#include "kernels/cuda/device_optimizer.h"

namespace dml::DML_DEVICE {

/// `use_graphs` false enqueues each kernel of each step by itself.
std::unique_ptr<StepLoop> make_device_step_loop(DeviceExecutable& executable, DeviceOptimizer& optimizer,
                                                bool use_graphs);

}  // namespace dml::DML_DEVICE
