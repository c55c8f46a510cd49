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

/// Samples that lie in the lanes of one point of a lanes tensor, whatever the width of the vectors.
constexpr std::int64_t kSamplesPerBlock = 16;

/// A correlation over one block of 16 samples, stride 1: y[k,p,q] = b[k] + sum over c,r,s of
/// w[k,c,r,s] * x[c, p + r - row_padding, q + s], every point 16 samples wide. Rows outside x count as zeros
/// and are skipped; columns are not: each row of x begins and ends with column_padding zeros, and W counts
/// them.
struct LanesCorrelation {
  std::int64_t C, H, W, K, R, S, P, Q, row_padding, column_padding;
  /// Where w[k,c,r,s] lies: k + c * weight_c + r * weight_r + s * weight_s from the pointer given. Steps may
  /// be negative, which turns the filter round.
  std::int64_t weight_c, weight_r, weight_s;
  std::int64_t y_channel, y_row;  ///< points from y[k,p,q] to y[k+1,p,q] and to y[k,p+1,q]
};

/// Max pooling of one channel of one block of 16 samples, windows apart or side by side (stride >= window).
struct LanesPool {
  std::int64_t Q;  ///< windows in a row
  std::int64_t window, stride;
  std::int64_t x_row;  ///< points from one row of x to the next
  bool relu;           ///< pools max(x, 0)
};

/// The choice of a window whose maximum a ReLU turned to 0: no element of it gets a gradient.
constexpr std::uint8_t kNoChoice = 255;

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

  /// Row p of all channels of y from x (C,H,W,16); `y` points at y[0,p,0], `bias` may be null for zeros.
  void (*correlate_row)(const LanesCorrelation& g, const float* x, const float* w, const float* bias,
                        std::int64_t p, float* y);
  /// dw (K,C,R,S) of input channel c: the sum over the 16 samples, p and q of dy[k,p,q] *
  /// x[c,p+r-row_padding,q+s].
  void (*correlate_weight_gradient)(const LanesCorrelation& g, const float* x, const float* dy,
                                    std::int64_t c, float* dw);
  /// db (K): the sum over the 16 samples, p and q of dy[k,p,q].
  void (*correlate_bias_gradient)(const LanesCorrelation& g, const float* dy, float* db);
  /// One row of windows: y (Q,16) and choice (Q,16) from `window` rows of x. The first maximum wins, a NaN
  /// always.
  void (*lanes_pool_row)(const LanesPool& pool, const float* x, float* y, std::uint8_t* choice);
  /// Writes the elements of one row of windows of dx: dy (Q,16) at the choice, 0 elsewhere.
  void (*lanes_unpool_row)(const LanesPool& pool, const float* dy, const std::uint8_t* choice, float* dx);
  /// y[i,n] = table[images[n][i]] for n < samples, 0 for the other lanes; i < elements.
  void (*gather_lanes)(const float* table, const std::uint8_t* const* images, std::int64_t samples,
                       std::int64_t elements, float* y);

  /// plain (samples, elements) from one block of lanes (elements,16), and back with 0 in the other lanes.
  void (*lanes_to_plain)(const float* lanes, std::int64_t samples, std::int64_t elements, float* plain);
  void (*plain_to_lanes)(const float* plain, std::int64_t samples, std::int64_t elements, float* lanes);

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
