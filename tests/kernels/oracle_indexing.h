// Which elements meet in a convolution and in a pool, from their definitions.
#pragma once

#include <cstdint>

#include "kernels/base/shapes.h"
#include "tests/kernels/compare.h"

namespace dml::test {

/// The input row (or column) that filter row `r` meets at output row `p`; outside [0, H) it is padding.
inline std::int64_t input_position(const ConvolutionShape& s, std::int64_t p, std::int64_t r) {
  return p * s.stride + r * s.dilation - s.padding;
}

/// The output row that reads input row `h` through filter row `r`, or -1 when none does.
inline std::int64_t output_position(const ConvolutionShape& s, std::int64_t h, std::int64_t r,
                                    std::int64_t limit) {
  const std::int64_t shifted = h + s.padding - r * s.dilation;
  if (shifted < 0 || shifted % s.stride != 0 || shifted / s.stride >= limit) return -1;
  return shifted / s.stride;
}

inline bool inside(std::int64_t position, std::int64_t limit) {
  return position >= 0 && position < limit;
}

/// The index of the maximum of window (n,c,p,q) in x: the first in row-major order on a tie.
inline std::int64_t argmax_of_window(const PoolShape& s, const Bounded& x, std::int64_t plane, std::int64_t p,
                                     std::int64_t q) {
  std::int64_t best = (plane * s.H + p * s.stride) * s.W + q * s.stride;
  for (std::int64_t r = 0; r < s.window; ++r) {
    for (std::int64_t t = 0; t < s.window; ++t) {
      const std::int64_t i = (plane * s.H + p * s.stride + r) * s.W + q * s.stride + t;
      if (x.value[static_cast<std::size_t>(i)] > x.value[static_cast<std::size_t>(best)]) best = i;
    }
  }
  return best;
}

}  // namespace dml::test
