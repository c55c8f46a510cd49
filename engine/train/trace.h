// The newest actions of every rank as one trace that chrome://tracing and Perfetto open.
#pragma once

#include <string>

#include "engine/comm/communicator.h"
#include "engine/train/timeline.h"

namespace dml {

/// Collective: a JSON document in Chrome's trace event format, one process per rank, times in microseconds
/// from the first action shown. A communication that waited is shown as two events, "wait" and itself. Empty
/// on other ranks than 0.
std::string gather_trace(const Timeline& timeline, Communicator& communicator, Stream& stream);

}  // namespace dml
