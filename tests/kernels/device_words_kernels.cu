#include "kernels/cuda/device.h"
#include "kernels/cuda/ptx.h"
#include "tests/kernels/device_words_kernels.h"

namespace dml::DML_DEVICE {
namespace {

constexpr unsigned kAll = 0xffffffffU;
constexpr unsigned kLanes = 32;
constexpr unsigned kTwoWarps = 64;

template <ShuffleWord kWord>
__global__ void __launch_bounds__(kLanes) shuffle_kernel(int operand, int width, const int* x, int* y) {
  const int value = x[threadIdx.x];
  int result = 0;
  if constexpr (kWord == ShuffleWord::index) result = __shfl_sync(kAll, value, operand, width);
  if constexpr (kWord == ShuffleWord::up)
    result = __shfl_up_sync(kAll, value, static_cast<unsigned>(operand), width);
  if constexpr (kWord == ShuffleWord::down)
    result = __shfl_down_sync(kAll, value, static_cast<unsigned>(operand), width);
  if constexpr (kWord == ShuffleWord::exchange) result = __shfl_xor_sync(kAll, value, operand, width);
  y[threadIdx.x] = result;
}

__global__ void __launch_bounds__(kLanes) double_sum_kernel(const double* x, double* y) {
  double sum = x[threadIdx.x];
  for (int distance = 16; distance > 0; distance /= 2) sum += __shfl_xor_sync(kAll, sum, distance);
  y[threadIdx.x] = sum;
}

__global__ void __launch_bounds__(kLanes) votes_kernel(const int* x, unsigned* y) {
  const unsigned lane = threadIdx.x;
  const int vote = x[lane];
  const unsigned half = lane < 16 ? 0x0000ffffU : 0xffff0000U;
  if (lane < 16) {
    y[lane] = __ballot_sync(half, vote);
    y[32 + lane] = __any_sync(half, vote) != 0 ? 1 : 0;
    y[64 + lane] = __all_sync(half, vote) != 0 ? 1 : 0;
  } else {
    y[lane] = __ballot_sync(half, vote);
    y[32 + lane] = __any_sync(half, vote) != 0 ? 1 : 0;
    y[64 + lane] = __all_sync(half, vote) != 0 ? 1 : 0;
  }
}

__global__ void __launch_bounds__(kLanes) bits_kernel(int count, const unsigned* x, unsigned* y) {
  const int i = static_cast<int>(threadIdx.x);
  if (i >= count) return;
  y[i] = static_cast<unsigned>(__popc(x[i]));
  y[count + i] = static_cast<unsigned>(__ffs(static_cast<int>(x[i])));
  y[2 * count + i] = static_cast<unsigned>(__clz(static_cast<int>(x[i])));
  y[3 * count + i] = __float_as_uint(__uint_as_float(x[i]) + 1);
}

__global__ void __launch_bounds__(96) atomics_kernel(int* memory, int* tickets) {
  const int thread = static_cast<int>(blockIdx.x * blockDim.x + threadIdx.x);
  tickets[thread] = atomicAdd(&memory[0], 1);
  atomicSub(&memory[1], 1);
  atomicMax(&memory[2], thread + 1);
  atomicMin(&memory[3], thread + 1);
  atomicAnd(&memory[4], thread + 1);
  atomicOr(&memory[5], thread + 1);
  atomicExch(&memory[6], thread + 1);
  int seen = 0;
  for (;;) {
    const int found = atomicCAS(&memory[7], seen, seen + 1);
    if (found == seen) break;
    seen = found;
  }
}

/// `barrier`: arrived, generation.
__device__ void grid_barrier(unsigned* barrier) {
  __syncthreads();
  if (threadIdx.x == 0) {
    const unsigned generation = load_acquire(&barrier[1]);
    __threadfence();
    if (atomicAdd(&barrier[0], 1U) == gridDim.x - 1) {
      atomicExch(&barrier[0], 0U);
      __threadfence();
      store_release(&barrier[1], generation + 1);
    } else {
      while (load_acquire(&barrier[1]) == generation) {
      }
    }
  }
  __syncthreads();
}

__global__ void __launch_bounds__(kTwoWarps) grid_barrier_kernel(unsigned* barrier, int* x, int* y) {
  const unsigned values = gridDim.x * kTwoWarps;
  const unsigned i = blockIdx.x * kTwoWarps + threadIdx.x;
  for (int round = 0; round < 3; ++round) {
    y[i] = x[i];
    grid_barrier(barrier);
    x[i] = y[(i + kTwoWarps) % values];
    grid_barrier(barrier);
  }
}

struct Ints {
  int values[kTwoWarps / 2];
};

__global__ void __launch_bounds__(kTwoWarps) named_barrier_kernel(const int* x, int* y) {
  Ints& shared = shared_memory<Ints>();
  const unsigned t = threadIdx.x;
  if (t < kLanes) {
    shared.values[t] = x[t];
    barrier_arrive(1, kTwoWarps);
  } else {
    barrier_sync(1, kTwoWarps);
    y[t - kLanes] = shared.values[kLanes - 1 - (t - kLanes)];
  }
}

struct Copied {
  alignas(16) int values[kLanes][8];
};

__global__ void __launch_bounds__(kLanes) async_copies_kernel(const int* x, int* y) {
  Copied& shared = shared_memory<Copied>();
  const unsigned lane = threadIdx.x;
  for (int half = 0; half < 2; ++half) {
    copy_async_16(&shared.values[lane][4 * half], x + 8 * lane + 4 * half);
    copy_async_commit();
  }
  copy_async_wait<1>();
  for (int i = 0; i < 4; ++i) y[8 * lane + i] = shared.values[lane][i];
  copy_async_wait<0>();
  for (int i = 4; i < 8; ++i) y[8 * lane + i] = shared.values[lane][i];
}

__global__ void __launch_bounds__(kLanes) vectors_kernel(const unsigned* x, unsigned* y) {
  const unsigned at = 4 * threadIdx.x;
  *reinterpret_cast<float4*>(y + at) = *reinterpret_cast<const float4*>(x + at);
  *reinterpret_cast<uint4*>(y + 128 + at) = *reinterpret_cast<const uint4*>(x + at);
  *reinterpret_cast<int4*>(y + 256 + at) = *reinterpret_cast<const int4*>(x + at);
  for (unsigned i = 0; i < 4; ++i) {
    const uchar4 four = *reinterpret_cast<const uchar4*>(x + at + i);
    y[384 + at + i] = four.x | static_cast<unsigned>(four.y) << 8U | static_cast<unsigned>(four.z) << 16U |
                      static_cast<unsigned>(four.w) << 24U;
  }
}

}  // namespace

void run_shuffle(ShuffleWord word, int operand, int width, const int* x, int* y, DeviceStream& stream) {
  void (*kernel)(int, int, const int*, int*) = shuffle_kernel<ShuffleWord::index>;
  if (word == ShuffleWord::up) kernel = shuffle_kernel<ShuffleWord::up>;
  if (word == ShuffleWord::down) kernel = shuffle_kernel<ShuffleWord::down>;
  if (word == ShuffleWord::exchange) kernel = shuffle_kernel<ShuffleWord::exchange>;
  launch("shuffle", kernel, {.blocks = {1}, .threads = {kLanes}}, stream, operand, width, x, y);
}

void run_double_sum(const double* x, double* y, DeviceStream& stream) {
  launch("double_sum", double_sum_kernel, {.blocks = {1}, .threads = {kLanes}}, stream, x, y);
}

void run_votes(const int* x, unsigned* y, DeviceStream& stream) {
  launch("votes", votes_kernel, {.blocks = {1}, .threads = {kLanes}}, stream, x, y);
}

void run_bits(int count, const unsigned* x, unsigned* y, DeviceStream& stream) {
  launch("bits", bits_kernel, {.blocks = {1}, .threads = {kLanes}}, stream, count, x, y);
}

void run_atomics(int blocks, int* memory, int* tickets, DeviceStream& stream) {
  launch("atomics", atomics_kernel, {.blocks = {static_cast<unsigned>(blocks)}, .threads = {96}}, stream,
         memory, tickets);
}

void run_grid_barrier(int blocks, unsigned* barrier, int* x, int* y, DeviceStream& stream) {
  launch_cooperative("grid_barrier", grid_barrier_kernel,
                     {.blocks = {static_cast<unsigned>(blocks)}, .threads = {kTwoWarps}}, stream, barrier, x,
                     y);
}

void run_named_barrier(const int* x, int* y, DeviceStream& stream) {
  launch("named_barrier", named_barrier_kernel, {.blocks = {1}, .threads = {kTwoWarps}}, stream, x, y);
}

void run_async_copies(const int* x, int* y, DeviceStream& stream) {
  launch("async_copies", async_copies_kernel, {.blocks = {1}, .threads = {kLanes}}, stream, x, y);
}

void run_vectors(const unsigned* x, unsigned* y, DeviceStream& stream) {
  launch("vectors", vectors_kernel, {.blocks = {1}, .threads = {kLanes}}, stream, x, y);
}

}  // namespace dml::DML_DEVICE
