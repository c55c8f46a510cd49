// Matrix product by register tiles: C (M,N) = A (M,K) B (K,N), fp32.
//
// A block computes a tile of BM x BN, a thread TM x TN of it. Slices of BK columns of A and rows of B lie in
// shared memory twice, so that the next slice is loaded while this one is multiplied; one barrier per slice.
// Where a result has too few tiles to fill a device the reduction is split among blocks (split-K): each
// writes its part to the workspace and a second kernel adds the parts in order. The split depends on M, N and
// K alone, so that the bits of a result do not depend on the device.
//
// What A and B are is the loaders' business, so that convolutions are products of matrices that exist
// nowhere:
//
//   struct Loader {
//     struct Line;                                    what belongs to one row of A or column of B
//     static constexpr bool kAlongReduction;          neighbours in memory are neighbours along K
//     __device__ Line line(int outer) const;          outer < M (or N)
//     __device__ Value load(const Line&, int k) const;
//   };
//
// Value is float, or what several loads bring together and value_of() makes a float of, when the slice is
// stored: so all loads of a slice are on their way before the first is waited for.
//
// and what becomes of a sum is the epilogue's: epilogue(m, n, sum) stores it.
// Shared memory: 2 BK (BM + BN + 8) floats. sm_90, nvcc 13.0: 8x8 tiles need about 128 registers (see
// resources.txt).
#pragma once

#include <algorithm>
#include <cstdint>
#include <utility>

#include "kernels/cuda/device.h"

namespace dml::DML_DEVICE {

struct GemmSizes {
  int M = 0, N = 0, K = 0;
  int splits = 1;
  int split_length = 0;  ///< of K; a multiple of BK
};

/// 8x8 results a thread: for results of many tiles.
struct LargeTile {
  static constexpr int kM = 64, kN = 64, kK = 16, kThreadM = 8, kThreadN = 4;
  static constexpr int kThreads = (kM / kThreadM) * (kN / kThreadN);
};

/// On a multiprocessor at once. Left to itself, ptxas saves registers for more of them and spills on sm_80.
inline constexpr unsigned kLeastBlocks = 2;

/// For skinny results: batches of 32, ten classes.
struct SmallTile {
  static constexpr int kM = 32, kN = 32, kK = 16, kThreadM = 4, kThreadN = 2;
  static constexpr int kThreads = (kM / kThreadM) * (kN / kThreadN);
};

// Two for each multiprocessor of an H100, so that one computes while the other waits for its slice; a
// constant, whatever the device is.
constexpr int kBlocksToFill = 256;
constexpr int kLeastLargeTiles = 32;  ///< of a result that takes large ones

template <class Tile>
struct GemmShared {
  // Padded by 4 so that the stores along a column meet different banks, and rows stay 16-byte aligned.
  float a[2][Tile::kK][Tile::kM + 4];
  float b[2][Tile::kK][Tile::kN + 4];
};

/// d(loss)/d(result) behind a ReLU: dy where y > 0, else 0; y null: dy.
struct MaskedGradient {
  const float* dy;
  const float* y;

  /// dy and what decides about it, loaded and not yet looked at.
  struct Value {
    float dy = 0, gate = 0;
  };
  __device__ __forceinline__ Value load(std::int64_t i) const { return {dy[i], (y == nullptr ? dy : y)[i]}; }
  __device__ __forceinline__ float of(const Value& value) const {
    return y == nullptr || value.gate > 0 ? value.dy : 0.0F;
  }
};

template <class Loader>
__device__ __forceinline__ float value_of(const Loader& /*loader*/, float value) {
  return value;
}
template <class Loader>
__device__ __forceinline__ float value_of(const Loader& loader, const MaskedGradient::Value& value) {
  return loader.gradient.of(value);
}

/// The elements of one slice that a thread loads: kOuter x kK elements over all threads.
template <class Tile, class Loader, int kOuter>
struct SliceLoads {
  static constexpr int kCount = kOuter * Tile::kK / Tile::kThreads;
  static_assert(kOuter * Tile::kK % Tile::kThreads == 0, "every thread loads as many elements");

  __device__ static int outer_of(int i) {
    const int place = static_cast<int>(threadIdx.x) + i * Tile::kThreads;
    return Loader::kAlongReduction ? place / Tile::kK : place % kOuter;
  }
  __device__ static int k_of(int i) {
    const int place = static_cast<int>(threadIdx.x) + i * Tile::kThreads;
    return Loader::kAlongReduction ? place % Tile::kK : place / kOuter;
  }

  using Value = decltype(std::declval<Loader>().load(typename Loader::Line{}, 0));
  typename Loader::Line line[kCount];
  bool inside[kCount];

