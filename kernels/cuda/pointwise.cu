// Operations over single elements: gather, ReLU, sums of copies; the check for NaNs, cursor and clock.
//
//   gather_normalize   x[n,i] = table[images[indices[cursor N + n], i]]
//   relu_forward       y = x < 0 ? 0 : x, so a NaN stays one
//   relu_backward      dx = y > 0 ? dy : 0
//   sum_copies         sum[i] = ((copies[i] + copies[n + i]) + copies[2 n + i]) + ...
//   scale              values[i] *= factor
//   check_finite       *finite = no exponent is all ones
//
// A thread takes four elements with 16-byte accesses, or one of the few left at either end of the array
// (kernels/cuda/vectors.cuh). gather_normalize takes four pixels in one 4-byte read where a sample is a
// multiple of four, and single pixels otherwise; each block holds the table in shared memory, 1024 bytes.
// sm_90, nvcc 13.0: sum_copies 34 registers, relu_backward 21, the others 14 at most.
//
// Limiter: memory; 9.4 MB (mnist-cnn's conv2 at batch 64) are 4.4 us read and written at 4.3 TB/s (estimate).
#include <climits>

#include "kernels/cuda/pointwise.h"
#include "kernels/cuda/ptx.h"
#include "kernels/cuda/vectors.cuh"

