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
  int planes, rows, columns;
  int plane;  ///< floats from one plane to the next
  Divisor by_columns, by_rows;
  Divisor by_cell_columns, by_cell_rows;  ///< the windows of a 2x2 pool that meet the tile

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

/// store(i, load(i)) for all i < count, by all threads of the block. Several loads are on their way before
/// the first store waits for one.
template <int kBatch, class Load, class Store>
__device__ __forceinline__ void stage(int count, const Load& load, const Store& store) {
  const int threads = static_cast<int>(blockDim.x);
  for (int first = static_cast<int>(threadIdx.x); first < count; first += kBatch * threads) {
    float values[kBatch];
#pragma unroll
    for (int j = 0; j < kBatch; ++j) {
      const int i = first + j * threads;
      values[j] = i < count ? load(i) : 0.0F;
    }
#pragma unroll
    for (int j = 0; j < kBatch; ++j) {
      const int i = first + j * threads;
      if (i < count) store(i, values[j]);
    }
  }
}

/// Plane, row and column of element i of a tile without the gaps between its planes.
struct TileElement {
  int plane, row, column;
  __device__ __forceinline__ TileElement(const PlaneTile& tile, int i) {
    const auto flat = static_cast<std::uint32_t>(i);
    const std::uint32_t line = tile.by_columns.quotient(flat);
    const std::uint32_t its_plane = tile.by_rows.quotient(line);
    column = static_cast<int>(tile.by_columns.remainder(flat, line));
    row = static_cast<int>(tile.by_rows.remainder(line, its_plane));
    plane = static_cast<int>(its_plane);
  }
};

__device__ __forceinline__ bool is_within(int i, int size) {
  return static_cast<unsigned>(i) < static_cast<unsigned>(size);
}

/// The first `planes` planes of a tile of input. No barrier.
__device__ inline void stage_input(const DirectSizes& d, const ConvolutionInput& input, const TilePlace& at,
                                   int planes, const PlaneTile& tile, float* target) {
  const std::int64_t image = static_cast<std::int64_t>(d.C) * d.H * d.W;
  const float* x = input.x;
  const std::uint8_t* pixels = nullptr;
  if (x == nullptr) {
    const SampleWindow& window = input.gathered.samples;
    const std::int64_t index = window.indices[static_cast<std::int64_t>(*window.cursor) * d.N + at.sample];
    pixels = input.gathered.images + index * image;
  } else {
    x += at.sample * image;
  }
  const auto load = [&](int i) {
    const TileElement e(tile, i);
    const int row = at.row + e.row;
    const int column = at.column + e.column;
    if (!is_within(row, d.H) || !is_within(column, d.W)) return 0.0F;
    const int place = ((at.plane + e.plane) * d.H + row) * d.W + column;
    return x != nullptr ? x[place] : input.gathered.table[pixels[place]];
  };
  const auto store = [&](int i, float value) {
    const TileElement e(tile, i);
    target[e.plane * tile.plane + e.row * tile.columns + e.column] = value;
  };
  stage<4>(planes * tile.rows * tile.columns, load, store);
}

/// The first `planes` planes of a tile of d(loss)/d(convolution's output): ReLU and pool undone. Behind a
/// pool three of four places are zero, so that only the winners are looked for. Barriers, but none at the
/// end.
__device__ inline void stage_gradient(const DirectSizes& d, const ConvolutionOutputGradient& gradient,
                                      const TilePlace& at, int planes, const PlaneTile& tile, float* target) {
  const std::int64_t first_plane = static_cast<std::int64_t>(at.sample) * d.K + at.plane;
  if (gradient.argmax == nullptr) {
    const std::int64_t start = first_plane * d.P * d.Q;
    const auto load = [&](int i) {
      const TileElement e(tile, i);
      const int row = at.row + e.row;
      const int column = at.column + e.column;
      if (!is_within(row, d.P) || !is_within(column, d.Q)) return 0.0F;
      return behind_relu(gradient, start + (e.plane * d.P + row) * d.Q + column);
    };
    const auto store = [&](int i, float value) {
      const TileElement e(tile, i);
      target[e.plane * tile.plane + e.row * tile.columns + e.column] = value;
    };
    stage<4>(planes * tile.rows * tile.columns, load, store);
    return;
  }
  const int threads = static_cast<int>(blockDim.x);
  for (int i = static_cast<int>(threadIdx.x); i < planes * tile.plane / 4; i += threads) {
    reinterpret_cast<float4*>(target)[i] = make_float4(0, 0, 0, 0);
  }
  __syncthreads();
  const int columns = d.pooled_columns();
  const int first_row = max(0, at.row) / 2;
  const int cells = planes * tile.cell_rows() * columns;
  for (int i = static_cast<int>(threadIdx.x); i < cells; i += threads) {
    const auto flat = static_cast<std::uint32_t>(i);
    const std::uint32_t line = tile.by_cell_columns.quotient(flat);
    const std::uint32_t plane = tile.by_cell_rows.quotient(line);
    const int row = first_row + static_cast<int>(tile.by_cell_rows.remainder(line, plane));
    const int column = static_cast<int>(tile.by_cell_columns.remainder(flat, line));
    if (row >= d.pooled_rows()) continue;
    const int cell = row * columns + column;
    const std::int64_t its_plane = first_plane + plane;
    const float value = behind_relu(gradient, its_plane * d.pooled_rows() * columns + cell);
    const int winner = gradient.argmax[its_plane * d.argmax_plane_bytes() + cell / 4] >> (cell % 4 * 2) & 3;
    const int down = 2 * row + winner / 2 - at.row;
    const int across = 2 * column + winner % 2 - at.column;
    if (is_within(down, tile.rows) && is_within(across, tile.columns)) {
      target[static_cast<int>(plane) * tile.plane + down * tile.columns + across] = value;
    }
  }
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
