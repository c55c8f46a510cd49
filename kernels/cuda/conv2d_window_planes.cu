// Window convolution forward, with bias and, where asked, ReLU and 2x2 max pool; and its gradient with
// respect to its input, which is a convolution as well: of the output's gradient with the filters turned.
//
//   y[n,k,p,q]  = b[k] + sum_crs w[k,c,r,s] x[n,c, p + r - padding, q + s - padding]
//   dx[n,c,h,w] =        sum_krs w[k,c,r,s] dz[n,k, h + padding - r, w + padding - s]
//
// Both in these words: `depth` planes that are read and summed over, `channels` planes of `rows` x `columns`
// that are written. Block (n and band, g): pairs of rows of sample n, for the channels of group g. A tile of
// planes and the filters lie in shared memory, kDepth planes at a time. A thread computes 2x4 outputs of
// kChannels channels: it reads the patch that they share once for each plane and each weight once for eight
// products. Where a batch has too little work to fill a device that way, blocks are for two channels, and
// slices of threads share the planes; their sums are added in order. All of this follows from the shape
// alone. Shared memory: 24 to 48 KiB. Expected limiter: fp32 arithmetic for a full device, latency for small
// batches.
#include <algorithm>

#include "kernels/cuda/conv2d_window.cuh"
#include "kernels/cuda/conv2d_window.h"
#include "kernels/cuda/vectors.cuh"

namespace dml::DML_DEVICE {
namespace {

constexpr int kRows = 2, kColumns = 4;  ///< outputs of a thread in a plane
constexpr int kOutputs = kRows * kColumns;
constexpr int kMostThreads = 256;
constexpr int kFewThreads = 128;  ///< of a block where larger ones would be too few
constexpr std::int64_t kBlocksToFill = 256;
constexpr int kMostGroups = 8;  ///< of channels in a block
constexpr int kMostSlices = 8;
constexpr int kDepth = 8, kMostDepth = 16;  ///< planes in shared memory, where they are many and few
constexpr std::int64_t kThreadsToFill = 128 * 128;
constexpr int kFewChannels = 2;

/// Channels of a thread when there is work for all: 64 sums for 3x3, 32 for 5x5 with its larger patch.
__host__ __device__ constexpr int many_channels(int size) {
  return size == 3 ? 8 : 4;
}

enum class Pass { forward, input_gradient };

/// The planes of one pass.
struct PassSizes {
  int depth, channels, rows, columns;
  int border;  ///< rows and columns of zeros around what is read

  PassSizes(const DirectSizes& d, Pass pass)
      : depth(pass == Pass::forward ? d.C : d.K),
        channels(pass == Pass::forward ? d.K : d.C),
        rows(pass == Pass::forward ? d.P : d.H),
        columns(pass == Pass::forward ? d.Q : d.W),
        border(pass == Pass::forward ? d.padding : d.R - 1 - d.padding) {}
};

/// How a pass is shared among blocks and threads, for its launcher and its kernel.
struct PlanesPlan {
  PassSizes sizes;
  int channels;  ///< of a thread
  int groups;    ///< of channels in a block
  int chunks;    ///< blocks along the channels
  int strips;    ///< of kColumns in a row
  int pairs;     ///< of rows in a block
  int bands;     ///< blocks of a sample
  int slices;    ///< of threads that share the planes
  int depth;     ///< planes in shared memory at a time
  int threads;
  int filter_width, filter_pitch;  ///< of a tap: the block's channels, and the floats to the next tap
  Divisor by_line;                 ///< weights that follow each other in a filter tensor
  PlaneTile tile;
  int shared_floats;  ///< of the tile and the filters, or of the slices' sums in the same place
  int winners;        ///< bytes, behind them

