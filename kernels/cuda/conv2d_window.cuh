// What the window convolutions share: a tile of planes in shared memory and how it is filled.
//
// A tile holds `rows` x `columns` of neighbouring planes, from any place on, also outside the planes: there
// it is zero. Its columns are a multiple of four, so that threads read groups of four, and its planes lie an
// odd number of such groups apart, so that threads that read the same place of neighbouring planes meet
// different banks.
#pragma once

#include "kernels/cuda/conv2d_direct.cuh"
#include "kernels/cuda/divisor.cuh"

namespace dml::DML_DEVICE {

/// Whether forward pass and input gradient take the shape, and the weight gradient.
bool supports_window_planes(const DirectSizes& d, bool pooled);
bool supports_window_weight_gradient(const DirectSizes& d);

struct PlaneTile {
  int planes = 0, rows = 0, columns = 0;
  int plane = 0;  ///< floats from one plane to the next
  Divisor by_columns, by_rows;
  Divisor by_cell_columns, by_cell_rows;  ///< the windows of a 2x2 pool that meet the tile

  PlaneTile() = default;
  PlaneTile(const DirectSizes& d, int most_planes, int tile_rows, int tile_columns)
      : planes(most_planes),
        rows(tile_rows),
        columns(tile_columns),
        plane((tile_rows * tile_columns / 4 | 1) * 4),
        by_columns(tile_columns),
        by_rows(tile_rows),
        by_cell_columns(d.pooled_columns() > 0 ? d.pooled_columns() : 1),
        by_cell_rows(cell_rows()) {}

  [[nodiscard]] __host__ __device__ int cell_rows() const { return rows / 2 + 1; }
  [[nodiscard]] __host__ __device__ int floats() const { return planes * plane; }
};

/// The place of a tile among the planes of a sample; row and column may be negative.
struct TilePlace {
  int sample, plane, row, column;
};

/// finish(fetch(i)) for all i < count, by all threads of the block: kBatch of them have their loads on their
/// way before the first is finished.
template <int kBatch, class Fetch, class Finish>
__device__ __forceinline__ void in_batches(int count, const Fetch& fetch, const Finish& finish) {
  const int threads = static_cast<int>(blockDim.x);
  for (int first = static_cast<int>(threadIdx.x); first < count; first += kBatch * threads) {
    decltype(fetch(0)) fetched[kBatch];
#pragma unroll
    for (int j = 0; j < kBatch; ++j) fetched[j] = fetch(min(first + j * threads, count - 1));
#pragma unroll
    for (int j = 0; j < kBatch; ++j) {
      if (first + j * threads < count) finish(fetched[j]);
    }
  }
}

__device__ __forceinline__ bool is_within(int i, int size) {
  return static_cast<unsigned>(i) < static_cast<unsigned>(size);
}

/// Where an element of a tile lies, in the tile and among the planes that it shows.
struct TileElement {
  int target;   ///< in shared memory
  int source;   ///< from the tile's first plane on; 0 outside the planes
  bool inside;  ///< of the planes

