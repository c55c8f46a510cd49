// Values in the memory of GPUs exchanged by NCCL, on the caller's stream.
//
// Operations on device memory are enqueued and return: what follows on the same stream sees their result, and
// the host does after synchronize(). Operations on host memory, and barrier(), go to the host communicator,
// which waits for the stream first. Four things differ from the contract of engine/comm/communicator.h:
//
//   order of additions    all_reduce adds in the order that NCCL chooses for the size, the number of ranks
//                         and how their GPUs are connected: the same bits on every rank, and in every run on
//                         the same machine with the same NCCL; not the bits of the host communicators.
//                         all_gather moves bytes: a sum over what it gathered, in rank order, is the same
//                         everywhere.
//   send                  may wait on the device until its receiver has come, so that two ranks that each
//                         send first and receive then on one stream would wait for ever: exchange() does
//                         both at once. The memory may be reused by what is enqueued behind it on the same
//                         stream, and by the host after synchronize().
//   sizes                 NCCL does not compare them: a receiver that expects another size than was sent gets
//                         no answer or a wrong one.
//   peers that die        are noticed when NCCL reports them or at the deadline, not at once.
//
// An operation that does not finish within the deadline ends the process (engine/comm/watchdog.h), by
// NcclOptions::on_failure: the host is asleep in the driver by then. What NCCL reports by itself makes the
// next call throw PeerError, or ends the process in the same way when no call comes. After a failure NCCL is
// not told to abort: that can wait for ever where graphs hold its operations, and the process is about to
// end.
//
// CUDA graphs: making the communicator exchanges a message with every peer, so that connections exist before
// anything is recorded. An operation may be recorded after it has run once with the same size, on all ranks
// alike. Graphs that hold its operations are destroyed before the communicator, and what they replay is
// watched as a whole (watch_replay()).
//
// Tests run it against a library that stands in for NCCL, and against the real one up to its refusal to start
// without a GPU. On a GPU it has run between two ranks that share it (docs/results/gpu-h200-first.md), but
// for exchange().
#pragma once

#include <chrono>
#include <functional>
#include <memory>

#include "engine/comm/communicator.h"
#include "engine/comm/device_link.h"
#include "engine/comm/nccl_library.h"
#include "kernels/base/backend.h"

namespace dml {

struct NcclOptions {
  std::chrono::milliseconds deadline{60000};  ///< of starting, of every operation and of ending
  std::chrono::milliseconds grace{2000};      ///< how long the caller may take to notice a failure by itself
  /// The ranks share a GPU: every operation waits for the stream before and after. An experiment.
  bool shared_device = false;
  /// Reports the error and ends the process; called by another thread. Without one the error is printed and
  /// the exit code is 69.
  std::function<void(const PeerError&)> on_failure = {};
};

/// Collective. `host` is how the ranks agree on the communicator, and what moves host memory. All references
/// outlive it. Throws UnavailableError when NCCL does not start here, PeerError when not all ranks come
/// within the deadline.
std::unique_ptr<Communicator> make_nccl_communicator(std::shared_ptr<const NcclLibrary> nccl,
                                                     Communicator& host, Backend& backend, DeviceLink& device,
                                                     const NcclOptions& options);

}  // namespace dml