namespace dml::DML_DEVICE {
namespace {

constexpr int kPixelValues = 256;
static_assert(kPointwiseThreads == kPixelValues, "each thread of a block loads one entry of the table");

struct PixelTable {
  float values[kPixelValues];
};

// kPixels of a sample per thread; sample_elements is a multiple of it.
template <int kPixels>
__global__ void __launch_bounds__(kPointwiseThreads)
    gather_normalize_kernel(unsigned parts, unsigned parts_per_sample, std::int64_t N, GatheredInput input,
                            float* x) {
  auto& table = shared_memory<PixelTable>();
  table.values[threadIdx.x] = input.table[threadIdx.x];
  __syncthreads();

  const unsigned part = blockIdx.x * kPointwiseThreads + threadIdx.x;
  if (part >= parts) return;
  const unsigned n = part / parts_per_sample;
  const std::int64_t index = input.samples.indices[*input.samples.cursor * N + n];
  const std::uint8_t* pixels =
      input.images + (index * parts_per_sample + part % parts_per_sample) * std::int64_t{kPixels};
  if constexpr (kPixels == kGroup) {
    const uchar4 four = *reinterpret_cast<const uchar4*>(pixels);
    store_group(x + std::int64_t{part} * kGroup, make_float4(table.values[four.x], table.values[four.y],
                                                             table.values[four.z], table.values[four.w]));
  } else {
    x[part] = table.values[*pixels];
  }
}

template <int kPixels>
void launch_gather(std::int64_t N, std::int64_t sample_elements, const GatheredInput& input, float* x,
                   DeviceStream& stream) {
  const std::int64_t parts = N * sample_elements / kPixels;
  DML_ASSERT(parts <= INT_MAX, "a gather of " + std::to_string(N) + " samples of " +
                                   std::to_string(sample_elements) + " elements");
  launch("gather_normalize", gather_normalize_kernel<kPixels>, pointwise_launch(parts), stream,
         static_cast<unsigned>(parts), static_cast<unsigned>(sample_elements / kPixels), N, input, x);
}

__device__ __forceinline__ float relu_of(float x) {
  return x < 0 ? 0 : x;
}

__global__ void __launch_bounds__(kPointwiseThreads)
    relu_forward_kernel(GroupSplit split, const float* x, float* y) {
  const std::int64_t thread = pointwise_thread();
  if (thread >= split.threads) return;
  if (thread >= split.groups) {
    const std::int64_t i = odd_element(split, thread);
    y[i] = relu_of(x[i]);
    return;
  }
  const std::int64_t i = split.head + thread * kGroup;
  const float4 v = load_group(x + i);
  store_group(y + i, make_float4(relu_of(v.x), relu_of(v.y), relu_of(v.z), relu_of(v.w)));
}

__global__ void __launch_bounds__(kPointwiseThreads)
    relu_backward_kernel(GroupSplit split, const float* dy, const float* y, float* dx) {
  const std::int64_t thread = pointwise_thread();
  if (thread >= split.threads) return;
  if (thread >= split.groups) {
    const std::int64_t i = odd_element(split, thread);
    dx[i] = y[i] > 0 ? dy[i] : 0;
    return;
  }
  const std::int64_t i = split.head + thread * kGroup;
  const float4 g = load_group(dy + i), v = load_group(y + i);
  store_group(dx + i,
              make_float4(v.x > 0 ? g.x : 0, v.y > 0 ? g.y : 0, v.z > 0 ? g.z : 0, v.w > 0 ? g.w : 0));
}

__global__ void __launch_bounds__(kPointwiseThreads)
    sum_copies_kernel(GroupSplit split, std::int64_t copies_count, const float* copies, float* sum) {
  const std::int64_t thread = pointwise_thread();
  if (thread >= split.threads) return;
  if (thread >= split.groups) {
    const std::int64_t i = odd_element(split, thread);
    float total = copies[i];
    for (std::int64_t copy = 1; copy < copies_count; ++copy) total += copies[copy * split.elements + i];
    sum[i] = total;
    return;
  }
  const std::int64_t i = split.head + thread * kGroup;
  float4 total = load_group(copies + i);
  for (std::int64_t copy = 1; copy < copies_count; ++copy) {
    const float4 v = load_group(copies + copy * split.elements + i);
    total = make_float4(total.x + v.x, total.y + v.y, total.z + v.z, total.w + v.w);
  }
  store_group(sum + i, total);
}

__global__ void __launch_bounds__(kPointwiseThreads)
    scale_kernel(GroupSplit split, float factor, float* values) {
  const std::int64_t thread = pointwise_thread();
  if (thread >= split.threads) return;
  if (thread >= split.groups) {
    values[odd_element(split, thread)] *= factor;
    return;
  }
  const std::int64_t i = split.head + thread * kGroup;
  const float4 v = load_group(values + i);
  store_group(values + i, make_float4(v.x * factor, v.y * factor, v.z * factor, v.w * factor));
}

__device__ __forceinline__ bool is_finite(float x) {
  constexpr unsigned kExponent = 0x7f800000U;
  return (__float_as_uint(x) & kExponent) != kExponent;
}

__global__ void __launch_bounds__(1) assume_finite_kernel(std::int32_t* finite) {
  *finite = 1;
}

__global__ void __launch_bounds__(kPointwiseThreads)
    check_finite_kernel(GroupSplit split, const float* values, std::int32_t* finite) {
  const std::int64_t thread = pointwise_thread();
  if (thread >= split.threads) return;
  bool all_finite = false;
  if (thread < split.groups) {
    const float4 v = load_group(values + split.head + thread * kGroup);
    all_finite = is_finite(v.x) && is_finite(v.y) && is_finite(v.z) && is_finite(v.w);
  } else {
    all_finite = is_finite(values[odd_element(split, thread)]);
  }
  if (!all_finite) atomicAnd(finite, 0);
}

__global__ void __launch_bounds__(1) advance_cursor_kernel(std::int32_t* cursor) {
  *cursor += 1;
}

__global__ void __launch_bounds__(1) note_time_kernel(const std::int32_t* cursor, std::int64_t stride,
                                                      std::int64_t column, std::int64_t* times) {
  times[*cursor * stride + column] = device_nanoseconds();
}

}  // namespace

void gather_normalize(std::int64_t N, std::int64_t sample_elements, const GatheredInput& input, float* x,
                      DeviceStream& stream) {
  if (N * sample_elements == 0) return;
  const bool aligned = reinterpret_cast<std::uintptr_t>(input.images) % kGroup == 0;
  if (aligned && sample_elements % kGroup == 0) {
    launch_gather<kGroup>(N, sample_elements, input, x, stream);
  } else {
    launch_gather<1>(N, sample_elements, input, x, stream);
  }
}

void relu_forward(std::int64_t elements, const float* x, float* y, DeviceStream& stream) {
  if (elements == 0) return;
  const GroupSplit split = split_into_groups(y, elements);
  launch("relu_forward", relu_forward_kernel, pointwise_launch(split.threads), stream, split, x, y);
}

void relu_backward(std::int64_t elements, const float* dy, const float* y, float* dx, DeviceStream& stream) {
  if (elements == 0) return;
  const GroupSplit split = split_into_groups(dx, elements);
  launch("relu_backward", relu_backward_kernel, pointwise_launch(split.threads), stream, split, dy, y, dx);
}

void sum_copies(std::int64_t n, std::int64_t copies_count, const float* copies, float* sum,
                DeviceStream& stream) {
  DML_ASSERT(copies_count > 0, "a sum of no copies");
  if (n == 0) return;
  const GroupSplit split = split_into_groups(sum, n);
  launch("sum_copies", sum_copies_kernel, pointwise_launch(split.threads), stream, split, copies_count,
         copies, sum);
}

void scale(std::int64_t n, float factor, float* values, DeviceStream& stream) {
  if (n == 0) return;
  const GroupSplit split = split_into_groups(values, n);
  launch("scale", scale_kernel, pointwise_launch(split.threads), stream, split, factor, values);
}

void check_finite(std::int64_t elements, const float* values, std::int32_t* finite, DeviceStream& stream) {
  launch("assume_finite", assume_finite_kernel, {.blocks = {1}, .threads = {1}}, stream, finite);
  if (elements == 0) return;
  const GroupSplit split = split_into_groups(values, elements);
  launch("check_finite", check_finite_kernel, pointwise_launch(split.threads), stream, split, values, finite);
}

void advance_cursor(std::int32_t* cursor, DeviceStream& stream) {
  launch("advance_cursor", advance_cursor_kernel, {.blocks = {1}, .threads = {1}}, stream, cursor);
}

void note_time(const std::int32_t* cursor, std::int64_t stride, std::int64_t column, std::int64_t* times,
               DeviceStream& stream) {
  launch("note_time", note_time_kernel, {.blocks = {1}, .threads = {1}}, stream, cursor, stride, column,
         times);
}

}  // namespace dml::DML_DEVICE