  __device__ SliceLoads(const Loader& loader, int first, int outer) {
#pragma unroll
    for (int i = 0; i < kCount; ++i) {
      const int index = first + outer_of(i);
      inside[i] = index < outer;
      line[i] = loader.line(inside[i] ? index : 0);
    }
  }
  __device__ void load(const Loader& loader, int k0, int k_end, Value (&values)[kCount]) const {
#pragma unroll
    for (int i = 0; i < kCount; ++i) {
      const int k = k0 + k_of(i);
      values[i] = inside[i] && k < k_end ? loader.load(line[i], k) : Value{};
    }
  }
  template <int kWidth>
  __device__ static void store(const Loader& loader, const Value (&values)[kCount],
                               float (&slice)[Tile::kK][kWidth]) {
#pragma unroll
    for (int i = 0; i < kCount; ++i) slice[k_of(i)][outer_of(i)] = value_of(loader, values[i]);
  }
};

/// Grid: (tiles of N, tiles of M, splits). `parts` (splits, M, N) takes the sums where splits > 1.
template <class Tile, class A, class B, class Epilogue>
__global__ void __launch_bounds__(Tile::kThreads, kLeastBlocks)
    tiled_gemm_kernel(GemmSizes sizes, A a, B b, Epilogue epilogue, float* parts) {
  GemmShared<Tile>& shared = shared_memory<GemmShared<Tile>>();
  const int m0 = static_cast<int>(blockIdx.y) * Tile::kM;
  const int n0 = static_cast<int>(blockIdx.x) * Tile::kN;
  const int k_begin = static_cast<int>(blockIdx.z) * sizes.split_length;
  const int k_end = min(sizes.K, k_begin + sizes.split_length);
  const int thread_m = static_cast<int>(threadIdx.x) / (Tile::kN / Tile::kThreadN) * Tile::kThreadM;
  const int thread_n = static_cast<int>(threadIdx.x) % (Tile::kN / Tile::kThreadN) * Tile::kThreadN;

  using LoadsA = SliceLoads<Tile, A, Tile::kM>;
  using LoadsB = SliceLoads<Tile, B, Tile::kN>;
  const LoadsA loads_a(a, m0, sizes.M);
  const LoadsB loads_b(b, n0, sizes.N);
  typename LoadsA::Value next_a[LoadsA::kCount];
  typename LoadsB::Value next_b[LoadsB::kCount];
  float sum[Tile::kThreadM][Tile::kThreadN] = {};

  loads_a.load(a, k_begin, k_end, next_a);
  loads_b.load(b, k_begin, k_end, next_b);
  int buffer = 0;
  for (int k0 = k_begin; k0 < k_end; k0 += Tile::kK) {
    LoadsA::store(a, next_a, shared.a[buffer]);
    LoadsB::store(b, next_b, shared.b[buffer]);
    // Also keeps this slice apart from the reads of the one before the last, which lay in the same buffer.
    __syncthreads();
    if (k0 + Tile::kK < k_end) {
      loads_a.load(a, k0 + Tile::kK, k_end, next_a);
      loads_b.load(b, k0 + Tile::kK, k_end, next_b);
    }
#pragma unroll
    for (int k = 0; k < Tile::kK; ++k) {
      float column[Tile::kThreadM];
      float row[Tile::kThreadN];
#pragma unroll
      for (int i = 0; i < Tile::kThreadM; ++i) column[i] = shared.a[buffer][k][thread_m + i];
#pragma unroll
      for (int j = 0; j < Tile::kThreadN; ++j) row[j] = shared.b[buffer][k][thread_n + j];
#pragma unroll
      for (int i = 0; i < Tile::kThreadM; ++i) {
#pragma unroll
        for (int j = 0; j < Tile::kThreadN; ++j) sum[i][j] = fmaf(column[i], row[j], sum[i][j]);
      }
    }
    buffer ^= 1;
  }

#pragma unroll
  for (int i = 0; i < Tile::kThreadM; ++i) {
    const int m = m0 + thread_m + i;
    if (m >= sizes.M) continue;
#pragma unroll
    for (int j = 0; j < Tile::kThreadN; ++j) {
      const int n = n0 + thread_n + j;
      if (n >= sizes.N) continue;
      if (parts == nullptr) {
        epilogue(m, n, sum[i][j]);
      } else {
        parts[(static_cast<std::int64_t>(blockIdx.z) * sizes.M + m) * sizes.N + n] = sum[i][j];
      }
    }
  }
}

constexpr int kSumResults = 32, kSumSlices = 8;

struct SliceSums {
  float of[kSumSlices][kSumResults];
};

/// The parts of each result: a warp adds every eighth part of 32 neighbouring results, and one of the eight
/// warps adds what they found.
template <class Epilogue>
__global__ void __launch_bounds__(kSumResults* kSumSlices)
    sum_parts_kernel(GemmSizes sizes, const float* __restrict__ parts, Epilogue epilogue) {
  SliceSums& slices = shared_memory<SliceSums>();
  const int lane = static_cast<int>(threadIdx.x) % kSumResults;
  const int slice = static_cast<int>(threadIdx.x) / kSumResults;
  const int result = static_cast<int>(blockIdx.x) * kSumResults + lane;
  const int results = sizes.M * sizes.N;
  float sum = 0;
  if (result < results) {
#pragma unroll 4
    for (int split = slice; split < sizes.splits; split += kSumSlices) {
      sum += parts[static_cast<std::int64_t>(split) * results + result];
    }
  }
  slices.of[slice][lane] = sum;
  __syncthreads();
  if (slice > 0 || result >= results) return;
#pragma unroll
  for (int other = 1; other < kSumSlices; ++other) sum += slices.of[other][lane];
  epilogue(result / sizes.N, result % sizes.N, sum);
}

constexpr std::int64_t ceil_divide(std::int64_t a, std::int64_t b) {
  return (a + b - 1) / b;
}

/// epilogue(m, n, sum of the `splits` parts of (m,n)), in a fixed order; none of them: 0.
template <class Epilogue>
void sum_parts(const GemmSizes& sizes, const float* parts, const Epilogue& epilogue, DeviceStream& stream) {
  const auto blocks = static_cast<unsigned>(ceil_divide(std::int64_t{sizes.M} * sizes.N, kSumResults));
  launch("sum_parts", sum_parts_kernel<Epilogue>, {.blocks = {blocks}, .threads = {kSumResults * kSumSlices}},
         stream, sizes, parts, epilogue);
}

/// Large tiles where both sides fill them and there are enough; a rule of the shape alone.
inline bool takes_large_tiles(std::int64_t M, std::int64_t N) {
  return M > SmallTile::kM && N > SmallTile::kN &&
         ceil_divide(M, LargeTile::kM) * ceil_divide(N, LargeTile::kN) >= kLeastLargeTiles;
}

inline GemmSizes gemm_sizes(std::int64_t M, std::int64_t N, std::int64_t K) {
  const bool large = takes_large_tiles(M, N);
  const std::int64_t slice = large ? LargeTile::kK : SmallTile::kK;
  const std::int64_t tiles = large ? ceil_divide(M, LargeTile::kM) * ceil_divide(N, LargeTile::kN)
                                   : ceil_divide(M, SmallTile::kM) * ceil_divide(N, SmallTile::kN);
  const std::int64_t slices = ceil_divide(K, slice);
  // A split of fewer than two slices costs more than it brings.
  const std::int64_t wanted =
      std::clamp<std::int64_t>(kBlocksToFill / tiles, 1, std::max<std::int64_t>(1, slices / 2));
  const std::int64_t length = ceil_divide(slices, wanted) * slice;
  return {static_cast<int>(M), static_cast<int>(N), static_cast<int>(K),
          static_cast<int>(ceil_divide(K, length)), static_cast<int>(length)};
}

/// Floats of workspace for the parts of a split product.
inline std::int64_t gemm_workspace(std::int64_t M, std::int64_t N, std::int64_t K) {
  const GemmSizes sizes = gemm_sizes(M, N, K);
  return sizes.splits > 1 ? static_cast<std::int64_t>(sizes.splits) * M * N : 0;
}

/// The rule that results and operands break which are too large for 31-bit indices.
inline constexpr const char* kTooManyElements =
    "an operand or the result has 2^31 elements or more: fewer samples at a time fit, by a smaller --batch "
    "or "
    "by more slices of it";

/// Rows of a result: their tiles lie along y of a grid.
inline constexpr std::int64_t kMostRows = std::int64_t{65535} * SmallTile::kM;

/// Indices of 31 bits are enough for each matrix.
inline bool supports_gemm(std::int64_t M, std::int64_t N, std::int64_t K) {
  constexpr std::int64_t kLargest = std::int64_t{1} << 31;
  return M * N < kLargest && M * K < kLargest && N * K < kLargest && std::max({M, N, K}) < kLargest / 2;
}

template <class Tile, class A, class B, class Epilogue>
void launch_tiles(const char* name, const GemmSizes& sizes, const A& a, const B& b, const Epilogue& epilogue,
                  float* parts, DeviceStream& stream) {
  const LaunchShape shape{
      .blocks = {static_cast<unsigned>(ceil_divide(sizes.N, Tile::kN)),
                 static_cast<unsigned>(ceil_divide(sizes.M, Tile::kM)), static_cast<unsigned>(sizes.splits)},
      .threads = {static_cast<unsigned>(Tile::kThreads)}};
  launch(name, tiled_gemm_kernel<Tile, A, B, Epilogue>, shape, stream, sizes, a, b, epilogue, parts);
}

/// epilogue(m, n, sum over k of A(m,k) B(k,n)) for all m < M, n < N; K may be 0 only where M or N is.
template <class A, class B, class Epilogue>
void tiled_gemm(const char* name, std::int64_t M, std::int64_t N, std::int64_t K, const A& a, const B& b,
                const Epilogue& epilogue, float* workspace, DeviceStream& stream) {
  if (M == 0 || N == 0) return;
  const GemmSizes sizes = gemm_sizes(M, N, K);
  float* const parts = sizes.splits > 1 ? workspace : nullptr;
  if (takes_large_tiles(M, N)) {
    launch_tiles<LargeTile>(name, sizes, a, b, epilogue, parts, stream);
  } else {
    launch_tiles<SmallTile>(name, sizes, a, b, epilogue, parts, stream);
  }
  if (parts != nullptr) sum_parts(sizes, parts, epilogue, stream);
}

// ---- what linear layers and convolutions share

/// A row-major matrix whose lines run along the reduction: element (outer, k) is values[outer * K + k].
struct RowsAlongReduction {
  static constexpr bool kAlongReduction = true;
  const float* values;
  int length;  ///< K

