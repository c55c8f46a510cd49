// What the direct convolutions share: sizes in 32 bits, input planes in shared memory, and the gradient
// behind ReLU and pool.
//
// Argmax of the fused 2x2 pool: two bits for each pooled output, 2 r + s of the winner in its window, four
// outputs to a byte from the low bits up; every (sample, channel) plane of ceil(P/2 Q/2 / 4) bytes begins at
// a byte of its own.
#pragma once

#include <cstdint>

#include "kernels/cuda/conv2d_direct.h"
#include "kernels/cuda/device.h"

namespace dml::DML_DEVICE {

constexpr std::int64_t kMostDirectChannels = 8;
constexpr std::int64_t kMostDirectShared = std::int64_t{48} << 10;  ///< bytes, without asking for more

struct DirectSizes {
  int N, C, H, W, K, R, S, P, Q;
  int stride, padding, dilation;

  explicit DirectSizes(const ConvolutionShape& s)
      : N(static_cast<int>(s.N)),
        C(static_cast<int>(s.C)),
        H(static_cast<int>(s.H)),
        W(static_cast<int>(s.W)),
        K(static_cast<int>(s.K)),
        R(static_cast<int>(s.R)),
        S(static_cast<int>(s.S)),
        P(static_cast<int>(s.P())),
        Q(static_cast<int>(s.Q())),
        stride(static_cast<int>(s.stride)),
        padding(static_cast<int>(s.padding)),
        dilation(static_cast<int>(s.dilation)) {}

  __host__ __device__ int padded_rows() const { return H + 2 * padding; }
  __host__ __device__ int padded_columns() const { return W + 2 * padding; }
  __host__ __device__ int pooled_rows() const { return P / 2; }
  __host__ __device__ int pooled_columns() const { return Q / 2; }
  __host__ __device__ int argmax_plane_bytes() const { return (pooled_rows() * pooled_columns() + 3) / 4; }
};

// Shared memory of a block, each beside its launcher.
std::int64_t conv2d_direct_forward_shared_bytes(const ConvolutionShape& shape, bool pooled);
std::int64_t conv2d_direct_input_gradient_shared_bytes(const ConvolutionShape& shape);
std::int64_t conv2d_direct_weight_gradient_shared_bytes(const ConvolutionShape& shape);

/// Fills (C, H + 2 padding, W + 2 padding) with the planes of one sample, zero around them. No barrier.
__device__ inline void load_padded_sample(const DirectSizes& d, const ConvolutionInput& input, int sample,
                                          float* padded) {
  const int plane = d.padded_rows() * d.padded_columns();
  const int image = d.C * d.H * d.W;
  const float* const x = input.x == nullptr ? nullptr : input.x + static_cast<std::int64_t>(sample) * image;
  const std::uint8_t* pixels = nullptr;
  if (x == nullptr) {
    const SampleWindow& window = input.gathered.samples;
    const std::int64_t index = window.indices[static_cast<std::int64_t>(*window.cursor) * d.N + sample];
    pixels = input.gathered.images + index * image;
  }
  for (int i = static_cast<int>(threadIdx.x); i < d.C * plane; i += static_cast<int>(blockDim.x)) {
    const int channel = i / plane;
    const int row = i % plane / d.padded_columns() - d.padding;
    const int column = i % d.padded_columns() - d.padding;
    float value = 0;
    if (row >= 0 && row < d.H && column >= 0 && column < d.W) {
      const int at = (channel * d.H + row) * d.W + column;
      value = x != nullptr ? x[at] : input.gathered.table[pixels[at]];
    }
    padded[i] = value;
  }
}

/// dy[at] where the ReLU let y[at] pass, else 0. Both are on their way before either is waited for.
__device__ __forceinline__ float behind_relu(const ConvolutionOutputGradient& gradient, std::int64_t at) {
  const float dy = gradient.dy[at];
  return gradient.y == nullptr || gradient.y[at] > 0 ? dy : 0.0F;
}

/// d(loss)/d(convolution's output) at (sample, channel, p, q): ReLU and pool undone.
__device__ __forceinline__ float gradient_at(const DirectSizes& d, const ConvolutionOutputGradient& gradient,
                                             int sample, int channel, int p, int q) {
  const std::int64_t plane = static_cast<std::int64_t>(sample) * d.K + channel;
  std::int64_t at = (plane * d.P + p) * d.Q + q;
  if (gradient.argmax != nullptr) {
    const int row = p / 2;
    const int column = q / 2;
    if (row >= d.pooled_rows() || column >= d.pooled_columns()) return 0;  // the pool has dropped it
    const int cell = row * d.pooled_columns() + column;
    const int winner = gradient.argmax[plane * d.argmax_plane_bytes() + cell / 4] >> (cell % 4 * 2) & 3;
    if (winner != p % 2 * 2 + q % 2) return 0;
    at = plane * d.pooled_rows() * d.pooled_columns() + cell;
  }
  return behind_relu(gradient, at);
}

/// The largest of a 2x2 window's values and its place, which takes the value along: an array indexed by what
/// a thread has computed would lie in local memory.
struct Winner {
  int place;
  float value;
};

/// The first of the largest on a tie; a NaN beats everything.
__device__ __forceinline__ Winner winner_of(const float (&values)[4]) {
  Winner best{.place = 0, .value = values[0]};
#pragma unroll
  for (int o = 1; o < 4; ++o) {
    if (values[o] > best.value || values[o] != values[o]) best = {.place = o, .value = values[o]};
  }
  return best;
}

}  // namespace dml::DML_DEVICE
