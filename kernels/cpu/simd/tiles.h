// Register tiles of the lanes kernels: how many output channels by how many points are summed up at once.
//
// An instruction set with 32 registers keeps up to 24 sums beside their operands, one with 16 keeps 12.
// `Tile` is a class template with a static run(); TileTable holds its instances for every size up to the
// largest.
#pragma once

#include <cstdint>

#include "kernels/cpu/simd/vector.h"

namespace dml::cpu::DML_ISA {

#if defined(__AVX512F__)
constexpr int kTileChannels = 6;
constexpr int kTileSums = 24;
constexpr int kTilePoints = 6;
#else
constexpr int kTileChannels = 4;
constexpr int kTileSums = 12;
constexpr int kTilePoints = 5;
#endif

/// Channels per tile for K of them: 6 or 3 where that leaves no rest, else 4.
inline std::int64_t tile_channels(std::int64_t K) {
  const int thirds = kTileChannels == 6 ? 6 : 3;
  if (K % thirds == 0) return thirds;
  return K < 4 ? K : 4;
}

/// Points per tile beside `channels` of them, so that `points` are cut into parts of nearly one size.
inline std::int64_t tile_points(std::int64_t points, std::int64_t channels) {
  std::int64_t largest = kTileSums / channels;
  if (largest > kTilePoints) largest = kTilePoints;
  const std::int64_t tiles = (points + largest - 1) / largest;
  return (points + tiles - 1) / tiles;
}

}  // namespace dml::cpu::DML_ISA
