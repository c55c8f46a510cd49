// Direct convolution forward, with bias and, where asked, ReLU and 2x2 max pool:
//
//   y[n,k,p,q] = b[k] + sum_crs w[k,c,r,s] x[n,c, p stride + r dilation - padding, q stride + s dilation -
//   padding]
//
// Block (n, g): sample n, channels [g kChannels, ...). The padded planes of the sample and the filters of the
// group lie in shared memory. A thread computes one place of the result for kThreadChannels channels at once:
// with a pool the four outputs of a window, of which it keeps the largest. Shared memory: C (H + 2 padding)
// (W + 2 padding) + kChannels C R S floats, and the winners of the group's windows (a byte each) before they
// are packed. Expected limiter at batch 32: latency, 32 to 128 blocks of at most 256 threads; at batch 1024:
// shared-memory reads.
#include <algorithm>

#include "kernels/cuda/conv2d_direct.cuh"

namespace dml::DML_DEVICE {
namespace {

constexpr int kMostThreads = 256;
constexpr int kThreadChannels = 2;

/// How the channels of a layer are shared among blocks: about 256 threads each. A rule of the shape alone.
struct ForwardPlan {
  int places;    ///< of the result in a plane
  int channels;  ///< a block's, a multiple of kThreadChannels unless K is smaller
  int groups;
  int threads;
  std::size_t input_floats, filter_floats, winner_bytes;