  PlanesPlan(const DirectSizes& d, Pass pass, bool pooled) : sizes(d, pass) {
    strips = (sizes.columns + kColumns - 1) / kColumns;
    const int all_pairs = std::max(1, (sizes.rows + kRows - 1) / kRows);
    const auto threads_with = [&](int of_a_thread) {
      return std::int64_t{d.N} * all_pairs * strips * ((sizes.channels + of_a_thread - 1) / of_a_thread);
    };
    const bool many = threads_with(many_channels(d.R)) >= kThreadsToFill;
    channels = many ? many_channels(d.R) : kFewChannels;
    const int all_groups = (sizes.channels + channels - 1) / channels;
    groups = many ? std::min(all_groups, kMostGroups) : 1;
    chunks = (all_groups + groups - 1) / groups;
    // ---- rows: a whole number of argmax bytes in each band, unless there is but one
    const int in_pair = std::max(1, strips * groups);
    const int cells = sizes.columns / 2;
    const int step = !pooled || cells % 4 == 0 ? 1 : (cells % 2 == 0 ? 2 : 4);
    const auto share_rows = [&](int of_a_block) {
      const int most = std::max(1, of_a_block / in_pair);
      bands = (all_pairs + most - 1) / most;
      pairs = (all_pairs + bands - 1) / bands;
      pairs = std::min(all_pairs, (pairs + step - 1) / step * step);
      bands = (all_pairs + pairs - 1) / pairs;
    };
    share_rows(kMostThreads);
    if (many && std::int64_t{d.N} * bands * chunks < kBlocksToFill) share_rows(kFewThreads);
    const int items = pairs * in_pair;
    const auto wanted = static_cast<int>(std::min<std::int64_t>(
        kMostSlices, kThreadsToFill / std::max<std::int64_t>(1, threads_with(channels))));
    slices = many ? 1 : std::max(1, std::min({wanted, sizes.depth, kMostThreads / items}));
    threads = (items * slices + 31) / 32 * 32;
    filter_width = groups * channels;
    filter_pitch = filter_width % 4 == 0 ? filter_width + 4 : filter_width;
    winners = pooled ? filter_width * pairs * cells : 0;
    const int sums = (slices - 1) * items * channels * kOutputs;
    for (depth = std::min(sizes.depth, many ? kDepth : kMostDepth);; --depth) {
      tile = {d, depth, pairs * kRows + d.R - 1, strips * kColumns + 4};
      shared_floats = std::max(tile.floats() + depth * d.R * d.S * filter_pitch, sums);
      if (depth <= 1 || shared_bytes() <= kMostDirectShared) break;
    }
    by_line = Divisor(std::int64_t{d.R} * d.S * (pass == Pass::forward ? depth : filter_width));
  }
  [[nodiscard]] std::int64_t shared_bytes() const { return std::int64_t{shared_floats} * 4 + winners; }
  [[nodiscard]] std::int64_t blocks(const DirectSizes& d) const { return std::int64_t{d.N} * bands; }
};

/// x in the forward pass.
struct ReadInput {
  static constexpr Pass kPass = Pass::forward;
  ConvolutionInput input;
  __device__ __forceinline__ void stage(const DirectSizes& d, const TilePlace& at, int planes,
                                        const PlaneTile& tile, float* target) const {
    stage_input(d, input, at, planes, tile, target);
  }
};

/// dz in the backward pass.
struct ReadGradient {
  static constexpr Pass kPass = Pass::input_gradient;
  ConvolutionOutputGradient gradient;
  __device__ __forceinline__ void stage(const DirectSizes& d, const TilePlace& at, int planes,
                                        const PlaneTile& tile, float* target) const {
    stage_gradient<4>(d, gradient, at, planes, tile, target);
  }
};

/// The channel of a block that is the i-th of group g: groups of four side by side, so that threads that read
/// the same tap for neighbouring groups meet different banks.
template <int kChannels>
__device__ __forceinline__ int channel_of(int groups, int group, int i) {
  constexpr int kWidth = kChannels < 4 ? kChannels : 4;
  return i / kWidth * kWidth * groups + group * kWidth + i % kWidth;
}

/// Filters of `planes` planes from `first` on, as [plane][r][s][channel], turned for the input gradient.
/// Those of channels that are none are zero. Weights (k, c, taps) that follow each other are read by threads
/// that do: a line of them is one channel's for all planes in the forward pass, and one plane's for all
/// channels in the backward pass. No barrier.
template <int kSize, Pass kPass>
__device__ __forceinline__ void stage_filters(const DirectSizes& d, const PlanesPlan& plan, int first,
                                              int planes, int first_channel, const float* __restrict__ weight,
                                              float* filters) {
  constexpr int kTaps = kSize * kSize;
  struct Fetched {
    int target;
    bool inside;
    float weight;
  };
  const int lines = kPass == Pass::forward ? plan.filter_width : planes;
  const auto fetch = [&](int i) {
    const std::uint32_t line = plan.by_line.quotient(static_cast<std::uint32_t>(i));
    const auto in_line = static_cast<int>(plan.by_line.remainder(static_cast<std::uint32_t>(i), line));
    if constexpr (kPass == Pass::forward) {
      const int channel = static_cast<int>(line);
      const bool inside = first_channel + channel < d.K && in_line < planes * kTaps;
      const int at = ((first_channel + channel) * d.C + first) * kTaps + in_line;
      const int place = in_line < planes * kTaps ? in_line * plan.filter_pitch + channel : -1;
      return Fetched{place, inside, weight[inside ? at : 0]};
    } else {
      const int plane = static_cast<int>(line);
      const int channel = in_line / kTaps;
      const int turned = kTaps - 1 - in_line % kTaps;
      const bool inside = first_channel + channel < d.C;
      const int at = ((first + plane) * d.C + first_channel) * kTaps + in_line;
      return Fetched{(plane * kTaps + turned) * plan.filter_pitch + channel, inside, weight[inside ? at : 0]};
    }
  };
  const auto finish = [&](const Fetched& f) {
    if (f.target >= 0) filters[f.target] = f.inside ? f.weight : 0.0F;
  };
  in_batches<8>(lines * static_cast<int>(plan.by_line.divisor), fetch, finish);
}

/// sums += the products of one plane.
template <int kSize, int kChannels>
__device__ __forceinline__ void add_plane(const float* patch_start, int columns, const float* filters,
                                          int filter_pitch, int groups, int group,
                                          float (&sums)[kChannels][kOutputs]) {
  float patch[kRows + kSize - 1][kColumns + kSize - 1];
#pragma unroll
  for (int i = 0; i < kRows + kSize - 1; ++i) read_groups(patch_start + i * columns, patch[i]);
#pragma unroll
  for (int r = 0; r < kSize; ++r) {
#pragma unroll
    for (int s = 0; s < kSize; ++s) {
      const float* const tap = filters + (r * kSize + s) * filter_pitch;
      float weights[kChannels];
      if constexpr (kChannels == kFewChannels) {
        read_groups(tap, weights);
      } else {
#pragma unroll
        for (int i = 0; i < kChannels; i += 4) {
          const float4 four = *reinterpret_cast<const float4*>(tap + channel_of<kChannels>(groups, group, i));
          weights[i] = four.x;
          weights[i + 1] = four.y;
          weights[i + 2] = four.z;
          weights[i + 3] = four.w;
        }
      }
#pragma unroll
      for (int i = 0; i < kChannels; ++i) {
#pragma unroll
        for (int o = 0; o < kOutputs; ++o) {
          sums[i][o] = fmaf(weights[i], patch[r + o / kColumns][s + o % kColumns], sums[i][o]);
        }
      }
    }
  }
}

/// What a thread has summed for one channel goes to its plane; pooled values and their winners where asked.
__device__ __forceinline__ void store_outputs(const DirectSizes& d, const PassSizes& sizes,
                                              std::int64_t plane, int pair, int strip,
                                              const float (&values)[kOutputs], float* __restrict__ target,
                                              std::uint8_t* winners) {
  const int column = strip * kColumns;
  if (winners != nullptr) {
#pragma unroll
    for (int j = 0; j < kColumns / 2; ++j) {
      const int cell = strip * (kColumns / 2) + j;
      if (pair >= d.pooled_rows() || cell >= d.pooled_columns()) continue;
      const float window[4] = {values[2 * j], values[2 * j + 1], values[kColumns + 2 * j],
                               values[kColumns + 2 * j + 1]};
      const Winner best = winner_of(window);
      target[(plane * d.pooled_rows() + pair) * d.pooled_columns() + cell] = best.value;
      winners[cell] = static_cast<std::uint8_t>(best.place);
    }
    return;
  }
#pragma unroll
  for (int a = 0; a < kRows; ++a) {
    const int row = pair * kRows + a;
    if (row >= sizes.rows) continue;
    float* const out = target + (plane * sizes.rows + row) * sizes.columns + column;
    if (column + kColumns <= sizes.columns) {
      store_group(out, make_float4(values[a * kColumns], values[a * kColumns + 1], values[a * kColumns + 2],
                                   values[a * kColumns + 3]));
      continue;
    }
#pragma unroll
    for (int j = 0; j < kColumns; ++j) {
      if (column + j < sizes.columns) out[j] = values[a * kColumns + j];
    }
  }
}

/// Two bits a winner; the band's first cell begins a byte.
__device__ __forceinline__ void pack_winners(const DirectSizes& d, const PlanesPlan& plan, int sample,
                                             int first_channel, int first_pair, const std::uint8_t* winners,
                                             std::uint8_t* argmax) {
  const int columns = d.pooled_columns();
  const int cells = min(plan.pairs, d.pooled_rows() - first_pair) * columns;
  if (cells <= 0) return;
  const int bytes = (cells + 3) / 4;
  for (int i = static_cast<int>(threadIdx.x); i < plan.filter_width * bytes;
       i += static_cast<int>(blockDim.x)) {
    const int local = i / bytes;
    const int first = i % bytes * 4;
    if (first_channel + local >= plan.sizes.channels) continue;
    int packed = 0;
    for (int cell = first; cell < min(first + 4, cells); ++cell) {
      packed |= winners[local * plan.pairs * columns + cell] << (cell % 4 * 2);
    }
    const std::int64_t plane = static_cast<std::int64_t>(sample) * d.K + first_channel + local;
    argmax[plane * d.argmax_plane_bytes() + first_pair * columns / 4 + i % bytes] =
        static_cast<std::uint8_t>(packed);
  }
}

/// `bias` null: none; `argmax` null: no pool.
template <int kSize, int kChannels, class Source>
__global__ void __launch_bounds__(kMostThreads, 2)
    conv2d_window_planes_kernel(DirectSizes d, PlanesPlan plan, Source source,
                                const float* __restrict__ weight, const float* __restrict__ bias, bool relu,
                                float* __restrict__ target, std::uint8_t* argmax) {
  float* const planes = dynamic_shared_memory<float>();
  float* const filters = planes + plan.tile.floats();
  auto* const winners = reinterpret_cast<std::uint8_t*>(planes + plan.shared_floats);
  const int sample = static_cast<int>(blockIdx.x) / plan.bands;
  const int first_pair = static_cast<int>(blockIdx.x) % plan.bands * plan.pairs;
  const int first_channel = static_cast<int>(blockIdx.y) * plan.filter_width;
  const int thread = static_cast<int>(threadIdx.x);
  const int items = plan.pairs * plan.strips * plan.groups;
  const int slice = thread / items;
  const int item = thread % items;
  const int group = item % plan.groups;
  const int strip = item / plan.groups % plan.strips;
  const int pair = item / plan.groups / plan.strips;
  const bool active = slice < plan.slices;
  float sums[kChannels][kOutputs] = {};

  for (int first = 0; first < plan.sizes.depth; first += plan.depth) {
    const int count = min(plan.depth, plan.sizes.depth - first);
    if (first > 0) __syncthreads();  // the planes before are no longer read
    stage_filters<kSize, Source::kPass>(d, plan, first, count, first_channel, weight, filters);
    source.stage(d, {sample, first, first_pair * kRows - plan.sizes.border, -plan.sizes.border}, count,
                 plan.tile, planes);
    __syncthreads();
    if (!active) continue;
#pragma unroll 1
    for (int plane = slice; plane < count; plane += plan.slices) {
      add_plane<kSize, kChannels>(
          planes + plane * plan.tile.plane + pair * kRows * plan.tile.columns + strip * kColumns,
          plan.tile.columns, filters + plane * kSize * kSize * plan.filter_pitch, plan.filter_pitch,
          plan.groups, group, sums);
    }
  }

  // ---- the slices, added in order
  if (plan.slices > 1) {
    __syncthreads();
    float* const theirs = planes + item;
    const int stride = items;
    if (active && slice > 0) {
#pragma unroll
      for (int i = 0; i < kChannels * kOutputs; ++i) {
        theirs[((slice - 1) * kChannels * kOutputs + i) * stride] = sums[i / kOutputs][i % kOutputs];
      }
    }
    __syncthreads();
    if (slice == 0) {
      for (int other = 0; other < plan.slices - 1; ++other) {
#pragma unroll
        for (int i = 0; i < kChannels * kOutputs; ++i) {
          sums[i / kOutputs][i % kOutputs] += theirs[(other * kChannels * kOutputs + i) * stride];
        }
      }
    }
  }

  // ---- the results
  if (slice == 0) {
#pragma unroll
    for (int i = 0; i < kChannels; ++i) {
      const int local = channel_of<kChannels>(plan.groups, group, i);
      const int channel = first_channel + local;
      if (channel >= plan.sizes.channels) continue;
      if (bias != nullptr) {
        const float b = bias[channel];
#pragma unroll
        for (int o = 0; o < kOutputs; ++o) {
          const float value = sums[i][o] + b;
          sums[i][o] = relu && value <= 0 ? 0.0F : value;
        }
      }
      std::uint8_t* const its_winners =
          argmax == nullptr ? nullptr : winners + (local * plan.pairs + pair) * d.pooled_columns();
      store_outputs(d, plan.sizes, static_cast<std::int64_t>(sample) * plan.sizes.channels + channel,
                    first_pair + pair, strip, sums[i], target, its_winners);
    }
  }
  if (argmax == nullptr) return;
  __syncthreads();
  pack_winners(d, plan, sample, first_channel, first_pair, winners, argmax);
}

template <int kSize, int kChannels, class Source>
void launch_planes(const char* name, const DirectSizes& d, const PlanesPlan& plan, const Source& source,
                   const float* weight, const float* bias, bool relu, float* target, std::uint8_t* argmax,
                   DeviceStream& stream) {
  launch(name, conv2d_window_planes_kernel<kSize, kChannels, Source>,
         {.blocks = {static_cast<unsigned>(plan.blocks(d)), static_cast<unsigned>(plan.chunks)},
          .threads = {static_cast<unsigned>(plan.threads)},
          .shared_bytes = static_cast<std::size_t>(plan.shared_bytes())},
         stream, d, plan, source, weight, bias, relu, target, argmax);
}

/// The variant for this filter and this much work.
template <class Source>
void run_planes(const char* name, const DirectSizes& d, const PlanesPlan& plan, const Source& source,
                const float* weight, const float* bias, bool relu, float* target, std::uint8_t* argmax,
                DeviceStream& stream) {
  const auto with = [&](auto launch_variant) {
    launch_variant(name, d, plan, source, weight, bias, relu, target, argmax, stream);
  };
  if (d.R == 3 && plan.channels == kFewChannels) {
    with(launch_planes<3, kFewChannels, Source>);
  } else if (d.R == 3) {
    with(launch_planes<3, many_channels(3), Source>);
  } else if (plan.channels == kFewChannels) {
    with(launch_planes<5, kFewChannels, Source>);
  } else {
    with(launch_planes<5, many_channels(5), Source>);
  }
}

bool fits(const DirectSizes& d, Pass pass, bool pooled) {
  const PlanesPlan plan(d, pass, pooled);
  return plan.strips * plan.groups <= kMostThreads && plan.threads <= kMostThreads &&
         plan.shared_bytes() <= kMostDirectShared && plan.blocks(d) < (std::int64_t{1} << 31) &&
         plan.chunks < 65536;
}

}  // namespace

bool supports_window_planes(const DirectSizes& d, bool pooled) {
  return fits(d, Pass::forward, pooled) && fits(d, Pass::input_gradient, false);
}

bool supports_conv2d_window(const ConvolutionShape& shape, bool pooled) {
  const bool is_square = (shape.R == 3 || shape.R == 5) && shape.S == shape.R;
  if (!is_square || shape.stride != 1 || shape.dilation != 1) return false;
  if (shape.padding >= shape.R || shape.P() < 1 || shape.Q() < 1) return false;
  // What bounds the sizes themselves, so that they fit the 32 bits in which the rest is computed.
  constexpr std::int64_t kMostPlane = std::int64_t{1} << 20, kMostChannels = std::int64_t{1} << 14;
  if (shape.H > 4096 || shape.W > 4096 || shape.H * shape.W > kMostPlane || shape.C > kMostChannels ||
      shape.K > kMostChannels || shape.N > (std::int64_t{1} << 24) ||
      std::max(shape.C, shape.K) * shape.H * shape.W >= (std::int64_t{1} << 30) ||
      shape.weight_elements() >= (std::int64_t{1} << 30)) {
    return false;
  }
  const DirectSizes d(shape);
  return supports_window_planes(d, pooled) && supports_window_weight_gradient(d);
}

void conv2d_window_forward(const ConvolutionShape& shape, const ConvolutionInput& input, const float* weight,
                           const float* bias, const ConvolutionOutput& output, DeviceStream& stream) {
  const DirectSizes d(shape);
  const bool pooled = output.argmax != nullptr;
  if (d.N == 0 || (pooled && d.pooled_rows() * d.pooled_columns() == 0)) return;
  run_planes("conv2d_window_planes(forward)", d, PlanesPlan(d, Pass::forward, pooled), ReadInput{input},
             weight, bias, output.relu, output.y, output.argmax, stream);
}

void conv2d_window_input_gradient(const ConvolutionShape& shape, const ConvolutionOutputGradient& gradient,
                                  const float* weight, float* dx, DeviceStream& stream) {
  const DirectSizes d(shape);
  if (d.N == 0) return;
  run_planes("conv2d_window_planes(input_gradient)", d, PlanesPlan(d, Pass::input_gradient, false),
             ReadGradient{gradient}, weight, nullptr, false, dx, nullptr, stream);
}

}  // namespace dml::DML_DEVICE
