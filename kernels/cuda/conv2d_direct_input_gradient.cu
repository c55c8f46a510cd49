// Gradient of a direct convolution with respect to its input, in gather form:
//
//   dx[n,c,h,w] = sum_krs w[k,c,r,s] dz[n,k,p,q],  p stride = h + padding - r dilation,  q alike
//
// Block (n, g): sample n, a slice g of the places (c,h,w). All planes of dz of the sample lie in shared
// memory (ReLU and pool undone while they are loaded) and so do the filters. Shared memory: K P Q + K C R S
// floats.
#include "kernels/cuda/conv2d_direct.cuh"

namespace dml::DML_DEVICE {
namespace {

constexpr int kThreads = 128;

__global__ void __launch_bounds__(kThreads)
    conv2d_direct_input_gradient_kernel(DirectSizes d, ConvolutionOutputGradient gradient,
                                        const float* __restrict__ weight, float* __restrict__ dx, int items) {
  const int plane = d.P * d.Q;
  const int taps = d.R * d.S;
  float* const dz = dynamic_shared_memory<float>();
  float* const filters = dz + d.K * plane;
  const int sample = static_cast<int>(blockIdx.x);

  // ---- dz behind ReLU and pool, and the filters
  for (int i = static_cast<int>(threadIdx.x); i < d.K * plane; i += kThreads) {
    dz[i] = gradient_at(d, gradient, sample, i / plane, i % plane / d.Q, i % d.Q);
  }
  for (int i = static_cast<int>(threadIdx.x); i < d.K * d.C * taps; i += kThreads) filters[i] = weight[i];
  __syncthreads();

  // ---- the places of this block
  const int item = static_cast<int>(blockIdx.y) * kThreads + static_cast<int>(threadIdx.x);
  if (item >= items) return;
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

}  // namespace

std::int64_t conv2d_direct_input_gradient_shared_bytes(const ConvolutionShape& shape) {
  return (shape.K * shape.P() * shape.Q() + shape.weight_elements()) *
         static_cast<std::int64_t>(sizeof(float));
}

void conv2d_direct_input_gradient(const ConvolutionShape& shape, const ConvolutionOutputGradient& gradient,
                                  const float* weight, float* dx, DeviceStream& stream) {
  const DirectSizes d(shape);
  if (d.N == 0) return;
  const int items = d.C * d.H * d.W;
  launch("conv2d_direct_input_gradient", conv2d_direct_input_gradient_kernel,
         {.blocks = {static_cast<unsigned>(d.N), static_cast<unsigned>((items + kThreads - 1) / kThreads)},
          .threads = {kThreads},
          .shared_bytes = static_cast<std::size_t>(conv2d_direct_input_gradient_shared_bytes(shape))},
         stream, d, gradient, weight, dx, items);
}

}  // namespace dml::DML_DEVICE
