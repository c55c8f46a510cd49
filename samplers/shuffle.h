// A random permutation as a pure function of its names.
#pragma once

#include <cstdint>
#include <vector>

namespace dml {

/// The first `take` samples of a uniformly random permutation of [0, samples): Fisher-Yates from the back.
/// Draw k chooses among the places 0..last, last = samples - 1 - k, the one at floor(u * (last + 1) / 2^64),
/// where u is words 2 k (high half) and 2 k + 1 (low half) of the Philox stream (seed, shuffle, epoch,
/// substream); the sample there is the k-th of the result, and the one at place `last` moves into its place.
std::vector<std::int32_t> shuffled(std::int64_t samples, std::int64_t take, std::uint64_t seed,
                                   std::int64_t epoch, std::uint32_t substream);

}  // namespace dml
