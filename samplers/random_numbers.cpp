#include "samplers/random_numbers.h"

#include <cmath>
#include <numbers>

namespace dml {

std::uint64_t RandomWords::next64() {
  const std::uint64_t high = stream_.word(drawn_), low = stream_.word(drawn_ + 1);
  drawn_ += 2;
  return high << 32U | low;
}

double RandomWords::uniform() {
  return (static_cast<double>(next64() >> 11U) + 0.5) * 0x1p-53;
}

double RandomWords::normal() {
  const double radius = std::sqrt(-2 * std::log(uniform()));
  return radius * std::cos(2 * std::numbers::pi * uniform());
}

double RandomWords::log_gamma_draw(double alpha) {
  if (alpha < 1) {
    const double boosted = log_gamma_draw(alpha + 1);
    return boosted + std::log(uniform()) / alpha;
  }
  const double d = alpha - 1.0 / 3, c = 1 / std::sqrt(9 * d);
  for (;;) {
    const double x = normal();
    const double v = 1 + c * x;
    if (v <= 0) continue;
    const double log_cube = 3 * std::log(v);
    if (std::log(uniform()) < x * x / 2 + d - d * std::exp(log_cube) + d * log_cube)
      return std::log(d) + log_cube;
  }
}

double RandomWords::gamma(double alpha) {
  return std::exp(log_gamma_draw(alpha));
}

}  // namespace dml
