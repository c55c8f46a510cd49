// Gradients of a direct convolution with respect to its weights and bias:
//
//   dw[k,c,r,s] = sum_npq dz[n,k,p,q] x[n,c, p stride + r dilation - padding, q stride + s dilation -
//   padding] db[k]       = sum_npq dz[n,k,p,q]
//
// Block (g, j): the samples of group g, one after the other, for the channels of chunk j. Padded planes of
// the sample and the chunk's planes of dz (ReLU and pool undone) lie in shared memory; a thread keeps in
// registers the sums of one row of a filter (3x3 and 5x5 at stride 1: it slides a window along each row of
// pixels, so that one value of x and one of dz serve all its products) or of one weight, over a slice of the
// rows of pixels. At the end the slices are added in order and the group's sums go to the workspace (groups,
// K C R S + K); a second kernel adds the groups in order into the arena. Groups and slices depend on the
// shape alone. Shared memory: C (H + 2 padding) (W + 2 padding) + channels P Q floats, and the threads' sums
// over the same place.
#include <algorithm>

#include "kernels/cuda/conv2d_direct.cuh"

namespace dml::DML_DEVICE {
namespace {

constexpr int kThreads = 256;
constexpr int kSumThreads = 128;
constexpr int kBlocksToFill = 128;
constexpr int kMostGradientFloats = 6144;  ///< of dz in a block: 24 KiB

struct WeightGradientPlan {
  int width;     ///< weights that a thread sums: S, or 1
  int channels;  ///< of a chunk
  int chunks;
  int groups, group_samples;
  int input_floats, shared_floats;

