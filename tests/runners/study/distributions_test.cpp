// Student's t, its noncentral power and the incomplete beta function: scipy's values, closed forms, and what
// holds for every argument.
#include "runners/study/distributions.h"

#include <cmath>
#include <gtest/gtest.h>
#include <limits>
#include <numbers>
#include <vector>

#include "kernels/base/error.h"
#include "tests/runners/study/near.h"
#include "tests/runners/study/statistics_golden.h"

namespace dml::test {
namespace {

// A p of 1e-300 is the exponential of -690, whose rounding alone is 690 * 2^-53 = 8e-14 of it; a dozen
// roundings like that one are 1e-12, which is what the header promises. scipy's tails are as good.
constexpr double kTailTolerance = 1e-12;
// scipy's quantiles of t and noncentral t agree with 40 digits to 1e-11 where the table has them.
constexpr double kScipyTolerance = 1e-10;

constexpr double kInfinity = std::numeric_limits<double>::infinity();
constexpr double kNaN = std::numeric_limits<double>::quiet_NaN();
const std::vector<double> kDegrees = {1, 1.5, 2, 3, 4, 5, 9, 19, 49, 100, 333, 1000};

TEST(StudentT, HasScipysTails) {
  for (const GoldenTail& golden : kGoldenTails) {
    SCOPED_TRACE(::testing::Message() << "t " << golden.t << " with df " << golden.df);
    EXPECT_TRUE(near(student_t_two_sided_p(golden.t, golden.df), golden.two_sided_p, kTailTolerance));
    EXPECT_TRUE(near(student_t_cdf(-golden.t, golden.df), golden.two_sided_p / 2, kTailTolerance));
    EXPECT_TRUE(near(student_t_cdf(golden.t, golden.df), 1 - golden.two_sided_p / 2, kTailTolerance));
  }
}

TEST(StudentT, HasScipysQuantiles) {
  for (const GoldenQuantile& golden : kGoldenQuantiles) {
    SCOPED_TRACE(::testing::Message() << "p " << golden.p << " with df " << golden.df);
    EXPECT_TRUE(near(student_t_quantile(golden.p, golden.df), golden.t, kScipyTolerance));
  }
}

TEST(StudentT, FindsTheQuantilesOfScipysTails) {
  for (const GoldenTail& golden : kGoldenTails) {
    if (golden.t < 0.1) continue;  // there p has fewer digits of t than t has
    SCOPED_TRACE(::testing::Message() << "t " << golden.t << " with df " << golden.df);
    EXPECT_TRUE(near(student_t_quantile(golden.two_sided_p / 2, golden.df), -golden.t, kTailTolerance * 10));
  }
}

TEST(StudentT, HasItsClosedFormsForOneAndTwoDegreesOfFreedom) {
  for (const double p : {1e-300, 1e-200, 1e-20, 1e-3, 0.2, 0.3, 0.49}) {
    SCOPED_TRACE(p);
    EXPECT_TRUE(near(student_t_quantile(p, 1), -1 / std::tan(std::numbers::pi * p), kTailTolerance));
    EXPECT_TRUE(near(student_t_quantile(p, 2), (2 * p - 1) / std::sqrt(2 * p * (1 - p)), kTailTolerance));
  }
}

TEST(StudentT, IsNearlyNormalForManyDegreesOfFreedom) {
  // Fisher's expansion of the tail in 1 / df: P(T > t) = Q(t) + phi(t) ((t^3 + t) / (4 df) + c(t) / df^2 +
  // ...), where |c| phi < 200 Q for t up to 3.
  constexpr double kDf = 1e6;
  for (const double t : {0.1, 1.0, 2.0, 3.0}) {
    const double density = std::exp(-t * t / 2) / std::sqrt(2 * std::numbers::pi);
    const double expected = std::erfc(t / std::numbers::sqrt2) + 2 * density * (t * t * t + t) / (4 * kDf);
    EXPECT_TRUE(near(student_t_two_sided_p(t, kDf), expected, 200 / (kDf * kDf))) << t;
  }
}

TEST(StudentT, IsSymmetric) {
  for (const double df : kDegrees) {
    for (const double t : {0.0, 1e-9, 0.3, 1.0, 2.0, 7.0, 300.0}) {
      EXPECT_DOUBLE_EQ(student_t_cdf(-t, df) + student_t_cdf(t, df), 1) << t << " with df " << df;
      EXPECT_EQ(student_t_two_sided_p(-t, df), student_t_two_sided_p(t, df)) << t << " with df " << df;
      EXPECT_DOUBLE_EQ(student_t_two_sided_p(t, df), 2 * student_t_cdf(-t, df)) << t << " with df " << df;
    }
    for (const double p : {0.0078125, 0.125, 0.25, 0.375, 0.4375}) {  // 1 - p is exact
      EXPECT_EQ(student_t_quantile(p, df), -student_t_quantile(1 - p, df)) << p << " with df " << df;
    }
    EXPECT_EQ(student_t_quantile(0.5, df), 0);
    EXPECT_EQ(student_t_two_sided_p(0, df), 1);
  }
}

TEST(StudentT, FallsFromTheCentreToTheTails) {
  for (const double df : kDegrees) {
    double before = 1;
    for (double t = 0.01; t < 40; t *= 1.05) {  // through the seam of the continued fraction
      const double p = student_t_two_sided_p(t, df);
      EXPECT_LT(p, before) << t << " with df " << df;
      before = p;
    }
    EXPECT_EQ(student_t_two_sided_p(kInfinity, df), 0);
    EXPECT_EQ(student_t_cdf(kInfinity, df), 1);
    EXPECT_EQ(student_t_cdf(-kInfinity, df), 0);
  }
}

TEST(StudentT, LosesNothingCloseToTheCentre) {
  // The density at 0 of df = 2 is 1 / sqrt(8).
  const double p = 0.5 + 0x1p-40;
  EXPECT_TRUE(near(student_t_quantile(p, 2), 0x1p-40 * std::sqrt(8), kTailTolerance));
}

TEST(StudentT, QuantileUndoesTheDistribution) {
  for (const double df : kDegrees) {
    for (const double p : {1e-290, 1e-30, 1e-3, 0.1, 0.2499, 0.25, 0.2501, 0.4, 0.6, 0.7501, 0.999}) {
      EXPECT_TRUE(near(student_t_cdf(student_t_quantile(p, df), df), p, kTailTolerance))
          << p << " with df " << df;
    }
  }
}

TEST(IncompleteBeta, HasItsClosedForms) {
  for (const double x : {0x1p-40, 0x1p-6, 0.25, 0.5, 0.75, 1 - 0x1p-10}) {
    for (const double c : {0.5, 1.0, 3.0, 12.0, 250.0}) {
      EXPECT_TRUE(near(regularised_incomplete_beta(c, 1, x), std::pow(x, c), kTailTolerance))
          << x << " " << c;
      EXPECT_TRUE(near(regularised_incomplete_beta(1, c, x), -std::expm1(c * std::log1p(-x)), kTailTolerance))
          << x << " " << c;
      EXPECT_TRUE(near(regularised_incomplete_beta(c, c, 0.5), 0.5, kTailTolerance)) << c;
      // DLMF 8.17.4; 1 - x is exact
      EXPECT_NEAR(regularised_incomplete_beta(c, 4, x) + regularised_incomplete_beta(4, c, 1 - x), 1, 1e-13);
    }
  }
  for (const double c : {1e4, 1e6}) {
    EXPECT_TRUE(near(regularised_incomplete_beta(c, c, 0.5), 0.5, 2 * c * std::log(2 * c) * 0x1p-52)) << c;
  }
  EXPECT_EQ(regularised_incomplete_beta(3, 2, 0), 0);
  EXPECT_EQ(regularised_incomplete_beta(3, 2, 1), 1);
}

TEST(Power, IsScipys) {
  for (const GoldenPower& golden : kGoldenPowers) {
    EXPECT_TRUE(
        near(two_sided_t_power(golden.noncentrality, golden.df, golden.alpha), golden.power, kScipyTolerance))
        << "noncentrality " << golden.noncentrality << " with df " << golden.df << " at " << golden.alpha;
  }
}

TEST(Power, GrowsFromAlphaToOne) {
  for (const double df : {1.0, 4.0, 9.0, 49.0}) {
    for (const double alpha : {1e-4, 0.05, 0.5}) {
      EXPECT_TRUE(near(two_sided_t_power(0, df, alpha), alpha, kTailTolerance)) << "df " << df;
      double before = 0;
      for (double noncentrality = 0; before < 0.999; noncentrality += 0.1 + noncentrality / 10) {
        const double power = two_sided_t_power(noncentrality, df, alpha);
        EXPECT_GT(power, before) << noncentrality << " with df " << df << " at " << alpha;
        before = power;
      }
      EXPECT_EQ(two_sided_t_power(1e9, df, alpha), 1);
      EXPECT_EQ(two_sided_t_power(kInfinity, df, alpha), 1);
    }
  }
}

TEST(Power, IsReachedAtItsNoncentrality) {
  for (const double df : {1.0, 4.0, 49.0, 1000.0}) {
    for (const double alpha : {1e-3, 0.05}) {
      for (const double power : {alpha * 1.01, 0.5, 0.8, 0.999}) {
        const double noncentrality = two_sided_t_noncentrality(power, df, alpha);
        EXPECT_TRUE(near(two_sided_t_power(noncentrality, df, alpha), power, kTailTolerance))
            << power << " with df " << df << " at " << alpha;
      }
    }
  }
}

TEST(Power, HoldsUpToTheLargestCriticalValue) {
  // As critical values grow, Z no longer matters beside the noncentrality: |T| > critical becomes chi_1 <
  // noncentrality / critical, up to O(1 / critical^2). P(chi_1 < x) = erf(x / sqrt(2)).
  const double alpha = 1e-5;
  const double critical = -student_t_quantile(alpha / 2, 1);
  const double power = std::erf(1 / std::numbers::sqrt2);
  EXPECT_TRUE(near(two_sided_t_power(critical, 1, alpha), power, 1e-9));
  EXPECT_TRUE(near(two_sided_t_noncentrality(power, 1, alpha), critical, 1e-9));
}

TEST(Distributions, RefuseWhatTheyAreNotMadeFor) {
  for (const double df : {0.0, 0.5, -1.0, 1.1e6, kInfinity, kNaN}) {
    EXPECT_THROW(student_t_cdf(1, df), InternalError) << df;
    EXPECT_THROW(student_t_two_sided_p(1, df), InternalError) << df;
    EXPECT_THROW(student_t_quantile(0.1, df), InternalError) << df;
    EXPECT_THROW(two_sided_t_power(1, df, 0.05), InternalError) << df;
  }
  EXPECT_THROW(student_t_cdf(kNaN, 3), InternalError);
  EXPECT_THROW(student_t_two_sided_p(kNaN, 3), InternalError);
  for (const double p : {-0.1, 0.0, 1e-301, 1.0, kNaN}) {
    EXPECT_THROW(student_t_quantile(p, 3), InternalError) << p;
    EXPECT_THROW(two_sided_t_power(1, 3, p), InternalError) << p;
    EXPECT_THROW(two_sided_t_noncentrality(p, 3, 0.05), InternalError) << p;
  }
  EXPECT_THROW(two_sided_t_noncentrality(0.05, 3, 0.05), InternalError) << "reached without any difference";
  EXPECT_THROW(two_sided_t_power(-1, 3, 0.05), InternalError);
  EXPECT_THROW(two_sided_t_power(kNaN, 3, 0.05), InternalError);
  EXPECT_THROW(two_sided_t_power(1, 1, 6e-6), InternalError) << "beyond kMaximumCriticalT";
  for (const double bad : {0.0, -1.0, 1.1e6, kNaN}) {
    EXPECT_THROW(regularised_incomplete_beta(bad, 1, 0.5), InternalError) << bad;
    EXPECT_THROW(regularised_incomplete_beta(1, bad, 0.5), InternalError) << bad;
  }
  for (const double x : {-0.1, 1.1, kNaN})
    EXPECT_THROW(regularised_incomplete_beta(1, 2, x), InternalError) << x;
}

}  // namespace
}  // namespace dml::test
