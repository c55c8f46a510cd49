// Draws from distributions as pure functions of a stream of Philox words: the same bits with every compiler
// and library, which the distributions of the standard library do not promise.
#pragma once

#include <cstdint>

#include "kernels/base/philox.h"

namespace dml {

/// Words of a stream, one after the other.
class RandomWords {
 public:
  explicit RandomWords(const PhiloxStream& stream) : stream_(stream) {}
  std::uint64_t next64();
  /// In (0, 1), 53 random bits, never 0.
  double uniform();
  /// Mean 0, variance 1: Box and Muller's transformation, one of its two values.
  double normal();
  /// Shape `alpha` > 0, scale 1: Marsaglia and Tsang, "A simple method for generating gamma variables"
  /// (2000); below 1 by their boost, gamma(alpha) = gamma(alpha + 1) * uniform^(1 / alpha). May underflow to
  /// 0 for very small shapes; log_gamma_draw() does not.
  double gamma(double alpha);
  /// log of the same.
  double log_gamma_draw(double alpha);

 private:
  PhiloxStream stream_;
  std::uint64_t drawn_ = 0;
};

}  // namespace dml
