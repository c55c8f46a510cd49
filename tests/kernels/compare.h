// The comparison policy of the project, and the rounding model its bounds are derived from.
//
//   relative error of a tensor = max |actual - expected| / max |expected|; a NaN or an infinity never passes.
//
// Bounds are derived, never tuned. A sum of n products computed in any order with unit roundoff u differs
// from the exact one by at most gamma_n * sum |a_i b_i|, gamma_n = n u / (1 - n u) (Higham, "Accuracy and
// Stability of Numerical Algorithms", section 3.1). Rounding errors of either sign behave like independent
// ones of mean zero, and then sqrt(n) takes the place of n: |error| <= (exp(lambda sqrt(n) u + n u^2 / (1 -
// u)) - 1) * sum |a_i b_i| but for a probability of 2 n exp(-lambda^2 (1 - u)^2 / 2) (Higham and Mary, SIAM
// J. Sci. Comput. 41(5), 2019, theorem 3.1). With lambda = 8 that is below 1e-9 for every n here. The smaller
// of the two bounds is used.
//
// Inputs that are small integers make every sum exact in every order, and then the bound is 0: equality.
#pragma once

#include <algorithm>
#include <cmath>
#include <cstddef>
#include <cstdint>
#include <gtest/gtest.h>
#include <limits>
#include <span>
#include <string>
#include <utility>
#include <vector>

#include "kernels/base/backend.h"
#include "kernels/base/buffer.h"
#include "kernels/base/view.h"

namespace dml::test {

/// The unit roundoff of round-to-nearest: half the distance from 1 to the next number.
inline double unit_roundoff(DType dtype) {
  DML_ASSERT(dtype == DType::f32 || dtype == DType::f64, "no unit roundoff for " + to_string(dtype));
  return dtype == DType::f32 ? 0x1p-24 : 0x1p-53;
}

/// What a sum of `terms` products may lose, as a fraction of sum |a_i b_i|; 0 when `unit` is 0 (exact
/// arithmetic).
inline double sum_rounding(std::int64_t terms, double unit) {
  const auto n = static_cast<double>(terms);
  constexpr double kLambda = 8;
  const double probable = std::expm1(kLambda * std::sqrt(n) * unit + n * unit * unit / (1 - unit));
  return n * unit < 0.5 ? std::min(n * unit / (1 - n * unit), probable) : probable;
}

/// A tensor with, for each element, a bound on how far a correct implementation may be from it.
struct Bounded {
  std::vector<double> value;
  std::vector<double> error;

  Bounded() = default;
  explicit Bounded(std::size_t elements) : value(elements), error(elements) {}
  explicit Bounded(std::vector<double> exact) : value(std::move(exact)), error(value.size()) {}
};

inline double largest_magnitude(std::span<const double> values) {
  double largest = 0;
  for (const double value : values) largest = std::max(largest, std::fabs(value));
  return largest;
}

/// max |actual - expected| / max |expected|. Infinite when a value of either is a NaN or an infinity, when
/// the sizes differ, and when something differs from an all-zero tensor.
inline double relative_error(std::span<const double> actual, std::span<const double> expected) {
  constexpr double kNever = std::numeric_limits<double>::infinity();
  if (actual.size() != expected.size()) return kNever;
  double difference = 0;
  for (std::size_t i = 0; i < actual.size(); ++i) {
    if (!std::isfinite(actual[i]) || !std::isfinite(expected[i])) return kNever;
    difference = std::max(difference, std::fabs(actual[i] - expected[i]));
  }
  if (difference == 0) return 0;
  const double scale = largest_magnitude(expected);
  return scale == 0 ? kNever : difference / scale;
}

/// Passes when the relative error of `actual` is at most that of the tensor of bounds: max error / max
/// |value|. Bounds that are all zero ask for equality. `what` names the tensor in the message.
inline ::testing::AssertionResult within_bound(std::span<const double> actual, const Bounded& expected,
                                               const std::string& what) {
  if (actual.size() != expected.value.size()) {
    return ::testing::AssertionFailure()
           << what << ": " << actual.size() << " elements, expected " << expected.value.size();
  }
  const double allowed = largest_magnitude(expected.error);
  if (!std::isfinite(allowed)) return ::testing::AssertionFailure() << what << ": the bound is not finite";
  std::size_t worst = 0;
  double difference = 0;
  for (std::size_t i = 0; i < actual.size(); ++i) {
    if (!std::isfinite(actual[i])) {
      return ::testing::AssertionFailure()
             << what << "[" << i << "] is " << actual[i] << ", expected " << expected.value[i];
    }
    if (!std::isfinite(expected.value[i])) {
      return ::testing::AssertionFailure()
             << what << "[" << i << "]: the expected value is " << expected.value[i];
    }
    const double here = std::fabs(actual[i] - expected.value[i]);
    if (here > difference) {
      difference = here;
      worst = i;
    }
  }
  if (difference <= allowed) return ::testing::AssertionSuccess();
  return ::testing::AssertionFailure()
         << what << "[" << worst << "] of " << actual.size() << " is " << actual[worst] << ", expected "
         << expected.value[worst] << ": relative error " << relative_error(actual, expected.value)
         << ", allowed " << allowed / largest_magnitude(expected.value);
}

/// The values of an f32 or f64 view, widened.
inline std::vector<double> to_doubles(const View& view) {
  if (view.dtype == DType::f32) {
    const auto values = view.as<float>();
    return {values.begin(), values.end()};
  }
  const auto values = view.as<double>();
  return {values.begin(), values.end()};
}

/// Writes `values` to an f32 or f64 view of the same size.
inline void write_doubles(std::span<const double> values, const View& view) {
  DML_ASSERT(static_cast<std::int64_t>(values.size()) == view.elements, "a view of another size");
  if (view.dtype == DType::f32) {
    std::transform(values.begin(), values.end(), view.as<float>().begin(),
                   [](double value) { return static_cast<float>(value); });
  } else {
    std::copy(values.begin(), values.end(), view.as<double>().begin());
  }
}

/// The same wherever the view lies; waits for `stream`.
inline std::vector<double> to_doubles(const View& view, Stream& stream) {
  if (view.empty()) return {};
  const HostBuffer values(view.elements, view.dtype);
  stream.copy(view, values.view());
  stream.synchronize();
  return to_doubles(values.view());
}
inline void write_doubles(std::span<const double> values, const View& view, Stream& stream) {
  if (view.empty() && values.empty()) return;
  const HostBuffer written(view.elements, view.dtype);
  write_doubles(values, written.view());
  stream.copy(written.view(), view);
  stream.synchronize();
}

}  // namespace dml::test
