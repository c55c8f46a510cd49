// How the values of ranks that compute on devices travel: by NCCL from GPU to GPU, or staged through the
// memory of the host.
#pragma once

#include <functional>
#include <memory>
#include <span>
#include <string>

#include "engine/comm/communicator.h"
#include "engine/comm/device_link.h"
#include "engine/run/run_config.h"
#include "kernels/base/backend.h"

namespace dml {

/// What a rank knows before it is decided.
struct TransportFacts {
  std::string gpu;      ///< which GPU of which host it has: equal where two ranks share one
  std::string problem;  ///< why NCCL cannot be loaded; empty: it can
};

struct TransportChoice {
  DeviceTransport transport = DeviceTransport::staged;
  bool shares_gpus = false;  ///< at least two ranks have the same GPU
  std::string reason;        ///< why not NCCL, where --communicator left it open
};

/// Left open, NCCL is chosen when every rank has a GPU of its own and finds the library. A pure function of
/// what all ranks know, element r of rank r. Throws UnavailableError, naming the rank, when NCCL was asked
/// for and cannot be loaded.
TransportChoice choose_transport(DeviceTransport wanted, std::span<const TransportFacts> ranks);

/// A communicator for values in the memory of a backend, and what it needs to live.
struct DeviceCommunicator {
  std::unique_ptr<DeviceLink> link;
  std::unique_ptr<Communicator> communicator;  ///< null where the host communicator serves
  TransportChoice choice;
};

/// Collective. `host` and `backend` outlive the result. `on_failure` ends the process where NCCL would let it
/// wait for ever (engine/comm/nccl_communicator.h).
DeviceCommunicator make_device_communicator(const RunConfig& config, int local_rank, Communicator& host,
                                            Backend& backend,
                                            std::function<void(const PeerError&)> on_failure = {});

}  // namespace dml
