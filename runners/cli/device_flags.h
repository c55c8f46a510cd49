// --device and --gpus: what this build can run on, and what to say when that is not what was asked for.
#pragma once

#include <span>
#include <string>

#include "runners/cli/environment.h"
#include "runners/cli/flag_reader.h"

namespace dml {

/// Throws UsageError for words that are no device, UnavailableError for devices that this build or machine
/// lacks.
Device read_device(FlagReader& flags, std::span<const std::string> words, const Environment& environment);

/// The user's words as a line that can be run, with `extra` at the end and every flag in `without` left out.
std::string runnable_line(const Environment& environment, std::span<const std::string> words,
                          std::span<const std::string> without, const std::string& extra);

}  // namespace dml