  struct Line {
    const float* row;
  };
  __device__ __forceinline__ Line line(int outer) const {
    return {values + static_cast<std::int64_t>(outer) * length};
  }
  __device__ __forceinline__ float load(const Line& line, int k) const { return line.row[k]; }
};

/// A row-major matrix whose lines run across: element (outer, k) is values[k * width + outer].
struct RowsAcrossReduction {
  static constexpr bool kAlongReduction = false;
  const float* values;
  int width;

  struct Line {
    int outer;
  };
  __device__ __forceinline__ Line line(int outer) const { return {outer}; }
  __device__ __forceinline__ float load(const Line& line, int k) const {
    return values[static_cast<std::int64_t>(k) * width + line.outer];
  }
};

__device__ __forceinline__ float with_relu(float value, bool relu) {
  return relu && value <= 0 ? 0.0F : value;  // a NaN stays one
}

/// A matrix with a line of ones behind its last one: the product with dz is the gradient of the weights, and
/// behind it that of the biases, the sums of dz.
template <class Matrix>
struct WithOnes {
  static constexpr bool kAlongReduction = Matrix::kAlongReduction;
  Matrix matrix;
  int lines;  ///< without the ones

  struct Line {
    typename Matrix::Line line;
    bool is_ones;
  };
  __device__ __forceinline__ Line line(int outer) const {
    return {matrix.line(outer < lines ? outer : 0), outer == lines};
  }
  __device__ __forceinline__ float load(const Line& line, int k) const {
    return line.is_ones ? 1.0F : matrix.load(line.line, k);
  }
};

/// Row m of the result are the weights of output m and its bias.
struct StoreWeightGradient {
  float* dweight;
  float* dbias;
  int weights;  ///< of an output
  bool accumulate;

  __device__ __forceinline__ void operator()(int m, int n, float sum) const {
    float* const target = n < weights ? dweight + static_cast<std::int64_t>(m) * weights + n : dbias + m;
    *target = accumulate ? *target + sum : sum;
  }
};

/// dweight (outputs, weights) = dz x and dbias (outputs) = the sums of dz, overwritten or added to.
template <class Gradient, class Input>
void weight_gradient_gemm(const char* name, std::int64_t outputs, std::int64_t weights,
                          std::int64_t reduction, const Gradient& dz, const Input& x, float* dweight,
                          float* dbias, bool accumulate, float* workspace, DeviceStream& stream) {
  const int width = static_cast<int>(weights);
  tiled_gemm(name, outputs, weights + 1, reduction, dz, WithOnes<Input>{x, width},
             StoreWeightGradient{dweight, dbias, width, accumulate}, workspace, stream);
}

inline std::int64_t weight_gradient_workspace(std::int64_t outputs, std::int64_t weights,
                                              std::int64_t reduction) {
  return gemm_workspace(outputs, weights + 1, reduction);
}

}  // namespace dml::DML_DEVICE
