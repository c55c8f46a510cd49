#include "kernels/cuda/group_sums.h"
#include "kernels/cuda/tiled_gemm.cuh"

namespace dml::DML_DEVICE {
namespace {

/// The sums of all weights, and behind them those of the biases.
struct StoreGradients {
  int weights;
  float* dweight;
  float* dbias;
  bool accumulate;

  __device__ __forceinline__ void operator()(int /*m*/, int n, float sum) const {
    float* const target = n < weights ? dweight + n : dbias + (n - weights);
    *target = accumulate ? *target + sum : sum;
  }
};

}  // namespace

void sum_groups(int weights, int K, int groups, const float* workspace, float* dweight, float* dbias,
                bool accumulate, DeviceStream& stream) {
  sum_parts({.M = 1, .N = weights + K, .splits = groups}, workspace,
            StoreGradients{weights, dweight, dbias, accumulate}, stream);
}

}  // namespace dml::DML_DEVICE
