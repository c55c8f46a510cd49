// SGD and Adam over a range of the arena on a device: one launch an update.
#pragma once

#include <memory>

#include "kernels/base/backend.h"
#include "kernels/cuda/runtime.h"

namespace dml::DML_DEVICE {

std::unique_ptr<Optimizer> make_device_optimizer(Device& device, const OptimizerOptions& options,
                                                 ParameterBinding& parameters, View state, std::int64_t first,
                                                 std::int64_t count);

}  // namespace dml::DML_DEVICE
