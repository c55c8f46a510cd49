// Gradients travel in flat buckets: contiguous ranges of the arena.
#pragma once

#include <cstdint>
#include <vector>

#include "engine/model/parameters.h"

namespace dml {

/// Cuts `range` into runs of at most `bucket_bytes` (at least one element each), last parameters first: the
/// order in which the backward pass finishes them. An empty range has no buckets.
std::vector<ParameterRange> make_buckets(ParameterRange range, std::int64_t element_bytes,
                                         std::int64_t bucket_bytes);

}  // namespace dml
