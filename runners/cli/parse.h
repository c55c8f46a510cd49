// The command line: words in, a checked Invocation out.
#pragma once

#include <span>
#include <string>

#include "runners/cli/environment.h"
#include "runners/cli/invocation.h"

namespace dml {

/// `words` is argv without the program's name. Pure: everything else it depends on is in `environment`.
/// Throws UsageError naming flag, value, rule and fix; UnavailableError when a GPU is asked for, naming what
/// was found and the line that runs the same job on the CPU.
Invocation parse_command_line(std::span<const std::string> words, const Environment& environment);

}  // namespace dml
