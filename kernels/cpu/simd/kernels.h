// The vector kernels of the CPU backend, compiled once per instruction set and chosen when the program runs.
//
// Every kernel file in this folder is compiled several times with DML_ISA naming the instruction set and its
// namespace. Such files include nothing but this header and <cstdint>: an inline function of a library,
// compiled with AVX-512 here, could replace the portable one in the whole program. For the same reason the
// structs below are plain and hold no member functions. Kernels are single-threaded; their callers divide the
// work. They take what they need and check nothing.
#pragma once

#include <cstdint>

namespace dml::cpu {

/// Max pooling of one plane of H x W points with `inner` adjacent channels each into P x Q points.
struct PoolPlane {
  std::int64_t H, W, P, Q, inner, window, stride;
};

/// Scalars of one update, in the terms of kernels/base/optimizer.h.
struct SgdScalars {
  float inverse_samples, weight_decay, momentum, learning_rate;
  bool nesterov;
};
struct AdamScalars {
  float inverse_samples, weight_decay, beta1, beta2, epsilon;
  float step_size;                         ///< lr / (1 - beta1^t)
  float inverse_root_correction;           ///< 1 / sqrt(1 - beta2^t)
  float one_minus_beta1, one_minus_beta2;  ///< taken in double: 1 - 0.999F would lose five digits
};

struct SimdKernels {
  const char* name;

  /// y = max(x, 0), a NaN stays one. In place if x == y.
  void (*relu_forward)(const float* x, float* y, std::int64_t count);
  /// dx = dy where y > 0, else 0.
  void (*relu_backward)(const float* y, const float* dy, float* dx, std::int64_t count);

  /// y (P,Q,inner) from x (H,W,inner); choice (P,Q,inner) is which element of the window won: the
  /// first maximum in row-major order, or the last NaN. With `relu`, y = max(that, 0).
  void (*max_pool_forward)(const PoolPlane& plane, bool relu, const float* x, float* y, std::int32_t* choice);
  /// dx (H,W,inner) from dy (P,Q,inner). With `relu`, only dy where y > 0 counts.
  void (*max_pool_backward)(const PoolPlane& plane, bool relu, const float* dy, const std::int32_t* choice,
                            const float* y, float* dx);

  /// One pass over `count` parameters; `momentum` is null where the scalar is 0.
  void (*sgd)(const SgdScalars& s, const float* gradient, float* momentum, float* w, std::int64_t count);
  void (*adam)(const AdamScalars& s, const float* gradient, float* m, float* v, float* w, std::int64_t count);
};

/// The best set this machine can run; DML_CPU_ISA=baseline|avx2|avx512 in the environment asks for a lesser
/// one.
const SimdKernels& simd_kernels();

namespace baseline {
extern const SimdKernels kKernels;
}
namespace avx2 {
extern const SimdKernels kKernels;
}
namespace avx512 {
extern const SimdKernels kKernels;
}

}  // namespace dml::cpu
