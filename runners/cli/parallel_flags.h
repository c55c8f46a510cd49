// The flags that say how the work is split: mode, ranks, split, schedule, batch and their many rules about
// each other.
#pragma once

#include <span>
#include <string>

#include "runners/cli/environment.h"
#include "runners/cli/flag_reader.h"
#include "runners/cli/invocation.h"

namespace dml {

/// Fills invocation.config.parallel and .batch; reads invocation.config.model and invocation.contract.
void read_parallel_flags(FlagReader& flags, std::span<const std::string> words,
                         const Environment& environment, Invocation& invocation);

}  // namespace dml
