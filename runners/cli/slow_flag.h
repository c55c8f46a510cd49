// --slow: a rank that is slowed down on purpose.
#pragma once

#include <optional>

#include "engine/run/run_config.h"
#include "runners/cli/flag_reader.h"

namespace dml {

/// "rank=1,phase=forward,ms=20". Throws UsageError for what is no such list, a rank that is not among
/// `ranks`, an unknown phase, or a delay that is none.
std::optional<SlowOptions> read_slow(FlagReader& flags, int ranks);

}  // namespace dml
