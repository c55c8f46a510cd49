// Fully connected layers: y = x w^T + b, and its two gradients, as tiled matrix products (tiled_gemm.cuh).
//
//                      M   N   K     A                B
//   forward            N   K   C     x (N,C)          weight (K,C), read along C
//   input gradient     N   C   K     dz (N,K)         weight (K,C), read across K
//   weight gradient    K   C+1 N     dz (N,K)^T       x (N,C) and a column of ones, for the bias
// dz is dy behind the ReLU, undone where it is read.
#include "kernels/cuda/linear.h"
#include "kernels/cuda/tiled_gemm.cuh"

namespace dml::DML_DEVICE {
namespace {

/// Row n of dz (N,K), along the reduction over K.
struct GradientRows {
  static constexpr bool kAlongReduction = true;
  MaskedGradient gradient;
  int length;

  struct Line {
    std::int64_t start;
  };
  __device__ __forceinline__ Line line(int outer) const {
    return {static_cast<std::int64_t>(outer) * length};
  }
  __device__ __forceinline__ MaskedGradient::Value load(const Line& line, int k) const {
    return gradient.load(line.start + k);
  }
};

/// Column k of dz (N,K), along the reduction over N.
struct GradientColumns {
  static constexpr bool kAlongReduction = false;
  MaskedGradient gradient;
  int width;

  struct Line {
    int outer;
  };
  __device__ __forceinline__ Line line(int outer) const { return {outer}; }
  __device__ __forceinline__ MaskedGradient::Value load(const Line& line, int k) const {
    return gradient.load(static_cast<std::int64_t>(k) * width + line.outer);
  }
};

struct StoreActivation {
  float* y;
  const float* bias;
  int width;
  bool relu;

  __device__ __forceinline__ void operator()(int m, int n, float sum) const {
    y[static_cast<std::int64_t>(m) * width + n] = with_relu(sum + bias[n], relu);
  }
};

struct StoreMatrix {
  float* values;
  int width;

  __device__ __forceinline__ void operator()(int m, int n, float sum) const {
    values[static_cast<std::int64_t>(m) * width + n] = sum;
  }
};

}  // namespace

std::string linear_broken_rule(const LinearShape& s) {
  if (std::max(s.N, s.K) > kMostRows) {
    return "at most " + std::to_string(kMostRows) + " samples at a time, and as many outputs";
  }
  const bool fits =
      supports_gemm(s.N, s.K, s.C) && supports_gemm(s.N, s.C, s.K) && supports_gemm(s.K, s.C + 1, s.N);
  return fits ? "" : kTooManyElements;
}

std::int64_t linear_forward_workspace(const LinearShape& s) {
  return gemm_workspace(s.N, s.K, s.C);
}

void linear_forward(const LinearShape& s, const float* x, const float* weight, const float* bias, float* y,
                    bool relu, float* workspace, DeviceStream& stream) {
  const int C = static_cast<int>(s.C);
  tiled_gemm("tiled_gemm(linear_forward)", s.N, s.K, s.C, RowsAlongReduction{x, C},
             RowsAlongReduction{weight, C}, StoreActivation{y, bias, static_cast<int>(s.K), relu}, workspace,
             stream);
}

std::int64_t linear_input_gradient_workspace(const LinearShape& s) {
  return gemm_workspace(s.N, s.C, s.K);
}

void linear_input_gradient(const LinearShape& s, const float* dy, const float* y, const float* weight,
                           float* dx, float* workspace, DeviceStream& stream) {
  const int C = static_cast<int>(s.C);
  tiled_gemm("tiled_gemm(linear_input_gradient)", s.N, s.C, s.K, GradientRows{{dy, y}, static_cast<int>(s.K)},
             RowsAcrossReduction{weight, C}, StoreMatrix{dx, C}, workspace, stream);
}

std::int64_t linear_weight_gradient_workspace(const LinearShape& s) {
  return weight_gradient_workspace(s.K, s.C, s.N);
}

void linear_weight_gradient(const LinearShape& s, const float* x, const float* dy, const float* y,
                            float* dweight, float* dbias, bool accumulate, float* workspace,
                            DeviceStream& stream) {
  weight_gradient_gemm(
      "tiled_gemm(linear_weight_gradient)", s.K, s.C, s.N, GradientColumns{{dy, y}, static_cast<int>(s.K)},
      RowsAcrossReduction{x, static_cast<int>(s.C)}, dweight, dbias, accumulate, workspace, stream);
}

}  // namespace dml::DML_DEVICE
