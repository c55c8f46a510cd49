// --device and --gpus: what this build can run on, and what to say when that is not what was asked for.
#pragma once

#include <span>
#include <string>
#include <vector>

#include "runners/cli/environment.h"
#include "runners/cli/flag_reader.h"

namespace dml {

/// Where a run computes.
struct DeviceChoice {
  Device device = Device::cpu;
  std::vector<int> gpus;  ///< as --gpus names them; empty: not named
};

/// Throws UsageError for words that are no device, UnavailableError for devices that this build or machine
/// lacks.
DeviceChoice read_device(FlagReader& flags, std::span<const std::string> words,
                         const Environment& environment);

/// The user's words as a line that can be run, with `extra` at the end and every flag in `without` left out.
std::string runnable_line(const Environment& environment, std::span<const std::string> words,
                          std::span<const std::string> without, const std::string& extra);

}  // namespace dml
