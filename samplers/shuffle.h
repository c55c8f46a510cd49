// A random permutation as a pure function of its names.
#pragma once

#include <cstdint>
#include <vector>

#include "kernels/base/philox.h"

namespace dml {

/// The first `take` samples of a uniformly random permutation of [0, samples): Fisher-Yates from the back.
/// Draw k chooses among the places 0..last, last = samples - 1 - k, the one at floor(u * (last + 1) / 2^64),
/// where u is words 2 k (high half) and 2 k + 1 (low half) of the Philox stream (seed, use, epoch,
/// substream); the sample there is the k-th of the result, and the one at place `last` moves into its place.
std::vector<std::int32_t> shuffled(std::int64_t samples, std::int64_t take, std::uint64_t seed,
                                   std::int64_t epoch, std::uint32_t substream,
                                   RandomUse use = RandomUse::shuffle);

/// The same order applied to `list`, all of it.
std::vector<std::int32_t> shuffled_list(const std::vector<std::int32_t>& list, std::uint64_t seed,
                                        std::int64_t epoch, std::uint32_t substream,
                                        RandomUse use = RandomUse::shuffle);

/// floor(random * bound / 2^64): uniform in [0, bound) up to a bias of bound / 2^64.
std::uint64_t scaled_to(std::uint64_t random, std::uint64_t bound);

}  // namespace dml
