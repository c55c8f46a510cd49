// What a command line means depends on the machine it is typed on; here is all of it that counts, so that
// parsing is a pure function and a test can pretend to be any machine.
#pragma once

#include <functional>
#include <optional>
#include <string>

#include "kernels/base/compute_capability.h"
#include "runners/launch/contract.h"
#include "runners/launch/nvidia.h"

namespace dml {

struct Environment {
  std::string program = "dml_engine";  ///< as the user calls it, for the lines that messages suggest
  Variables variables;
  int usable_cores = 1;
  /// Of the oldest GPUs that this program has kernels for; none: it was built without the CUDA backend.
  std::optional<ComputeCapability> least_compute = std::nullopt;
  std::function<NvidiaInventory()> find_gpus = find_nvidia_devices;  ///< slow; asked only when a GPU matters
};

/// The machine this process runs on. `program` is argv[0].
Environment read_environment(const std::string& program);

}  // namespace dml
