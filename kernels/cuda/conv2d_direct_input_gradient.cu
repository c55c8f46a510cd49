// Gradient of a direct convolution with respect to its input, in gather form:
//
//   dx[n,c,h,w] = sum_krs w[k,c,r,s] dz[n,k,p,q],  p stride = h + padding - r dilation,  q alike
//
// Block (n, g): sample n, a slice g of the places (c,h,w). All planes of dz of the sample lie in shared
// memory (ReLU and pool undone while they are loaded) and so do the filters. For 3x3 and 5x5 at stride 1 the
// planes have a border of zeros wide enough that no tap needs a check, and a thread computes kStrip
// neighbours in a row from a window of dz in registers. Shared memory: K (H + R - 1) (W + S - 1) + K C R S
// floats with a border, K P Q + K C R S without.
#include <algorithm>

#include "kernels/cuda/conv2d_direct.cuh"

namespace dml::DML_DEVICE {
namespace {

constexpr int kThreads = 128;
constexpr int kStrip = 4;

struct InputGradientPlan {
  int gradient_rows, gradient_columns;  ///< of a plane in shared memory
  int items;                            ///< strips, or single places
  int gradient_floats, filter_floats;

  InputGradientPlan(const DirectSizes& d, bool square) {
    gradient_rows = square ? d.H + d.R - 1 : d.P;
    gradient_columns = square ? d.W + d.S - 1 : d.Q;
    items = d.C * d.H * (square ? (d.W + kStrip - 1) / kStrip : d.W);
    gradient_floats = d.K * gradient_rows * gradient_columns;
    filter_floats = d.K * d.C * d.R * d.S;
  }
  [[nodiscard]] std::size_t shared_bytes() const {
    // The last strip of the last row may look past its plane.
    return (static_cast<std::size_t>(gradient_floats) + static_cast<std::size_t>(filter_floats) + kStrip) *
           sizeof(float);
  }
};

/// kSize: 3, 5, or 0 for any filter, stride and dilation.
template <int kSize>
__global__ void __launch_bounds__(kThreads)
    conv2d_direct_input_gradient_kernel(DirectSizes d, ConvolutionOutputGradient gradient,
                                        const float* __restrict__ weight, float* __restrict__ dx, int items,
                                        int gradient_rows, int gradient_columns, int gradient_floats) {
  float* const dz = dynamic_shared_memory<float>();
  float* const filters = dz + gradient_floats + kStrip;
  const int sample = static_cast<int>(blockIdx.x);
  const int plane = gradient_rows * gradient_columns;
  const int taps = d.R * d.S;

  // ---- dz behind ReLU and pool, and the filters
  const int up = kSize > 0 ? kSize - 1 - d.padding : 0;  // row i of a plane holds p = i - up
  for (int i = static_cast<int>(threadIdx.x); i < gradient_floats + kStrip; i += kThreads) {
    const int k = i / plane;
    const int p = i % plane / gradient_columns - up;
    const int q = i % gradient_columns - up;
    const bool inside = k < d.K && p >= 0 && p < d.P && q >= 0 && q < d.Q;
    dz[i] = inside ? gradient_at(d, gradient, sample, k, p, q) : 0.0F;
  }
  for (int i = static_cast<int>(threadIdx.x); i < d.K * d.C * taps; i += kThreads) filters[i] = weight[i];
  __syncthreads();

  // ---- the places of this block
  const int item = static_cast<int>(blockIdx.y) * kThreads + static_cast<int>(threadIdx.x);
  if (item >= items) return;
  if constexpr (kSize > 0) {
    const int strips = (d.W + kStrip - 1) / kStrip;
    const int w = item % strips * kStrip;
    const int h = item / strips % d.H;
    const int c = item / strips / d.H;
    float sums[kStrip] = {};
    for (int k = 0; k < d.K; ++k) {
      const float* const filter = filters + (k * d.C + c) * taps;
#pragma unroll
      for (int r = 0; r < kSize; ++r) {
        const float* const row = dz + k * plane + (h + kSize - 1 - r) * gradient_columns + w;
        float window[kStrip + kSize - 1];
#pragma unroll
        for (int j = 0; j < kStrip + kSize - 1; ++j) window[j] = row[j];
#pragma unroll
        for (int s = 0; s < kSize; ++s) {
          const float tap = filter[r * kSize + s];
#pragma unroll
          for (int j = 0; j < kStrip; ++j) sums[j] = fmaf(tap, window[j + kSize - 1 - s], sums[j]);
        }
      }
    }
    float* const out = dx + ((static_cast<std::int64_t>(sample) * d.C + c) * d.H + h) * d.W + w;
#pragma unroll
    for (int j = 0; j < kStrip; ++j) {
      if (w + j < d.W) out[j] = sums[j];
    }
  } else {
    const int w = item % d.W;
    const int h = item / d.W % d.H;
    const int c = item / d.W / d.H;
    float sum = 0;
    for (int r = 0; r < d.R; ++r) {
      const int down = h + d.padding - r * d.dilation;
      if (down < 0 || down % d.stride != 0 || down / d.stride >= d.P) continue;
      for (int s = 0; s < d.S; ++s) {
        const int across = w + d.padding - s * d.dilation;
        if (across < 0 || across % d.stride != 0 || across / d.stride >= d.Q) continue;
        const int place = down / d.stride * d.Q + across / d.stride;
        for (int k = 0; k < d.K; ++k) {
          sum = fmaf(filters[(k * d.C + c) * taps + r * d.S + s], dz[k * plane + place], sum);
        }
      }
    }
    dx[((static_cast<std::int64_t>(sample) * d.C + c) * d.H + h) * d.W + w] = sum;
  }
}

bool is_square(const ConvolutionShape& shape) {
  return is_square_filter(shape, 3) || is_square_filter(shape, 5);
}

template <int kSize>
void launch_input_gradient(const DirectSizes& d, const InputGradientPlan& plan,
                           const ConvolutionOutputGradient& gradient, const float* weight, float* dx,
                           DeviceStream& stream) {
  const LaunchShape shape{
      .blocks = {static_cast<unsigned>(d.N), static_cast<unsigned>((plan.items + kThreads - 1) / kThreads)},
      .threads = {kThreads},
      .shared_bytes = plan.shared_bytes()};
  launch("conv2d_direct_input_gradient", conv2d_direct_input_gradient_kernel<kSize>, shape, stream, d,
         gradient, weight, dx, plan.items, plan.gradient_rows, plan.gradient_columns, plan.gradient_floats);
}

}  // namespace

std::int64_t conv2d_direct_input_gradient_shared_bytes(const ConvolutionShape& shape) {
  return static_cast<std::int64_t>(InputGradientPlan(DirectSizes(shape), is_square(shape)).shared_bytes());
}

void conv2d_direct_input_gradient(const ConvolutionShape& shape, const ConvolutionOutputGradient& gradient,
                                  const float* weight, float* dx, DeviceStream& stream) {
  const DirectSizes d(shape);
  if (d.N == 0) return;
  const InputGradientPlan plan(d, is_square(shape));
  if (is_square_filter(shape, 3)) {
    launch_input_gradient<3>(d, plan, gradient, weight, dx, stream);
  } else if (is_square_filter(shape, 5)) {
    launch_input_gradient<5>(d, plan, gradient, weight, dx, stream);
  } else {
    launch_input_gradient<0>(d, plan, gradient, weight, dx, stream);
  }
}

}  // namespace dml::DML_DEVICE
