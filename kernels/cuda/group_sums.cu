// Sums over groups of samples: a warp adds every eighth group of 32 neighbouring results, and one of the
// eight warps adds what they found. 1 KiB of shared memory.
#include "kernels/cuda/device.h"
#include "kernels/cuda/group_sums.h"

namespace dml::DML_DEVICE {
namespace {

constexpr int kResults = 32;
constexpr int kSlices = 8;
constexpr int kThreads = kResults * kSlices;

struct SliceSums {
  float of[kSlices][kResults];
};

__global__ void __launch_bounds__(kThreads)
    sum_groups_kernel(int weights, int K, int groups, const float* __restrict__ workspace,
                      float* __restrict__ dweight, float* __restrict__ dbias, bool accumulate) {
  SliceSums& slices = shared_memory<SliceSums>();
  const int lane = static_cast<int>(threadIdx.x) % kResults;
  const int slice = static_cast<int>(threadIdx.x) / kResults;
  const int result = static_cast<int>(blockIdx.x) * kResults + lane;
  const int results = weights + K;
  float sum = 0;
  if (result < results) {
#pragma unroll 4
    for (int group = slice; group < groups; group += kSlices) {
      sum += workspace[static_cast<std::int64_t>(group) * results + result];
    }
  }
  slices.of[slice][lane] = sum;
  __syncthreads();
  if (slice > 0 || result >= results) return;
#pragma unroll
  for (int other = 1; other < kSlices; ++other) sum += slices.of[other][lane];
  float* const target = result < weights ? dweight + result : dbias + (result - weights);
  *target = accumulate ? *target + sum : sum;
}

}  // namespace

void sum_groups(int weights, int K, int groups, const float* workspace, float* dweight, float* dbias,
                bool accumulate, DeviceStream& stream) {
  const auto blocks = static_cast<unsigned>((weights + K + kResults - 1) / kResults);
  launch("sum_groups", sum_groups_kernel, {.blocks = {blocks}, .threads = {kThreads}}, stream, weights, K,
         groups, workspace, dweight, dbias, accumulate);
}

}  // namespace dml::DML_DEVICE
