// Puts the ranks' records of communication side by side, so that each learns how long it waited for the
// others.
#pragma once

#include "engine/comm/communicator.h"
#include "engine/train/timeline.h"

namespace dml {

/// Collective: exchanges the records since the last call and settles `timeline` (see wait_times_ns). The
/// clock is the host's monotonic one, so waits are right between processes of one host.
void settle_timeline(Timeline& timeline, Communicator& communicator, Stream& stream);

}  // namespace dml
