// Gradients of a window convolution with respect to its weights and bias:
//
//   dw[k,c,r,s] = sum_npq dz[n,k,p,q] x[n,c, p + r - padding, q + s - padding]     db[k] = sum_npq
//   dz[n,k,p,q]
//
// Block (g, t): the units of group g, one after the other, for the weights of tile t. A unit is a band of
// rows of one sample: its dz (ReLU and pool undone) and the rows of x under it lie in shared memory. A thread
// keeps in registers the sums of whole filters, of several pairs of an output and an input channel, and walks
// along the rows in groups of four pixels, of which each value serves all taps. Where there are fewer pairs
// than threads, slices of threads share the places. At the end the slices are added in order and the group's
// sums go to the workspace (groups, K C R S + K), which group_sums.h adds up in order. How the work is
// divided follows from the shape alone. Shared memory: 48 KiB at most. Expected limiter: fp32 arithmetic for
// a full device, latency for small batches.
#include <algorithm>

#include "kernels/cuda/conv2d_window.cuh"
#include "kernels/cuda/conv2d_window.h"
#include "kernels/cuda/group_sums.h"

namespace dml::DML_DEVICE {
namespace {

constexpr int kColumns = 4;  ///< pixels that a thread takes at once
constexpr int kMostThreads = 256;
constexpr int kMostPairsAside = 16;  ///< threads along the channels of a tile, on either side
constexpr std::int64_t kBlocksToFill = 128;

/// Output and input channels of a thread: 72 sums for 3x3, 50 for 5x5.
__host__ __device__ constexpr int outputs_of(int size) {
  return size == 3 ? 4 : 2;
}
__host__ __device__ constexpr int inputs_of(int size) {
  return size == 3 ? 2 : 1;
}
/// With the sums of dz itself.
__host__ __device__ constexpr int sums_of(int size) {
  return outputs_of(size) * (inputs_of(size) * size * size + 1);
}

/// How the work is shared among blocks and threads, for the launcher and the kernel.
struct WeightGradientPlan {
  int outputs, inputs;  ///< threads along the output and the input channels of a tile
  int output_tiles, input_tiles;
  int slices;
  int slices_at_once;  ///< whose sums fit into shared memory together
  int rows, bands;     ///< of a band; of a sample
  int strips;          ///< of kColumns in a row
  int units, groups, group_units;
  int threads;
  Divisor by_strips;
  PlaneTile input, gradient;

