// What a command line means depends on the machine it is typed on; here is all of it that counts, so that
// parsing is a pure function and a test can pretend to be any machine.
#pragma once

#include <functional>
#include <string>

#include "runners/launch/contract.h"
#include "runners/launch/nvidia.h"

namespace dml {

struct Environment {
  std::string program = "dml_engine";  ///< as the user calls it, for the lines that messages suggest
  Variables variables;
  int usable_cores = 1;
  bool has_cuda = false;  ///< this program was built with the CUDA backend
  std::function<NvidiaInventory()> find_gpus = find_nvidia_devices;  ///< slow; asked only when a GPU matters
};

/// The machine this process runs on. `program` is argv[0].
Environment read_environment(const std::string& program);

}  // namespace dml
