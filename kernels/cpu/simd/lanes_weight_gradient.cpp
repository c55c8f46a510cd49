// Parameter gradients of a convolution with samples in vector lanes, of one block of 16 samples.
//
//   dw[k,c,r,s] = sum over n,p,q of dy[k,p,q,n] * x[c, p + r - row_padding, q + s, n]     db[k] = sum of
//   dy[k]
//
// A tile of channels x filter columns stays in registers while p and q run; the lanes are summed up once at
// its end. For a tile of channels the rows of the filter follow one another, so that its part of dy stays in
// the cache.
#include "kernels/cpu/simd/internal.h"
#include "kernels/cpu/simd/tiles.h"

namespace dml::cpu::DML_ISA {
namespace {

/// Where one tile reads and writes; the rows are those where filter row r meets a row of x.
struct WeightTile {
  const float* x;   ///< x[c, first row, s]
  const float* dy;  ///< dy[k, first row, 0]
  std::int64_t rows;
  float* dw;                ///< dw[k, c, r, s]
  std::int64_t dw_channel;  ///< from dw[k] to dw[k + 1]
};

template <int kChannels, int kColumns>
void run_tile(const LanesCorrelation& g, const WeightTile& tile) {
  Floats sums[kChannels][kColumns] = {};
  for (std::int64_t lane = 0; lane < kSamplesPerBlock; lane += kLanes) {
    for (std::int64_t p = 0; p < tile.rows; ++p) {
      const float* x = tile.x + p * g.W * kSamplesPerBlock + lane;
      const float* dy = tile.dy + p * g.y_row * kSamplesPerBlock + lane;
      for (std::int64_t q = 0; q < g.Q; ++q) {
        Floats gradients[kChannels];
        for (int k = 0; k < kChannels; ++k) {
          gradients[k] = load<Floats>(dy + k * g.y_channel * kSamplesPerBlock);
        }
        for (int s = 0; s < kColumns; ++s) {
          const auto point = load<Floats>(x + s * kSamplesPerBlock);
          for (int k = 0; k < kChannels; ++k) sums[k][s] += gradients[k] * point;
        }
        x += kSamplesPerBlock;
        dy += kSamplesPerBlock;
      }
    }
  }
  for (int k = 0; k < kChannels; ++k) {
    for (int s = 0; s < kColumns; ++s) tile.dw[k * tile.dw_channel + s] = sum_of_lanes(sums[k][s]);
  }
}

using TileFunction = void (*)(const LanesCorrelation&, const WeightTile&);
constexpr int kWeightTileChannels = 4;
constexpr int kWeightTileColumns = kTileSums / kWeightTileChannels < 5 ? 3 : 5;

template <int kChannels, int kColumns>
constexpr TileFunction tile_function() {
  if constexpr (kColumns <= kWeightTileColumns) {
    return run_tile<kChannels, kColumns>;
  } else {
    return nullptr;  // never asked for: columns come in tiles of kWeightTileColumns
  }
}

template <int kChannels>
struct WeightTiles {
  static constexpr TileFunction kFunctions[] = {tile_function<kChannels, 1>(), tile_function<kChannels, 2>(),
                                                tile_function<kChannels, 3>(), tile_function<kChannels, 4>(),
                                                tile_function<kChannels, 5>()};
};

constexpr const TileFunction* kTiles[] = {WeightTiles<1>::kFunctions, WeightTiles<2>::kFunctions,
                                          WeightTiles<3>::kFunctions, WeightTiles<4>::kFunctions};

}  // namespace

void correlate_weight_gradient(const LanesCorrelation& g, const float* x, const float* dy, std::int64_t c,
                               float* dw) {
  const std::int64_t channels = g.K % 3 == 0 ? 3 : kWeightTileChannels;
  for (std::int64_t k = 0; k < g.K; k += channels) {
    const std::int64_t tile_k = g.K - k < channels ? g.K - k : channels;
    for (std::int64_t r = 0; r < g.R; ++r) {
      // Output row p meets row p + r - row_padding of x.
      const std::int64_t first_p = r < g.row_padding ? g.row_padding - r : 0;
      const std::int64_t last_p = g.P + r - g.row_padding > g.H ? g.H - r + g.row_padding : g.P;
      const std::int64_t rows = last_p > first_p ? last_p - first_p : 0;
      for (std::int64_t s = 0; s < g.S; s += kWeightTileColumns) {
        const std::int64_t tile_s = g.S - s < kWeightTileColumns ? g.S - s : kWeightTileColumns;
        kTiles[tile_k - 1][tile_s - 1](
            g, {x + ((c * g.H + first_p + r - g.row_padding) * g.W + s) * kSamplesPerBlock,
                dy + (k * g.y_channel + first_p * g.y_row) * kSamplesPerBlock, rows,
                dw + ((k * g.C + c) * g.R + r) * g.S + s, g.C * g.R * g.S});
      }
    }
  }
}

void correlate_bias_gradient(const LanesCorrelation& g, const float* dy, float* db) {
  for (std::int64_t k = 0; k < g.K; ++k) {
    Floats sums[4] = {};
    for (std::int64_t p = 0; p < g.P; ++p) {
      const float* const row = dy + (k * g.y_channel + p * g.y_row) * kSamplesPerBlock;
      std::int64_t i = 0;
      for (; i + 4 * kLanes <= g.Q * kSamplesPerBlock; i += 4 * kLanes) {
        for (int j = 0; j < 4; ++j) sums[j] += load<Floats>(row + i + j * kLanes);
      }
      for (; i < g.Q * kSamplesPerBlock; i += kLanes) sums[0] += load<Floats>(row + i);
    }
    db[k] = sum_of_lanes((sums[0] + sums[1]) + (sums[2] + sums[3]));
  }
}

}  // namespace dml::cpu::DML_ISA
