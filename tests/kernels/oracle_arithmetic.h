// Sums that know how far an implementation may be from them, and the rounding of exp and log.
#pragma once

#include <algorithm>
#include <cmath>
#include <cstdint>

#include "tests/kernels/compare.h"

namespace dml::test {

// exp and log of vector libraries are good to a few units in the last place; 8 is a generous "few".
inline constexpr double kTranscendentalUnits = 8;
// What underflows in fp32 (exp of a very negative number) is flushed to zero by some libraries.
inline constexpr double kSmallestNormal = 0x1p-126;

/// Accumulates sum a_i b_i together with what is needed to bound the error of that sum.
class BoundedSum {
 public:
  void add_product(const Bounded& a, std::int64_t i, const Bounded& b, std::int64_t j) {
    const auto ai = static_cast<std::size_t>(i);
    const auto bj = static_cast<std::size_t>(j);
    add(a.value[ai] * b.value[bj], std::fabs(a.value[ai]), a.error[ai], std::fabs(b.value[bj]), b.error[bj]);
  }
  /// The product with a number that is the same for every implementation.
  void add_product(const Bounded& a, std::int64_t i, double b) {
    const auto ai = static_cast<std::size_t>(i);
    add(a.value[ai] * b, std::fabs(a.value[ai]), a.error[ai], std::fabs(b), 0);
  }
  void add_constant(double a) { add(a, std::fabs(a), 0, 1, 0); }

  [[nodiscard]] std::int64_t terms() const { return terms_; }

  void store(Bounded& y, std::int64_t i, double unit, double& largest_sum) const {
    y.value[static_cast<std::size_t>(i)] = value_;
    y.error[static_cast<std::size_t>(i)] = propagated_ + sum_rounding(terms_, unit) * magnitude_;
    largest_sum = std::max(largest_sum, magnitude_);
  }

 private:
  void add(double product, double a, double a_error, double b, double b_error) {
    value_ += product;
    propagated_ += a_error * b + a * b_error + a_error * b_error;
    magnitude_ += (a + a_error) * (b + b_error);
    ++terms_;
  }

  double value_ = 0, propagated_ = 0, magnitude_ = 0;
  std::int64_t terms_ = 0;
};

}  // namespace dml::test
