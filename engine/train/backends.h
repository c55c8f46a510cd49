// Which backend serves a device and a precision.
#pragma once

#include <memory>

#include "engine/run/run_config.h"
#include "kernels/base/backend.h"

namespace dml {

/// fp64 runs on the double-precision reference, everything else on the device's own backend with `threads`
/// threads.
std::unique_ptr<Backend> make_backend(Device device, Precision precision, int threads);

}  // namespace dml
