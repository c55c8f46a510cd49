// Philox4x32-10, the counter-based generator behind every random number of the engine.
//
// A value is a pure function of (key, counter): no state to save, the same on every rank, any element can be
// drawn without the ones before it. Source: Salmon, Moraes, Dror, Shaw, "Parallel random numbers: as easy as
// 1, 2, 3" (SC 2011); constants and round count as in their Random123 library. Host and device code.
#pragma once

#include <array>
#include <cstdint>

namespace dml {

using PhiloxCounter = std::array<std::uint32_t, 4>;
using PhiloxKey = std::array<std::uint32_t, 2>;

/// Ten rounds of Philox4x32: four independent uniform 32-bit words for one counter.
constexpr PhiloxCounter philox4x32(PhiloxCounter counter, PhiloxKey key) {
  constexpr std::uint32_t kMultiplier0 = 0xD2511F53U;
  constexpr std::uint32_t kMultiplier1 = 0xCD9E8D57U;
  constexpr std::uint32_t kWeyl0 = 0x9E3779B9U;
  constexpr std::uint32_t kWeyl1 = 0xBB67AE85U;
  for (int round = 0; round < 10; ++round) {
    const std::uint64_t product0 = std::uint64_t{kMultiplier0} * counter[0];
    const std::uint64_t product1 = std::uint64_t{kMultiplier1} * counter[2];
    counter = {static_cast<std::uint32_t>(product1 >> 32U) ^ counter[1] ^ key[0],
               static_cast<std::uint32_t>(product1),
               static_cast<std::uint32_t>(product0 >> 32U) ^ counter[3] ^ key[1],
               static_cast<std::uint32_t>(product0)};
    key = {key[0] + kWeyl0, key[1] + kWeyl1};
  }
  return counter;
}

/// What a stream of random numbers is for. Part of the counter, so that uses never overlap.
enum class RandomUse : std::uint32_t {
  initialisation = 1,
  shuffle = 2,
  synthetic_data = 3,
  sampling = 4,
  partition = 5,
  slowness = 6
};

/// A stream of up to 2^34 random 32-bit words, named by (seed, use, stream, substream).
class PhiloxStream {
 public:
  constexpr PhiloxStream(std::uint64_t seed, RandomUse use, std::uint32_t stream, std::uint32_t substream = 0)
      : key_{static_cast<std::uint32_t>(seed), static_cast<std::uint32_t>(seed >> 32U)},
        use_(static_cast<std::uint32_t>(use)),
        stream_(stream),
        substream_(substream) {}

  /// Words 4 * index .. 4 * index + 3, from one evaluation of the generator.
  [[nodiscard]] constexpr PhiloxCounter block(std::uint32_t index) const {
    return philox4x32({index, substream_, use_, stream_}, key_);
  }
  [[nodiscard]] constexpr std::uint32_t word(std::uint64_t index) const {
    return block(static_cast<std::uint32_t>(index / 4))[index % 4];
  }
  /// Uniform in [0, 1) with 24 random bits, exact in fp32.
  [[nodiscard]] constexpr float uniform(std::uint64_t index) const {
    return static_cast<float>(word(index) >> 8U) * 0x1p-24F;
  }

 private:
  PhiloxKey key_;
  std::uint32_t use_;
  std::uint32_t stream_;
  std::uint32_t substream_;
};

}  // namespace dml