  ForwardPlan(const DirectSizes& d, bool pooled)
      : places(pooled ? d.pooled_rows() * d.pooled_columns() : d.P * d.Q) {
    const int most_pairs = (d.K + kThreadChannels - 1) / kThreadChannels;
    const int pairs = places == 0 ? 1 : std::min(most_pairs, std::max(1, kMostThreads / places));
    channels = pairs * kThreadChannels;
    groups = (d.K + channels - 1) / channels;
    threads = std::clamp((places * pairs + 31) / 32 * 32, 32, kMostThreads);
    input_floats = static_cast<std::size_t>(d.C) * static_cast<std::size_t>(d.padded_rows()) *
                   static_cast<std::size_t>(d.padded_columns());
    filter_floats = static_cast<std::size_t>(channels) * static_cast<std::size_t>(d.C * d.R * d.S);
    winner_bytes = pooled ? static_cast<std::size_t>(channels) * static_cast<std::size_t>(places) : 0;
  }
  [[nodiscard]] std::size_t shared_bytes() const {
    return (input_floats + filter_floats) * sizeof(float) + winner_bytes;
  }
};

/// sums[channel][o] += the products of one input channel, for kOut x kOut outputs from (top, left) of
/// `plane`. Filters of one channel follow each other at `filter_stride`.
template <int kOut>
__device__ __forceinline__ void add_channel(const DirectSizes& d, const float* plane, int top, int left,
                                            const float* filters, int filter_stride,
                                            float (&sums)[kThreadChannels][kOut * kOut]) {
  for (int r = 0; r < d.R; ++r) {
    for (int s = 0; s < d.S; ++s) {
#pragma unroll
      for (int o = 0; o < kOut * kOut; ++o) {
        const int row = (top + o / kOut) * d.stride + r * d.dilation;
        const int column = (left + o % kOut) * d.stride + s * d.dilation;
        const float value = plane[row * d.padded_columns() + column];
#pragma unroll
        for (int channel = 0; channel < kThreadChannels; ++channel) {
          const float weight = filters[channel * filter_stride + r * d.S + s];
          sums[channel][o] = fmaf(weight, value, sums[channel][o]);
        }
      }
    }
  }
}

/// kOut: 2 with the pool, 1 without.
template <int kOut>
__global__ void __launch_bounds__(kMostThreads)
    conv2d_direct_forward_kernel(DirectSizes d, ConvolutionInput input, const float* __restrict__ weight,
                                 const float* __restrict__ bias, ConvolutionOutput output, int group_channels,
                                 int input_floats, int filter_floats) {
  float* const padded = dynamic_shared_memory<float>();
  float* const filters = padded + input_floats;
  auto* const winners = reinterpret_cast<std::uint8_t*>(filters + filter_floats);
  const int sample = static_cast<int>(blockIdx.x);
  const int first_channel = static_cast<int>(blockIdx.y) * group_channels;
  const int filter = d.C * d.R * d.S;
  const int columns = kOut == 2 ? d.pooled_columns() : d.Q;
  const int places = kOut == 2 ? d.pooled_rows() * columns : d.P * columns;

  // ---- the sample and the group's filters; those beyond K are zero
  load_padded_sample(d, input, sample, padded);
  for (int i = static_cast<int>(threadIdx.x); i < filter_floats; i += static_cast<int>(blockDim.x)) {
    const int channel = first_channel + i / filter;
    filters[i] = channel < d.K ? weight[channel * filter + i % filter] : 0.0F;
  }
  __syncthreads();

  // ---- the results
  const int pairs = group_channels / kThreadChannels;
  for (int i = static_cast<int>(threadIdx.x); i < places * pairs; i += static_cast<int>(blockDim.x)) {
    const int place = i % places;
    const int local = i / places * kThreadChannels;
    const int top = place / columns * kOut;
    const int left = place % columns * kOut;
    float sums[kThreadChannels][kOut * kOut] = {};
    for (int c = 0; c < d.C; ++c) {
      const float* const plane = padded + c * d.padded_rows() * d.padded_columns();
      add_channel<kOut>(d, plane, top, left, filters + local * filter + c * d.R * d.S, filter, sums);
    }
#pragma unroll
    for (int channel = 0; channel < kThreadChannels; ++channel) {
      const int k = first_channel + local + channel;
      if (k >= d.K) continue;
      const float b = bias[k];
#pragma unroll
      for (int o = 0; o < kOut * kOut; ++o) {
        const float value = sums[channel][o] + b;
        sums[channel][o] = output.relu && value <= 0 ? 0.0F : value;
      }
      float result = sums[channel][0];
      if constexpr (kOut == 2) {
        const Winner best = winner_of(sums[channel]);
        result = best.value;
        winners[(local + channel) * places + place] = static_cast<std::uint8_t>(best.place);
      }
      output.y[(static_cast<std::int64_t>(sample) * d.K + k) * places + place] = result;
    }
  }

  // ---- two bits a winner
  if constexpr (kOut == 2) {
    __syncthreads();
    const int plane_bytes = d.argmax_plane_bytes();
    for (int i = static_cast<int>(threadIdx.x); i < group_channels * plane_bytes;
         i += static_cast<int>(blockDim.x)) {
      const int local = i / plane_bytes;
      if (first_channel + local >= d.K) continue;
      const int first = i % plane_bytes * 4;
      int packed = 0;
      for (int cell = first; cell < min(first + 4, places); ++cell) {
        packed |= winners[local * places + cell] << (cell % 4 * 2);
      }
      const std::int64_t plane = static_cast<std::int64_t>(sample) * d.K + first_channel + local;
      output.argmax[plane * plane_bytes + i % plane_bytes] = static_cast<std::uint8_t>(packed);
    }
  }
}

}  // namespace

bool supports_conv2d_direct(const ConvolutionShape& shape, bool pooled) {
  if (shape.C > kMostDirectChannels || shape.N > (std::int64_t{1} << 24) || shape.K > 1024) return false;
  // First what bounds the sizes themselves, so that they fit the 32 bits in which the rest is computed.
  if (shape.C * (shape.H + 2 * shape.padding) * (shape.W + 2 * shape.padding) * 4 > kMostDirectShared)
    return false;
  return conv2d_direct_forward_shared_bytes(shape, pooled) <= kMostDirectShared &&
         conv2d_direct_input_gradient_shared_bytes(shape) <= kMostDirectShared &&
         conv2d_direct_weight_gradient_shared_bytes(shape) <= kMostDirectShared;
}

std::int64_t conv2d_argmax_bytes(const ConvolutionShape& shape) {
  return shape.N * shape.K * ((shape.P() / 2 * (shape.Q() / 2) + 3) / 4);
}

std::int64_t conv2d_direct_forward_shared_bytes(const ConvolutionShape& shape, bool pooled) {
  return static_cast<std::int64_t>(ForwardPlan(DirectSizes(shape), pooled).shared_bytes());
}

void conv2d_direct_forward(const ConvolutionShape& shape, const ConvolutionInput& input, const float* weight,
                           const float* bias, const ConvolutionOutput& output, DeviceStream& stream) {
  const DirectSizes d(shape);
  const ForwardPlan plan(d, output.argmax != nullptr);
  if (d.N == 0 || plan.places == 0) return;
  const LaunchShape launch_shape{.blocks = {static_cast<unsigned>(d.N), static_cast<unsigned>(plan.groups)},
                                 .threads = {static_cast<unsigned>(plan.threads)},
                                 .shared_bytes = plan.shared_bytes()};
  launch("conv2d_direct_forward",
         output.argmax != nullptr ? conv2d_direct_forward_kernel<2> : conv2d_direct_forward_kernel<1>,
         launch_shape, stream, d, input, weight, bias, output, plan.channels,
         static_cast<int>(plan.input_floats), static_cast<int>(plan.filter_floats));
}

}  // namespace dml::DML_DEVICE
