// A GPU as communicators see it.
#pragma once

#include <memory>

#include "engine/comm/device_link.h"

namespace dml {

/// The GPU with this id among those that the process may see. Throws UnavailableError when there is none, or
/// when the program was built without CUDA.
std::unique_ptr<DeviceLink> make_cuda_link(int id);

}  // namespace dml
