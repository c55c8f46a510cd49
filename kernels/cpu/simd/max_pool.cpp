// Max pooling over one plane, channels adjacent in memory and in the lanes of a vector.
//
//   forward   y[p,q] = max over r,s of x[p*stride + r, q*stride + s]; the first maximum wins, a NaN always
//   does backward  dx[h,w] = sum of dy[p,q] over the windows whose choice is (h,w)
// A tile of lanes walks its window in registers; a partial last tile falls back to single lanes.
#include "kernels/cpu/simd/internal.h"
#include "kernels/cpu/simd/vector.h"

namespace dml::cpu::DML_ISA {
namespace {

/// The window at `x` and its outcome at `y` and `choice`, for as many adjacent values as the vectors hold.
template <class F, class I>
inline void forward_window(const PoolPlane& plane, bool relu, const float* x, float* y,
                           std::int32_t* choice) {
  F best = load<F>(x);
  I winner = {};
  for (std::int64_t r = 0; r < plane.window; ++r) {
    for (std::int64_t s = 0; s < plane.window; ++s) {
      const auto value = load<F>(x + (r * plane.W + s) * plane.inner);
      const I wins = (value > best) | is_nan(value);
      best = wins ? value : best;
      winner = wins ? I{} + static_cast<std::int32_t>(r * plane.window + s) : winner;
    }
  }
  if (relu) best = best < 0 ? F{} : best;
  store(y, best);
  store(choice, winner);
}

template <class F, class I>
inline void backward_window(const PoolPlane& plane, bool relu, const float* dy, const std::int32_t* choice,
                            const float* y, float* dx) {
  auto gradient = load<F>(dy);
  if (relu) gradient = load<F>(y) > 0 ? gradient : F{};
  const auto winner = load<I>(choice);
  for (std::int64_t r = 0; r < plane.window; ++r) {
    for (std::int64_t s = 0; s < plane.window; ++s) {
      float* const target = dx + (r * plane.W + s) * plane.inner;
      const F share = winner == static_cast<std::int32_t>(r * plane.window + s) ? gradient : F{};
      store(target, load<F>(target) + share);
    }
  }
}

}  // namespace

void max_pool_forward(const PoolPlane& plane, bool relu, const float* x, float* y, std::int32_t* choice) {
  for (std::int64_t p = 0; p < plane.P; ++p) {
    for (std::int64_t q = 0; q < plane.Q; ++q) {
      const std::int64_t in = (p * plane.W + q) * plane.stride * plane.inner;
      const std::int64_t out = (p * plane.Q + q) * plane.inner;
      std::int64_t i = 0;
      for (; i + kLanes <= plane.inner; i += kLanes) {
        forward_window<Floats, Ints>(plane, relu, x + in + i, y + out + i, choice + out + i);
      }
      for (; i + 4 <= plane.inner; i += 4) {
        forward_window<Float4, Int4>(plane, relu, x + in + i, y + out + i, choice + out + i);
      }
      for (; i < plane.inner; ++i) {
        forward_window<Float1, Int1>(plane, relu, x + in + i, y + out + i, choice + out + i);
      }
    }
  }
}

void max_pool_backward(const PoolPlane& plane, bool relu, const float* dy, const std::int32_t* choice,
                       const float* y, float* dx) {
  __builtin_memset(dx, 0, static_cast<std::size_t>(plane.H * plane.W * plane.inner) * sizeof(float));
  for (std::int64_t p = 0; p < plane.P; ++p) {
    for (std::int64_t q = 0; q < plane.Q; ++q) {
      const std::int64_t in = (p * plane.W + q) * plane.stride * plane.inner;
      const std::int64_t out = (p * plane.Q + q) * plane.inner;
      std::int64_t i = 0;
      for (; i + kLanes <= plane.inner; i += kLanes) {
        backward_window<Floats, Ints>(plane, relu, dy + out + i, choice + out + i, y + out + i, dx + in + i);
      }
      for (; i + 4 <= plane.inner; i += 4) {
        backward_window<Float4, Int4>(plane, relu, dy + out + i, choice + out + i, y + out + i, dx + in + i);
      }
      for (; i < plane.inner; ++i) {
        backward_window<Float1, Int1>(plane, relu, dy + out + i, choice + out + i, y + out + i, dx + in + i);
      }
    }
  }
}

}  // namespace dml::cpu::DML_ISA