  /// Element i without the gaps between planes; the planes have `rows` x `columns`.
  __device__ __forceinline__ TileElement(const PlaneTile& tile, const TilePlace& at, int i, int rows,
                                         int columns) {
    const auto flat = static_cast<std::uint32_t>(i);
    const std::uint32_t line = tile.by_columns.quotient(flat);
    const std::uint32_t plane = tile.by_rows.quotient(line);
    const auto column = static_cast<int>(tile.by_columns.remainder(flat, line));
    const auto row = static_cast<int>(tile.by_rows.remainder(line, plane));
    target = static_cast<int>(plane) * tile.plane + row * tile.columns + column;
    inside = is_within(at.row + row, rows) && is_within(at.column + column, columns);
    source = inside ? (static_cast<int>(plane) * rows + at.row + row) * columns + at.column + column : 0;
  }
};

/// The first `planes` planes of a tile of input. No barrier.
__device__ __forceinline__ void stage_input(const DirectSizes& d, const ConvolutionInput& input,
                                            const TilePlace& at, int planes, const PlaneTile& tile,
                                            float* target) {
  const std::int64_t image = static_cast<std::int64_t>(d.C) * d.H * d.W;
  const int first = at.plane * d.H * d.W;
  const int count = planes * tile.rows * tile.columns;
  if (input.x != nullptr) {
    const float* const x = input.x + at.sample * image + first;
    struct Fetched {
      int target;
      bool inside;
      float value;
    };
    in_batches<4>(
        count,
        [&](int i) {
          const TileElement e(tile, at, i, d.H, d.W);
          return Fetched{e.target, e.inside, x[e.source]};
        },
        [&](const Fetched& f) { target[f.target] = f.inside ? f.value : 0.0F; });
    return;
  }
  const SampleWindow& window = input.gathered.samples;
  const std::int64_t index = window.indices[static_cast<std::int64_t>(*window.cursor) * d.N + at.sample];
  const std::uint8_t* const pixels = input.gathered.images + index * image + first;
  struct Fetched {
    int target;
    bool inside;
    std::uint8_t pixel;
  };
  in_batches<4>(
      count,
      [&](int i) {
        const TileElement e(tile, at, i, d.H, d.W);
        return Fetched{e.target, e.inside, pixels[e.source]};
      },
      [&](const Fetched& f) { target[f.target] = f.inside ? input.gathered.table[f.pixel] : 0.0F; });
}

/// dy and what decides about it, loaded and not yet looked at.
struct GatedGradient {
  float dy, gate;
};
__device__ __forceinline__ GatedGradient load_gated(const ConvolutionOutputGradient& gradient,
                                                    std::int64_t at) {
  return {gradient.dy[at], (gradient.y == nullptr ? gradient.dy : gradient.y)[at]};
}
__device__ __forceinline__ float behind_gate(const ConvolutionOutputGradient& gradient,
                                             const GatedGradient& value) {
  return gradient.y == nullptr || value.gate > 0 ? value.dy : 0.0F;
}

/// The first `planes` planes of a tile of d(loss)/d(convolution's output): ReLU and pool undone. Behind a
/// pool three of four places are zero, so that only the winners are looked for. Barriers, but none at the
/// end.
template <int kBatch>
__device__ __forceinline__ void stage_gradient(const DirectSizes& d,
                                               const ConvolutionOutputGradient& gradient, const TilePlace& at,
                                               int planes, const PlaneTile& tile, float* target) {
  const std::int64_t first_plane = static_cast<std::int64_t>(at.sample) * d.K + at.plane;
  if (gradient.argmax == nullptr) {
    const std::int64_t start = first_plane * d.P * d.Q;
    struct Fetched {
      int target;
      bool inside;
      GatedGradient value;
    };
    in_batches<kBatch>(
        planes * tile.rows * tile.columns,
        [&](int i) {
          const TileElement e(tile, at, i, d.P, d.Q);
          return Fetched{e.target, e.inside, load_gated(gradient, start + e.source)};
        },
        [&](const Fetched& f) { target[f.target] = f.inside ? behind_gate(gradient, f.value) : 0.0F; });
    return;
  }
  const int threads = static_cast<int>(blockDim.x);
  for (int i = static_cast<int>(threadIdx.x); i < planes * tile.plane / 4; i += threads) {
    reinterpret_cast<float4*>(target)[i] = make_float4(0, 0, 0, 0);
  }
  __syncthreads();
  const int columns = d.pooled_columns();
  const int cells = d.pooled_rows() * columns;
  const int first_row = max(0, at.row) / 2;
  struct Fetched {
    int target, down, across;  ///< the window's first place in the tile; far outside for none of the pool's
    int shift;                 ///< of the winner in its byte
    std::uint8_t winners;
    GatedGradient value;
  };
  const auto fetch = [&](int i) {
    const auto flat = static_cast<std::uint32_t>(i);
    const std::uint32_t line = tile.by_cell_columns.quotient(flat);
    const std::uint32_t plane = tile.by_cell_rows.quotient(line);
    const int row = first_row + static_cast<int>(tile.by_cell_rows.remainder(line, plane));
    const auto column = static_cast<int>(tile.by_cell_columns.remainder(flat, line));
    const bool inside = row < d.pooled_rows();
    const int cell = inside ? row * columns + column : 0;
    const std::int64_t its_plane = first_plane + plane;
    const int down = inside ? 2 * row - at.row : -2;
    const int across = 2 * column - at.column;
    return Fetched{static_cast<int>(plane) * tile.plane + down * tile.columns + across,
                   down,
                   across,
                   cell % 4 * 2,
                   gradient.argmax[its_plane * d.argmax_plane_bytes() + cell / 4],
                   load_gated(gradient, its_plane * cells + cell)};
  };
  const auto finish = [&](const Fetched& f) {
    const int winner = f.winners >> f.shift & 3;
    const int down = winner / 2;
    const int across = winner % 2;
    if (!is_within(f.down + down, tile.rows) || !is_within(f.across + across, tile.columns)) return;
    target[f.target + down * tile.columns + across] = behind_gate(gradient, f.value);
  };
  in_batches<kBatch>(cells == 0 ? 0 : planes * tile.cell_rows() * columns, fetch, finish);
}

/// values[i] = address[i]; the address is that of a float4.
template <int kCount>
__device__ __forceinline__ void read_groups(const float* address, float (&values)[kCount]) {
  static_assert(kCount % 2 == 0, "whole float4, and a float2 behind them");
#pragma unroll
  for (int i = 0; i + 4 <= kCount; i += 4) {
    const float4 group = *reinterpret_cast<const float4*>(address + i);
    values[i] = group.x;
    values[i + 1] = group.y;
    values[i + 2] = group.z;
    values[i + 3] = group.w;
  }
  if constexpr (kCount % 4 == 2) {
    const float2 rest = *reinterpret_cast<const float2*>(address + kCount - 2);
    values[kCount - 2] = rest.x;
    values[kCount - 1] = rest.y;
  }
}

}  // namespace dml::DML_DEVICE
