// Ranks that would compute different things must not start.
#pragma once

#include <string>

#include "engine/comm/communicator.h"
#include "engine/data/dataset.h"

namespace dml {

/// Collective: compares the canonical configuration and the data of every rank with rank 0's. Throws
/// UsageError naming the first rank that differs, the setting and both values.
void check_agreement(Communicator& communicator, Stream& stream, const std::string& configuration,
                     const DatasetSplits& data);

/// Collective: every rank's `text` in rank order.
std::vector<std::string> gather_texts(Communicator& communicator, Stream& stream, const std::string& text);

}  // namespace dml
