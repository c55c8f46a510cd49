#include "samplers/shuffle.h"

#include <numeric>

#include "kernels/base/error.h"

namespace dml {
std::uint64_t scaled_to(std::uint64_t random, std::uint64_t bound) {
  __extension__ using Wide = unsigned __int128;
  return static_cast<std::uint64_t>((static_cast<Wide>(random) * bound) >> 64U);
}

std::vector<std::int32_t> shuffled(std::int64_t samples, std::int64_t take, std::uint64_t seed,
                                   std::int64_t epoch, std::uint32_t substream, RandomUse use) {
  DML_ASSERT(samples >= 0 && samples <= INT32_MAX && take >= 0 && take <= samples,
             "a shuffle of an impossible size");
  const PhiloxStream random(seed, use, static_cast<std::uint32_t>(epoch), substream);
  std::vector<std::int32_t> places(static_cast<std::size_t>(samples));
  std::iota(places.begin(), places.end(), 0);

  std::vector<std::int32_t> order(static_cast<std::size_t>(take));
  for (std::int64_t k = 0; k < take; k += 2) {
    const PhiloxCounter words = random.block(static_cast<std::uint32_t>(k / 2));  // two draws a block
    for (std::int64_t draw = k; draw < k + 2 && draw < take; ++draw) {
      const std::size_t half = draw == k ? 0 : 2;
      const std::uint64_t u = (std::uint64_t{words[half]} << 32U) | words[half + 1];
      const auto last = static_cast<std::size_t>(samples - 1 - draw);
      const std::size_t chosen = scaled_to(u, last + 1);
      order[static_cast<std::size_t>(draw)] = places[chosen];
      places[chosen] = places[last];
    }
  }
  return order;
}

std::vector<std::int32_t> shuffled_list(const std::vector<std::int32_t>& list, std::uint64_t seed,
                                        std::int64_t epoch, std::uint32_t substream, RandomUse use) {
  const auto size = static_cast<std::int64_t>(list.size());
  std::vector<std::int32_t> order = shuffled(size, size, seed, epoch, substream, use);
  for (std::int32_t& place : order) place = list[static_cast<std::size_t>(place)];
  return order;
}

}  // namespace dml
