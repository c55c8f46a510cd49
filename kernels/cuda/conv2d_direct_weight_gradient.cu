// Gradients of a direct convolution with respect to its weights and bias:
//
//   dw[k,c,r,s] = sum_npq dz[n,k,p,q] x[n,c, p stride + r dilation - padding, q stride + s dilation -
//   padding] db[k]       = sum_npq dz[n,k,p,q]
//
// Block (g, j): the samples of group g, one after the other, for the channels of chunk j. Padded planes of
// the sample and the chunk's planes of dz (ReLU and pool undone) lie in shared memory; a thread sums one
// weight over a slice of the rows of pixels. At the end the slices are added in order and the group's sums go
// to the workspace (groups, K C R S + K), which group_sums.h adds up in order into the arena. Groups and
// slices depend on the shape alone. Shared memory: C (H + 2 padding) (W + 2 padding) + channels P Q floats,
// and the threads' sums over the same place.
#include <algorithm>

#include "kernels/cuda/conv2d_direct.cuh"
#include "kernels/cuda/group_sums.h"

namespace dml::DML_DEVICE {
namespace {

constexpr int kThreads = 256;
constexpr int kBlocksToFill = 128;
constexpr int kMostGradientFloats = 6144;  ///< of dz in a block: 24 KiB

struct WeightGradientPlan {
  int channels;  ///< of a chunk
  int chunks;
  int groups, group_samples;
  int input_floats, shared_floats;

  explicit WeightGradientPlan(const DirectSizes& d) {
    const int items_of_channel = d.C * d.R * d.S;
    channels = std::clamp(std::min(kThreads / items_of_channel, kMostGradientFloats / std::max(1, d.P * d.Q)),
                          1, d.K);
    chunks = (d.K + channels - 1) / channels;
    groups = std::clamp(kBlocksToFill / chunks, 1, std::max(1, d.N));
    group_samples = (d.N + groups - 1) / groups;
    groups = (d.N + group_samples - 1) / std::max(1, group_samples);
    input_floats = d.C * d.padded_rows() * d.padded_columns();
    // The slices' sums come after the planes, in the same place: of a weight, and of dz for the bias.
    shared_floats = std::max(input_floats + channels * d.P * d.Q, kThreads * 2);
  }
  [[nodiscard]] std::size_t shared_bytes() const {
    return static_cast<std::size_t>(shared_floats) * sizeof(float);
  }
};

/// What a thread sums: a weight.
struct Item {
  int channel, c, r, s;
};

/// sum += the products of one sample in pixel rows first, first + step, ...; bias += the pixels of dz
/// themselves.
__device__ __forceinline__ void add_sample(const DirectSizes& d, const float* padded, const float* dz,
                                           const Item& item, int first, int step, float& sum, float& bias) {
  const int columns = d.padded_columns();
  const float* const plane = padded + item.c * d.padded_rows() * columns;
  for (int p = first; p < d.P; p += step) {
    const float* const gradient = dz + (item.channel * d.P + p) * d.Q;
    const float* const row = plane + (p * d.stride + item.r * d.dilation) * columns + item.s * d.dilation;
    for (int q = 0; q < d.Q; ++q) {
      const float value = gradient[q];
      bias += value;
      sum = fmaf(value, row[q * d.stride], sum);
    }
  }
}

__global__ void __launch_bounds__(kThreads)
    conv2d_direct_weight_gradient_kernel(DirectSizes d, ConvolutionInput input,
                                         ConvolutionOutputGradient gradient, int chunk_channels,
                                         int group_samples, int input_floats, float* __restrict__ workspace) {
  float* const padded = dynamic_shared_memory<float>();
  float* const dz = padded + input_floats;
  const int first_channel = static_cast<int>(blockIdx.y) * chunk_channels;
  const int channels = min(chunk_channels, d.K - first_channel);
  const int taps = d.R * d.S;
  const int items = channels * d.C * taps;
  // 1 unless a single channel has more weights than threads
  const int rounds = (items + kThreads - 1) / kThreads;
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
    const Item item{number / (d.C * taps), number / taps % d.C, number / d.S % d.R, number % d.S};
    float sum = 0;
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
      if (active) add_sample(d, padded, dz, item, slice, slices, sum, bias);
    }

    // ---- the slices, added in order
    __syncthreads();
    if (active) {
      padded[thread * 2] = sum;
      padded[thread * 2 + 1] = bias;
    }
    __syncthreads();
    if (!active || slice > 0) continue;
    for (int other = 1; other < slices; ++other) {
      const float* const theirs = padded + (other * items + number) * 2;
      sum += theirs[0];
      bias += theirs[1];
    }
    group_sums[first_channel * d.C * taps + number] = sum;
    if (item.c == 0 && item.r == 0 && item.s == 0) group_sums[weights + first_channel + item.channel] = bias;
  }
}

}  // namespace

std::int64_t conv2d_direct_weight_gradient_shared_bytes(const ConvolutionShape& shape) {
  return static_cast<std::int64_t>(WeightGradientPlan(DirectSizes(shape)).shared_bytes());
}

std::int64_t conv2d_direct_weight_gradient_workspace(const ConvolutionShape& shape) {
  return WeightGradientPlan(DirectSizes(shape)).groups * (shape.weight_elements() + shape.K);
}

void conv2d_direct_weight_gradient(const ConvolutionShape& shape, const ConvolutionInput& input,
                                   const ConvolutionOutputGradient& gradient, float* dweight, float* dbias,
                                   bool accumulate, float* workspace, DeviceStream& stream) {
  const DirectSizes d(shape);
  const WeightGradientPlan plan(d);
  if (d.N > 0) {
    launch("conv2d_direct_weight_gradient", conv2d_direct_weight_gradient_kernel,
           {.blocks = {static_cast<unsigned>(plan.groups), static_cast<unsigned>(plan.chunks)},
            .threads = {kThreads},
            .shared_bytes = plan.shared_bytes()},
           stream, d, input, gradient, plan.channels, plan.group_samples, plan.input_floats, workspace);
  }
  sum_groups(static_cast<int>(shape.weight_elements()), d.K, d.N > 0 ? plan.groups : 0, workspace, dweight,
             dbias, accumulate, stream);
}

}  // namespace dml::DML_DEVICE