  explicit WeightGradientPlan(const DirectSizes& d) {
    const auto share = [](int all, int of_a_thread) {
      return std::min((all + of_a_thread - 1) / of_a_thread, kMostPairsAside);
    };
    outputs = share(d.K, outputs_of(d.R));
    inputs = share(d.C, inputs_of(d.R));
    const int tile_outputs = outputs * outputs_of(d.R), tile_inputs = inputs * inputs_of(d.R);
    output_tiles = (d.K + tile_outputs - 1) / tile_outputs;
    input_tiles = (d.C + tile_inputs - 1) / tile_inputs;
    strips = (d.Q + kColumns - 1) / kColumns;
    by_strips = Divisor(strips);
    const auto share_rows = [&](int of_a_band) {
      bands = (d.P + of_a_band - 1) / of_a_band;
      rows = (d.P + bands - 1) / bands;
      input = {d, tile_inputs, rows + d.R - 1, strips * kColumns + 4};
      gradient = {d, tile_outputs, rows, strips * kColumns};
    };
    for (int most = d.P; most > 0; --most) {
      share_rows(most);
      if (staged_floats() * 4 <= kMostDirectShared) break;
    }
    slices = std::clamp(kMostThreads / items(), 1, rows * strips);
    threads = (items() * slices + 31) / 32 * 32;
    slices_at_once =
        std::clamp(static_cast<int>(kMostDirectShared / 4 / (items() * sums_of(d.R))), 1, slices);
    // Two blocks on each multiprocessor hide each other's loads, where there is work for them.
    const std::int64_t all = std::int64_t{d.N} * bands;
    const std::int64_t tiles = std::int64_t{output_tiles} * input_tiles;
    const std::int64_t fill = (all * tiles >= 8 * kBlocksToFill ? 2 : 1) * kBlocksToFill;
    const std::int64_t wanted = std::clamp<std::int64_t>(fill / tiles, 1, std::max<std::int64_t>(1, all));
    units = static_cast<int>(all);
    group_units = static_cast<int>((all + wanted - 1) / wanted);
    groups = group_units == 0 ? 0 : (units + group_units - 1) / group_units;
  }
  [[nodiscard]] __host__ __device__ int items() const { return outputs * inputs; }
  [[nodiscard]] std::int64_t staged_floats() const {
    return std::int64_t{input.floats()} + gradient.floats();
  }
  [[nodiscard]] std::int64_t shared_bytes(const DirectSizes& d) const {
    const std::int64_t sums = slices == 1 ? 0 : std::int64_t{slices_at_once} * items() * sums_of(d.R);
    return std::max(staged_floats(), sums) * 4;
  }
};

/// What a thread has summed; `of[i][j]` is the filter between its i-th output and its j-th input channel.
template <int kSize>
struct FilterSums {
  float of[outputs_of(kSize)][inputs_of(kSize)][kSize * kSize] = {};
  float bias[outputs_of(kSize)] = {};
};

/// sums += the products at four neighbouring pixels: `gradient` and `x` point at them in the thread's first
/// planes, and its other planes follow at these distances.
template <int kSize>
__device__ __forceinline__ void add_pixels(const float* gradient, int next_output, const float* x,
                                           int next_input, int columns, bool with_bias,
                                           FilterSums<kSize>& sums) {
  float dz[outputs_of(kSize)][kColumns];
#pragma unroll
  for (int i = 0; i < outputs_of(kSize); ++i) read_groups(gradient + i * next_output, dz[i]);
  if (with_bias) {
#pragma unroll
    for (int i = 0; i < outputs_of(kSize); ++i) {
#pragma unroll
      for (int q = 0; q < kColumns; ++q) sums.bias[i] += dz[i][q];
    }
  }
#pragma unroll
  for (int j = 0; j < inputs_of(kSize); ++j) {
#pragma unroll
    for (int r = 0; r < kSize; ++r) {
      float row[kColumns + kSize - 1];
      read_groups(x + j * next_input + r * columns, row);
#pragma unroll
      for (int i = 0; i < outputs_of(kSize); ++i) {
#pragma unroll
        for (int s = 0; s < kSize; ++s) {
#pragma unroll
          for (int q = 0; q < kColumns; ++q) {
            sums.of[i][j][r * kSize + s] = fmaf(dz[i][q], row[q + s], sums.of[i][j][r * kSize + s]);
          }
        }
      }
    }
  }
}

/// Sum number i of a thread: its filters in order, then the sums of dz.
template <int kSize>
__device__ __forceinline__ float sum_at(const FilterSums<kSize>& sums, int i) {
  constexpr int kFilters = outputs_of(kSize) * inputs_of(kSize) * kSize * kSize;
  return i < kFilters ? sums.of[i / (inputs_of(kSize) * kSize * kSize)]
                               [i / (kSize * kSize) % inputs_of(kSize)][i % (kSize * kSize)]
                      : sums.bias[i - kFilters];
}

template <int kSize>
__global__ void __launch_bounds__(kMostThreads, 2)
    conv2d_window_weight_gradient_kernel(DirectSizes d, WeightGradientPlan plan, ConvolutionInput input,
                                         ConvolutionOutputGradient gradient, float* __restrict__ workspace) {
  constexpr int kTaps = kSize * kSize;
  constexpr int kFilters = outputs_of(kSize) * inputs_of(kSize) * kTaps;
  constexpr int kSums = sums_of(kSize);
  float* const x = dynamic_shared_memory<float>();
  float* const dz = x + plan.input.floats();
  const int thread = static_cast<int>(threadIdx.x);
  const int items = plan.items();
  const int item = thread % items;
  const int slice = thread / items;
  const int first_output = static_cast<int>(blockIdx.y) / plan.input_tiles * plan.outputs * outputs_of(kSize);
  const int first_input = static_cast<int>(blockIdx.y) % plan.input_tiles * plan.inputs * inputs_of(kSize);
  const int outputs = min(plan.outputs * outputs_of(kSize), d.K - first_output);
  const int inputs = min(plan.inputs * inputs_of(kSize), d.C - first_input);
  const int output = item / plan.inputs;
  const int channel = item % plan.inputs;
  const bool active = slice < plan.slices;
  const bool with_bias = channel == 0 && first_input == 0;
  FilterSums<kSize> sums;

  // Planes of a tile beyond the last channel: nothing reads their sums, but they are read.
  for (int i = thread + inputs * plan.input.plane; i < plan.input.floats(); i += static_cast<int>(blockDim.x))
    x[i] = 0;
  for (int i = thread + outputs * plan.gradient.plane; i < plan.gradient.floats();
       i += static_cast<int>(blockDim.x))
    dz[i] = 0;

  // ---- the units of the group
  const int first_unit = static_cast<int>(blockIdx.x) * plan.group_units;
  const int last_unit = min(plan.units, first_unit + plan.group_units);
  for (int unit = first_unit; unit < last_unit; ++unit) {
    const int sample = unit / plan.bands;
    const int row = unit % plan.bands * plan.rows;
    if (unit > first_unit) __syncthreads();  // the unit before is no longer read
    stage_input(d, input, {sample, first_input, row - d.padding, -d.padding}, inputs, plan.input, x);
    stage_gradient<2>(d, gradient, {sample, first_output, row, 0}, outputs, plan.gradient, dz);
    __syncthreads();
    if (!active) continue;
    const int places = min(plan.rows, d.P - row) * plan.strips;
#pragma unroll 1
    for (int place = slice; place < places; place += plan.slices) {
      const auto down = static_cast<int>(plan.by_strips.quotient(static_cast<std::uint32_t>(place)));
      const int across = (place - down * plan.strips) * kColumns;
      add_pixels<kSize>(dz + output * plan.gradient.plane + down * plan.gradient.columns + across,
                        plan.outputs * plan.gradient.plane,
                        x + channel * plan.input.plane + down * plan.input.columns + across,
                        plan.inputs * plan.input.plane, plan.input.columns, with_bias, sums);
    }
  }

  // ---- the group's sums: those of slices added in order, as many of them at once as there is room for
  const int weights = d.K * d.C * kTaps;
  float* const group_sums = workspace + static_cast<std::int64_t>(blockIdx.x) * (weights + d.K);
  // Where sum `number` of the threads of pair `pair` goes; null: it is of no channel.
  const auto place_of = [&](int number, int pair) -> float* {
    const bool is_bias = number >= kFilters;
    const int of_output = is_bias ? number - kFilters : number / (inputs_of(kSize) * kTaps);
    const int of_input = is_bias ? 0 : number / kTaps % inputs_of(kSize);
    const int k = first_output + pair / plan.inputs + of_output * plan.outputs;
    const int c = first_input + pair % plan.inputs + of_input * plan.inputs;
    if (k >= d.K || c >= d.C || (is_bias && c > 0)) return nullptr;
    return group_sums + (is_bias ? weights + k : (k * d.C + c) * kTaps + number % kTaps);
  };
  if (plan.slices == 1) {
    if (!active) return;
#pragma unroll
    for (int i = 0; i < kSums; ++i) {
      float* const target = place_of(i, item);
      if (target != nullptr) *target = sum_at(sums, i);
    }
    return;
  }
  float* const shared_sums = x;
  for (int first = 0; first < plan.slices; first += plan.slices_at_once) {
    const int count = min(plan.slices_at_once, plan.slices - first);
    __syncthreads();  // the last unit, or the slices before, are no longer read
    if (slice >= first && slice < first + count) {
#pragma unroll
      for (int i = 0; i < kSums; ++i) {
        shared_sums[((slice - first) * kSums + i) * items + item] = sum_at(sums, i);
      }
    }
    __syncthreads();
    for (int i = thread; i < items * kSums; i += static_cast<int>(blockDim.x)) {
      float* const target = place_of(i / items, i % items);
      if (target == nullptr) continue;
      float sum = first == 0 ? 0.0F : *target;
      for (int other = 0; other < count; ++other) sum += shared_sums[other * items * kSums + i];
      *target = sum;
    }
  }
}

template <int kSize>
void launch_weight_gradient(const DirectSizes& d, const WeightGradientPlan& plan,
                            const ConvolutionInput& input, const ConvolutionOutputGradient& gradient,
                            float* workspace, DeviceStream& stream) {
  launch("conv2d_window_weight_gradient", conv2d_window_weight_gradient_kernel<kSize>,
         {.blocks = {static_cast<unsigned>(plan.groups),
                     static_cast<unsigned>(plan.output_tiles * plan.input_tiles)},
          .threads = {static_cast<unsigned>(plan.threads)},
          .shared_bytes = static_cast<std::size_t>(plan.shared_bytes(d))},
         stream, d, plan, input, gradient, workspace);
}

}  // namespace

bool supports_window_weight_gradient(const DirectSizes& d) {
  const WeightGradientPlan plan(d);
  return plan.shared_bytes(d) <= kMostDirectShared &&
         std::int64_t{d.N} * plan.bands < (std::int64_t{1} << 31) &&
         std::int64_t{plan.output_tiles} * plan.input_tiles < 65536;
}

std::int64_t conv2d_window_weight_gradient_workspace(const ConvolutionShape& shape) {
  return WeightGradientPlan(DirectSizes(shape)).groups * (shape.weight_elements() + shape.K);
}

void conv2d_window_weight_gradient(const ConvolutionShape& shape, const ConvolutionInput& input,
                                   const ConvolutionOutputGradient& gradient, float* dweight, float* dbias,
                                   bool accumulate, float* workspace, DeviceStream& stream) {
  const DirectSizes d(shape);
  const WeightGradientPlan plan(d);
  if (plan.groups > 0) {
    if (d.R == 3) {
      launch_weight_gradient<3>(d, plan, input, gradient, workspace, stream);
    } else {
      launch_weight_gradient<5>(d, plan, input, gradient, workspace, stream);
    }
  }
  sum_groups(static_cast<int>(shape.weight_elements()), d.K, plan.groups, workspace, dweight, dbias,
             accumulate, stream);
}

}  // namespace dml::DML_DEVICE
