// Relative comparison of doubles; NaN is near nothing.
#pragma once

#include <cmath>
#include <gtest/gtest.h>

namespace dml::test {

inline ::testing::AssertionResult near(double actual, double expected, double relative) {
  if (std::abs(actual - expected) <= relative * std::abs(expected)) return ::testing::AssertionSuccess();
  return ::testing::AssertionFailure() << actual << " instead of " << expected << ", "
                                       << std::abs(actual - expected) / std::abs(expected) << " of it apart";
}

}  // namespace dml::test
