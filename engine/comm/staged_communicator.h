// A communicator for ranks whose values lie on a device, over one that works on host memory.
//
// A view of the device is copied into staging memory of the host, the operation runs there, and the result is
// copied back. It works between any devices, also between ranks that share one; each operation waits for the
// stream. Views of the host go straight through.
#pragma once

#include <memory>

#include "engine/comm/communicator.h"
#include "kernels/base/backend.h"

namespace dml {

/// Both outlive the communicator. Same contract, order of additions and errors as `host`.
std::unique_ptr<Communicator> make_staged_communicator(Communicator& host, Backend& backend);

}  // namespace dml