  WeightGradientPlan(const DirectSizes& d, bool square) : width(square ? d.S : 1) {
    const int items_of_channel = d.C * d.R * d.S / width;
    channels = std::clamp(std::min(kThreads / items_of_channel, kMostGradientFloats / std::max(1, d.P * d.Q)),
                          1, d.K);
    chunks = (d.K + channels - 1) / channels;
    groups = std::clamp(kBlocksToFill / chunks, 1, std::max(1, d.N));
    group_samples = (d.N + groups - 1) / groups;
    groups = (d.N + group_samples - 1) / std::max(1, group_samples);
    input_floats = d.C * d.padded_rows() * d.padded_columns();
    // The slices' sums come after the planes, in the same place; width + 1 with the bias.
    shared_floats = std::max(input_floats + channels * d.P * d.Q, kThreads * (width + 1));
  }
  [[nodiscard]] std::size_t shared_bytes() const {
    return static_cast<std::size_t>(shared_floats) * sizeof(float);
  }
};

/// What a thread sums: `width` weights of one channel from (c, r, s) on.
struct Item {
  int channel, c, r, s;
};

/// sums += the products of one sample in pixel rows first, first + step, ...; *bias += the pixels of dz
/// themselves.
template <int kSize>
__device__ __forceinline__ void add_sample(const DirectSizes& d, const float* padded, const float* dz,
                                           const Item& item, int first, int step,
                                           float (&sums)[kSize > 0 ? kSize : 1], float* bias) {
  const int columns = d.padded_columns();
  const float* const plane = padded + item.c * d.padded_rows() * columns;
  for (int p = first; p < d.P; p += step) {
    const float* const gradient = dz + (item.channel * d.P + p) * d.Q;
    if constexpr (kSize > 0) {
      const float* const row = plane + (p + item.r) * columns;
      float window[kSize];
#pragma unroll
      for (int s = 0; s < kSize - 1; ++s) window[s] = row[s];
      for (int q = 0; q < d.Q; ++q) {
        window[kSize - 1] = row[q + kSize - 1];
        const float value = gradient[q];
        *bias += value;
#pragma unroll
        for (int s = 0; s < kSize; ++s) sums[s] = fmaf(value, window[s], sums[s]);
#pragma unroll
        for (int s = 0; s < kSize - 1; ++s) window[s] = window[s + 1];
      }
    } else {
      const float* const row = plane + (p * d.stride + item.r * d.dilation) * columns + item.s * d.dilation;
      for (int q = 0; q < d.Q; ++q) {
        const float value = gradient[q];
        *bias += value;
        sums[0] = fmaf(value, row[q * d.stride], sums[0]);
      }
    }
  }
}

/// kSize: 3, 5, or 0 for any filter, stride and dilation.
template <int kSize>
__global__ void __launch_bounds__(kThreads)
    conv2d_direct_weight_gradient_kernel(DirectSizes d, ConvolutionInput input,
                                         ConvolutionOutputGradient gradient, int chunk_channels,
                                         int group_samples, int input_floats, float* __restrict__ workspace) {
  constexpr int kWidth = kSize > 0 ? kSize : 1;
  float* const padded = dynamic_shared_memory<float>();
  float* const dz = padded + input_floats;
  const int first_channel = static_cast<int>(blockIdx.y) * chunk_channels;
  const int channels = min(chunk_channels, d.K - first_channel);
  const int taps = d.R * d.S;
  const int items = channels * d.C * taps / kWidth;
  const int rounds =
      (items + kThreads - 1) / kThreads;  // 1 unless a single channel has more weights than threads
  const int slices = max(1, kThreads / items);
  const int thread = static_cast<int>(threadIdx.x);
  const int weights = d.K * d.C * taps;
  float* const group_sums = workspace + static_cast<std::int64_t>(blockIdx.x) * (weights + d.K);
  const int first_sample = static_cast<int>(blockIdx.x) * group_samples;
  const int last_sample = min(d.N, first_sample + group_samples);

  for (int round = 0; round < rounds; ++round) {
    const int slice = rounds == 1 ? thread / items : 0;
    const int number = rounds == 1 ? thread % items : round * kThreads + thread;
    const bool active = number < items && slice < slices;
    const int flat = number * kWidth;  // of the item's first weight among the chunk's
    const Item item{flat / (d.C * taps), flat / taps % d.C, flat / d.S % d.R, flat % d.S};
    float sums[kWidth] = {};
    float bias = 0;

    // ---- the samples of the group
    for (int sample = first_sample; sample < last_sample; ++sample) {
      __syncthreads();  // the sample before, or the sums of the round before, are no longer read
      load_padded_sample(d, input, sample, padded);
      for (int i = thread; i < channels * d.P * d.Q; i += kThreads) {
        const int channel = i / (d.P * d.Q);
        dz[i] = gradient_at(d, gradient, sample, first_channel + channel, i / d.Q % d.P, i % d.Q);
      }
      __syncthreads();
      if (active) add_sample<kSize>(d, padded, dz, item, slice, slices, sums, &bias);
    }

    // ---- the slices, added in order
    __syncthreads();
    if (active) {
#pragma unroll
      for (int s = 0; s < kWidth; ++s) padded[thread * (kWidth + 1) + s] = sums[s];
      padded[thread * (kWidth + 1) + kWidth] = bias;
    }
    __syncthreads();
    if (!active || slice > 0) continue;
    for (int other = 1; other < slices; ++other) {
      const float* const theirs = padded + (other * items + number) * (kWidth + 1);
#pragma unroll
      for (int s = 0; s < kWidth; ++s) sums[s] += theirs[s];
      bias += theirs[kWidth];
    }
#pragma unroll
    for (int s = 0; s < kWidth; ++s) group_sums[first_channel * d.C * taps + flat + s] = sums[s];
    if (item.c == 0 && item.r == 0 && item.s == 0) group_sums[weights + first_channel + item.channel] = bias;
  }
}

/// One thread a weight or bias: the groups' sums, added in order.
__global__ void __launch_bounds__(kSumThreads)
    sum_groups_kernel(int weights, int K, int groups, const float* __restrict__ workspace, float* dweight,
                      float* dbias, bool accumulate) {
  const int i = static_cast<int>(blockIdx.x) * kSumThreads + static_cast<int>(threadIdx.x);
  if (i >= weights + K) return;
  float sum = 0;
  for (int group = 0; group < groups; ++group)
    sum += workspace[static_cast<std::int64_t>(group) * (weights + K) + i];
  float* const target = i < weights ? dweight + i : dbias + (i - weights);
  *target = accumulate ? *target + sum : sum;
}

bool is_square(const ConvolutionShape& shape) {
  return is_square_filter(shape, 3) || is_square_filter(shape, 5);
}

template <int kSize>
void launch_weight_gradient(const DirectSizes& d, const WeightGradientPlan& plan,
                            const ConvolutionInput& input, const ConvolutionOutputGradient& gradient,
                            float* workspace, DeviceStream& stream) {
  const LaunchShape shape{.blocks = {static_cast<unsigned>(plan.groups), static_cast<unsigned>(plan.chunks)},
                          .threads = {kThreads},
                          .shared_bytes = plan.shared_bytes()};
  launch("conv2d_direct_weight_gradient", conv2d_direct_weight_gradient_kernel<kSize>, shape, stream, d,
         input, gradient, plan.channels, plan.group_samples, plan.input_floats, workspace);
}

}  // namespace

std::int64_t conv2d_direct_weight_gradient_shared_bytes(const ConvolutionShape& shape) {
  return static_cast<std::int64_t>(WeightGradientPlan(DirectSizes(shape), is_square(shape)).shared_bytes());
}

std::int64_t conv2d_direct_weight_gradient_workspace(const ConvolutionShape& shape) {
  return WeightGradientPlan(DirectSizes(shape), is_square(shape)).groups *
         (shape.weight_elements() + shape.K);
}

void conv2d_direct_weight_gradient(const ConvolutionShape& shape, const ConvolutionInput& input,
                                   const ConvolutionOutputGradient& gradient, float* dweight, float* dbias,
                                   bool accumulate, float* workspace, DeviceStream& stream) {
  const DirectSizes d(shape);
  const WeightGradientPlan plan(d, is_square(shape));
  if (d.N > 0) {
    if (is_square_filter(shape, 3)) {
      launch_weight_gradient<3>(d, plan, input, gradient, workspace, stream);
    } else if (is_square_filter(shape, 5)) {
      launch_weight_gradient<5>(d, plan, input, gradient, workspace, stream);
    } else {
      launch_weight_gradient<0>(d, plan, input, gradient, workspace, stream);
    }
  }
  const auto weights = static_cast<int>(shape.weight_elements());
  const auto blocks = static_cast<unsigned>((weights + d.K + kSumThreads - 1) / kSumThreads);
  launch("sum_groups", sum_groups_kernel, {.blocks = {blocks}, .threads = {kSumThreads}}, stream, weights,
         d.K, d.N > 0 ? plan.groups : 0, static_cast<const float*>(workspace), dweight, dbias, accumulate);
}

}  // namespace dml::DML_DEVICE
