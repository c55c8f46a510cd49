// Convolution with samples in vector lanes, for layers of few channels: one row of outputs of one block
// of 16.
//
//   x (C,H,W,16)   w[k + c * weight_c + r * weight_r + s * weight_s]   y (K,P,Q,16)
//
// Every lane is another sample, so that channels need no padding to a vector's width and filters no special
// cases. A tile of channels x points stays in registers while c, r and s run; each step of s loads one vector
// a point and broadcasts one weight a channel. The input gradient is the same sum with dy in the place of x
// and the filter turned round (negative weight steps).
#include "kernels/cpu/simd/internal.h"
#include "kernels/cpu/simd/tiles.h"

namespace dml::cpu::DML_ISA {
namespace {

/// Where one tile reads and writes.
struct RowTile {
  const float* x;     ///< x[0, first row, q + first s, lane]
  const float* w;     ///< w[k, 0, first row's r, first s]
  const float* bias;  ///< b[k], or null
  float* y;           ///< y[k, p, q, lane]
  std::int64_t rows;  ///< filter rows that meet a row of x
  std::int64_t taps;  ///< filter columns that meet more than padding
};

template <int kChannels, int kPoints>
void run_tile(const LanesCorrelation& g, const RowTile& tile) {
  Floats sums[kChannels][kPoints];
  for (int k = 0; k < kChannels; ++k) {
    const Floats start = Floats{} + (tile.bias == nullptr ? 0.0F : tile.bias[k]);
    for (int q = 0; q < kPoints; ++q) sums[k][q] = start;
  }
  for (std::int64_t c = 0; c < g.C; ++c) {
    for (std::int64_t r = 0; r < tile.rows; ++r) {
      const float* x = tile.x + (c * g.H + r) * g.W * kSamplesPerBlock;
      const float* w = tile.w + c * g.weight_c + r * g.weight_r;
      for (std::int64_t s = 0; s < tile.taps; ++s) {
        Floats points[kPoints];
        for (int q = 0; q < kPoints; ++q) points[q] = load<Floats>(x + q * kSamplesPerBlock);
        for (int k = 0; k < kChannels; ++k) {
          for (int q = 0; q < kPoints; ++q) sums[k][q] += points[q] * w[k];
        }
        x += kSamplesPerBlock;
        w += g.weight_s;
      }
    }
  }
  for (int k = 0; k < kChannels; ++k) {
    for (int q = 0; q < kPoints; ++q) store(tile.y + (k * g.y_channel + q) * kSamplesPerBlock, sums[k][q]);
  }
}

using TileFunction = void (*)(const LanesCorrelation&, const RowTile&);

template <int kChannels, int kPoints>
constexpr TileFunction tile_function() {
  if constexpr (kChannels <= kTileChannels && kChannels * kPoints <= kTileSums) {
    return run_tile<kChannels, kPoints>;
  } else {
    return nullptr;  // tile_channels() and tile_points() never ask for it
  }
}

template <int kChannels>
struct RowTiles {
  static constexpr TileFunction kFunctions[] = {tile_function<kChannels, 1>(), tile_function<kChannels, 2>(),
                                                tile_function<kChannels, 3>(), tile_function<kChannels, 4>(),
                                                tile_function<kChannels, 5>(), tile_function<kChannels, 6>()};
};

constexpr const TileFunction* kTiles[] = {RowTiles<1>::kFunctions,
                                          RowTiles<2>::kFunctions,
                                          RowTiles<3>::kFunctions,
                                          RowTiles<4>::kFunctions,
                                          nullptr,
                                          RowTiles<6>::kFunctions};

}  // namespace

void correlate_row(const LanesCorrelation& g, const float* x, const float* w, const float* bias,
                   std::int64_t p, float* y) {
  const std::int64_t top = p - g.row_padding;  // the row of x that filter row 0 meets
  const std::int64_t first_r = top < 0 ? -top : 0;
  const std::int64_t last_r = top + g.R > g.H ? g.H - top : g.R;
  const std::int64_t rows = last_r > first_r ? last_r - first_r : 0;
  const std::int64_t channels = tile_channels(g.K);
  for (std::int64_t k = 0; k < g.K; k += channels) {
    const std::int64_t tile_k = g.K - k < channels ? g.K - k : channels;
    const std::int64_t points = tile_points(g.Q, tile_k);
    for (std::int64_t q = 0; q < g.Q; q += points) {
      const std::int64_t tile_q = g.Q - q < points ? g.Q - q : points;
      // Filter columns outside [first_s, last_s) meet nothing but padding in every point of the tile.
      const std::int64_t left = g.column_padding - (q + tile_q - 1);
      const std::int64_t right = g.W - g.column_padding - q;
      const std::int64_t first_s = left > 0 ? left : 0;
      const std::int64_t last_s = right < g.S ? right : g.S;
      const TileFunction run = kTiles[tile_k - 1][tile_q - 1];
      for (std::int64_t lane = 0; lane < kSamplesPerBlock; lane += kLanes) {
        run(g, {x + ((top + first_r) * g.W + q + first_s) * kSamplesPerBlock + lane,
                w + k + first_r * g.weight_r + first_s * g.weight_s, bias == nullptr ? nullptr : bias + k,
                y + (k * g.y_channel + q) * kSamplesPerBlock + lane, rows, last_s - first_s});
      }
    }
  }
}

}  // namespace dml::cpu::DML_ISA
