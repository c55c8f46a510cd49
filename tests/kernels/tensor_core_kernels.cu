#include "kernels/cuda/tensor_core.h"
#include "tests/kernels/tensor_core_kernels.h"

namespace dml::DML_DEVICE {
namespace {

constexpr unsigned kLanes = 32;
constexpr int kLongestStride = 24;

struct Table {
  std::uint16_t values[32 * kLongestStride];
};

template <bool kTf32>
__global__ void __launch_bounds__(kLanes) multiply_kernel(const unsigned* a, const unsigned* b, float* d) {
  const unsigned lane = threadIdx.x;
  unsigned a_of_lane[4], b_of_lane[2];
  float d_of_lane[4];
  for (int i = 0; i < 4; ++i) a_of_lane[i] = a[4 * lane + i];
  for (int i = 0; i < 2; ++i) b_of_lane[i] = b[2 * lane + i];
  for (int i = 0; i < 4; ++i) d_of_lane[i] = d[4 * lane + i];
  if constexpr (kTf32) {
    multiply_tf32(d_of_lane, a_of_lane, b_of_lane);
  } else {
    multiply_bf16(d_of_lane, a_of_lane, b_of_lane);
  }
  for (int i = 0; i < 4; ++i) d[4 * lane + i] = d_of_lane[i];
}

template <int kMatrices, bool kTurned>
__global__ void __launch_bounds__(kLanes)
    load_matrices_kernel(int stride, const std::uint16_t* table, unsigned* r) {
  Table& shared = shared_memory<Table>();
  const unsigned lane = threadIdx.x;
  if (lane < 8 * kMatrices) {
    for (int i = 0; i < 8; ++i) shared.values[lane * stride + i] = table[8 * lane + i];
  }
  __syncwarp();
  // Lanes without a row of their own point outside: their addresses are not used.
  const std::uint16_t* const row = lane < 8 * kMatrices ? &shared.values[lane * stride] : &shared.values[1];
  unsigned fragments[kMatrices];
  load_matrices<kMatrices, kTurned>(fragments, row);
  for (int m = 0; m < kMatrices; ++m) r[kMatrices * lane + m] = fragments[m];
}

__global__ void __launch_bounds__(1024) roundings_kernel(const float* x, unsigned* tf32, unsigned* bf16) {
  tf32[threadIdx.x] = to_tf32(x[threadIdx.x]);
  bf16[threadIdx.x] = to_bf16_pair(x[threadIdx.x], -x[threadIdx.x]);
}

__global__ void __launch_bounds__(kLanes) load_kernel(int offset, bool write, unsigned lanes, unsigned* r) {
  Table& shared = shared_memory<Table>();
  if (write) {
    for (int i = 0; i < 16; ++i) shared.values[16 * threadIdx.x + i] = 1;
  }
  __syncwarp();
  if (threadIdx.x >= lanes) return;
  unsigned fragments[4];
  load_matrices<4>(fragments, &shared.values[16 * threadIdx.x + offset]);
  r[threadIdx.x] = fragments[0];
}

template <int kMatrices>
void load(bool turned, int stride, const std::uint16_t* table, unsigned* r, DeviceStream& stream) {
  launch("load_matrices",
         turned ? load_matrices_kernel<kMatrices, true> : load_matrices_kernel<kMatrices, false>,
         {.blocks = {1}, .threads = {kLanes}}, stream, stride, table, r);
}

void load_wrongly(int offset, bool write, unsigned lanes, unsigned* r, DeviceStream& stream) {
  launch("load", load_kernel, {.blocks = {1}, .threads = {kLanes}}, stream, offset, write, lanes, r);
}

}  // namespace

void run_multiply_tf32(const unsigned* a, const unsigned* b, float* d, DeviceStream& stream) {
  launch("multiply_tf32", multiply_kernel<true>, {.blocks = {1}, .threads = {kLanes}}, stream, a, b, d);
}
void run_multiply_bf16(const unsigned* a, const unsigned* b, float* d, DeviceStream& stream) {
  launch("multiply_bf16", multiply_kernel<false>, {.blocks = {1}, .threads = {kLanes}}, stream, a, b, d);
}

void run_load_matrices(int matrices, bool turned, int stride, const std::uint16_t* table, unsigned* r,
                       DeviceStream& stream) {
  DML_ASSERT(stride <= kLongestStride, "rows further apart than there is memory");
  if (matrices == 1) return load<1>(turned, stride, table, r, stream);
  if (matrices == 2) return load<2>(turned, stride, table, r, stream);
  load<4>(turned, stride, table, r, stream);
}

void run_roundings(int count, const float* x, unsigned* tf32, unsigned* bf16, DeviceStream& stream) {
  launch("roundings", roundings_kernel, {.blocks = {1}, .threads = {static_cast<unsigned>(count)}}, stream, x,
         tf32, bf16);
}

void run_load_without_a_lane(unsigned* r, DeviceStream& stream) {
  load_wrongly(0, true, kLanes - 1, r, stream);
}
void run_misaligned_load(unsigned* r, DeviceStream& stream) {
  load_wrongly(1, true, kLanes, r, stream);
}
void run_load_of_nothing(unsigned* r, DeviceStream& stream) {
  load_wrongly(0, false, kLanes, r, stream);
}

}  // namespace dml::DML_DEVICE
