// Max pooling over square windows, with the winner of each window for the backward pass.
//
//   y[n,c,p,q] = max over r, s < window of x[n,c, p stride + r, q stride + s]      x (N,C,H,W), y (N,C,P,Q)
//   winners    = r window + s of the first maximum in row-major order; the last NaN where there is one
//
//   dx[i]      = sum, in row-major order, of dy over the windows whose winner is i
//
// forward: a thread per output. backward where windows do not overlap (stride >= window): a thread per cell,
// the stride x stride inputs that begin at a window's corner; it reads its window's gradient once and writes
// the whole cell, zeros where nothing won and where the last cell is cut off or has no window. backward where
// they do overlap: a thread per input looks at every window that covers it. No atomics, no shared memory.
// 2x2 windows with stride 2 have loops of constant length. sm_90, nvcc 13.0: forward 26 registers (2x2: 16),
// backward 16, overlapping 32.
//
// Limiter: memory. mnist-cnn's pool at batch 64 reads 9.4 MB forward and writes as much backward, each about
// 3 us at 4.3 TB/s (estimate).
#include <climits>
#include <cmath>

#include "kernels/cuda/pointwise.h"
#include "kernels/cuda/vectors.cuh"

namespace dml::DML_DEVICE {
namespace {

/// A window's winner fits in 16 bits.
constexpr std::int64_t kLargestWindow = 255;

/// A PoolShape as kernels need it: 32-bit numbers, planes = N C.
struct PoolSizes {
  unsigned planes, H, W, P, Q, window, stride;
};

/// kWindow > 0: window and stride are both that, known to the compiler.
template <int kWindow>
__device__ __forceinline__ PoolSizes with_constant_window(PoolSizes sizes) {
  if constexpr (kWindow > 0) sizes.window = sizes.stride = kWindow;
  return sizes;
}

template <int kWindow>
__global__ void __launch_bounds__(kPointwiseThreads)
    max_pool_forward_kernel(PoolSizes any_sizes, const float* __restrict__ x, float* __restrict__ y,
                            std::uint16_t* __restrict__ winners) {
  const PoolSizes s = with_constant_window<kWindow>(any_sizes);
  const unsigned output = blockIdx.x * kPointwiseThreads + threadIdx.x;
  if (output >= s.planes * s.P * s.Q) return;
  const unsigned q = output % s.Q, p = output / s.Q % s.P, plane = output / (s.Q * s.P);
  const float* corner = x + ((plane * s.H + p * s.stride) * s.W + q * s.stride);
  float best = *corner;
  unsigned winner = 0;
#pragma unroll
  for (unsigned r = 0; r < s.window; ++r) {
#pragma unroll
    for (unsigned t = 0; t < s.window; ++t) {
      const float value = corner[r * s.W + t];
      if (value > best || isnan(value)) {
        best = value;
        winner = r * s.window + t;
      }
    }
  }
  y[output] = best;
  if (winners != nullptr) winners[output] = static_cast<std::uint16_t>(winner);
}

template <int kWindow>
__global__ void __launch_bounds__(kPointwiseThreads)
    max_pool_backward_cells_kernel(PoolSizes any_sizes, unsigned cell_rows, unsigned cell_columns,
                                   const float* __restrict__ dy, const std::uint16_t* __restrict__ winners,
                                   float* __restrict__ dx) {
  const PoolSizes s = with_constant_window<kWindow>(any_sizes);
  const unsigned cell = blockIdx.x * kPointwiseThreads + threadIdx.x;
  if (cell >= s.planes * cell_rows * cell_columns) return;
  const unsigned q = cell % cell_columns, p = cell / cell_columns % cell_rows;
  const unsigned plane = cell / (cell_columns * cell_rows);
  const bool has_window = p < s.P && q < s.Q;
  const unsigned output = (plane * s.P + p) * s.Q + q;
  const float gradient = has_window ? dy[output] : 0;
  const unsigned winner = has_window ? winners[output] : 0;
  const unsigned winner_row = winner / s.window, winner_column = winner % s.window;

  const unsigned first_row = p * s.stride, first_column = q * s.stride;
  float* corner = dx + ((plane * s.H + first_row) * s.W + first_column);
#pragma unroll
  for (unsigned r = 0; r < s.stride; ++r) {
#pragma unroll
    for (unsigned t = 0; t < s.stride; ++t) {
      if (first_row + r >= s.H || first_column + t >= s.W) continue;
      corner[r * s.W + t] = r == winner_row && t == winner_column ? gradient : 0;
    }
  }
}

__global__ void __launch_bounds__(kPointwiseThreads)
    max_pool_backward_overlapping_kernel(PoolSizes s, const float* __restrict__ dy,
                                         const std::uint16_t* __restrict__ winners, float* __restrict__ dx) {
  const unsigned input = blockIdx.x * kPointwiseThreads + threadIdx.x;
  if (input >= s.planes * s.H * s.W) return;
  const unsigned w = input % s.W, h = input / s.W % s.H, plane = input / (s.W * s.H);
  // Windows p and q cover the input when p stride <= h < p stride + window, and so for q and w.
  const unsigned first_p = h < s.window ? 0 : (h - s.window) / s.stride + 1;
  const unsigned first_q = w < s.window ? 0 : (w - s.window) / s.stride + 1;
  const unsigned end_p = min(s.P, h / s.stride + 1), end_q = min(s.Q, w / s.stride + 1);
  float sum = 0;
  for (unsigned p = first_p; p < end_p; ++p) {
    for (unsigned q = first_q; q < end_q; ++q) {
      const unsigned output = (plane * s.P + p) * s.Q + q;
      const unsigned place = (h - p * s.stride) * s.window + (w - q * s.stride);
      if (winners[output] == place) sum += dy[output];
    }
  }
  dx[input] = sum;
}

PoolSizes pool_sizes(const PoolShape& shape) {
  const std::string rule = max_pool_broken_rule(shape);
  DML_ASSERT(rule.empty(), rule);
  return {static_cast<unsigned>(shape.N * shape.C), static_cast<unsigned>(shape.H),
          static_cast<unsigned>(shape.W),           static_cast<unsigned>(shape.P()),
          static_cast<unsigned>(shape.Q()),         static_cast<unsigned>(shape.window),
          static_cast<unsigned>(shape.stride)};
}

bool is_2x2(const PoolShape& shape) {
  return shape.window == 2 && shape.stride == 2;
}

}  // namespace

std::string max_pool_broken_rule(const PoolShape& shape) {
  if (shape.window > kLargestWindow) {
    return "a window is at most " + std::to_string(kLargestWindow) + " wide";
  }
  return shape.input_elements() <= INT_MAX ? "" : "the input has 2^31 elements or more";
}

void max_pool_forward(const PoolShape& shape, const float* x, float* y, std::uint16_t* winners,
                      DeviceStream& stream) {
  if (shape.output_elements() == 0) return;
  launch("max_pool_forward", is_2x2(shape) ? max_pool_forward_kernel<2> : max_pool_forward_kernel<0>,
         pointwise_launch(shape.output_elements()), stream, pool_sizes(shape), x, y, winners);
}

void max_pool_backward(const PoolShape& shape, const float* dy, const std::uint16_t* winners, float* dx,
                       DeviceStream& stream) {
  if (shape.input_elements() == 0) return;
  const PoolSizes sizes = pool_sizes(shape);
  if (shape.stride < shape.window) {
    launch("max_pool_backward_overlapping", max_pool_backward_overlapping_kernel,
           pointwise_launch(shape.input_elements()), stream, sizes, dy, winners, dx);
    return;
  }
  const std::int64_t cell_rows = (shape.H + shape.stride - 1) / shape.stride;
  const std::int64_t cell_columns = (shape.W + shape.stride - 1) / shape.stride;
  launch("max_pool_backward_cells",
         is_2x2(shape) ? max_pool_backward_cells_kernel<2> : max_pool_backward_cells_kernel<0>,
         pointwise_launch(shape.N * shape.C * cell_rows * cell_columns), stream, sizes,
         static_cast<unsigned>(cell_rows), static_cast<unsigned>(cell_columns), dy, winners, dx);
}

}  // namespace dml::DML_DEVICE
