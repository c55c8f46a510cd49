// `dml_engine help` and what is printed when nothing was asked for.
#pragma once

#include <string>
#include <vector>

#include "runners/cli/environment.h"

namespace dml {

/// At most 15 lines: the devices and data that were found and three commands that work on this machine.
std::string overview(const Environment& environment);

/// Help on nothing in particular, on a command or on a topic. Throws UsageError for a topic that there is
/// not.
std::string help(const std::vector<std::string>& topic);

/// Names that help() accepts besides those of commands.
std::vector<std::string> help_topic_names();

}  // namespace dml
