// Intervals, comparisons, corrections and quantiles: scipy's values, what has to hold for every sample, and
// the cases where there is no number to give.
#include "runners/study/statistics.h"

#include <algorithm>
#include <cmath>
#include <gtest/gtest.h>
#include <limits>
#include <optional>
#include <random>
#include <vector>

#include "kernels/base/error.h"
#include "tests/runners/study/near.h"
#include "tests/runners/study/statistics_golden.h"

namespace dml::test {
namespace {

// Samples have few values of like size and scipy's arithmetic is double precision, too; where the mean of
// differences is 100 times smaller than the values, their rounding is 100 * 2^-53 of it.
constexpr double kTolerance = 1e-12;
// scipy's noncentral t and quantiles of the beta distribution agree with 25 digits to 1e-11 at least.
constexpr double kScipyTolerance = 1e-10;

constexpr double kInfinity = std::numeric_limits<double>::infinity();
constexpr double kNaN = std::numeric_limits<double>::quiet_NaN();

using Values = std::vector<double>;
using PValues = std::vector<std::optional<double>>;

TEST(ComparePaired, IsScipys) {
  for (const GoldenPaired& golden : kGoldenPaired) {
    SCOPED_TRACE(::testing::Message() << golden.values.size() << " pairs");
    const PairedComparison comparison = compare_paired(golden.values, golden.baseline, 0.95);
    EXPECT_EQ(comparison.difference.n, golden.values.size());
    EXPECT_TRUE(near(comparison.difference.mean, golden.mean, kTolerance));
    EXPECT_TRUE(near(comparison.difference.sd.value(), golden.sd, kTolerance));
    EXPECT_TRUE(near(comparison.difference.interval.value().low, golden.low, kTolerance));
    EXPECT_TRUE(near(comparison.difference.interval.value().high, golden.high, kTolerance));
    EXPECT_TRUE(near(comparison.p.value(), golden.p, kTolerance));
    EXPECT_FALSE(comparison.identical);
  }
}

TEST(ComparePaired, IsTheMeanIntervalOfTheDifferences) {
  for (const GoldenPaired& golden : kGoldenPaired) {
    Values differences;
    for (std::size_t i = 0; i < golden.values.size(); ++i) {
      differences.push_back(golden.values[i] - golden.baseline[i]);
    }
    const MeanInterval of_differences = mean_interval(differences, 0.95);
    EXPECT_EQ(of_differences.n, golden.values.size());
    EXPECT_TRUE(near(of_differences.mean, golden.mean, kTolerance));
    EXPECT_TRUE(near(of_differences.sd.value(), golden.sd, kTolerance));
    EXPECT_TRUE(near(of_differences.interval.value().low, golden.low, kTolerance));
    EXPECT_TRUE(near(of_differences.interval.value().high, golden.high, kTolerance));
  }
}

TEST(ComparePaired, DoesNotDependOnTheOrderOfSeedsByABit) {
  std::mt19937_64 random(7);
  for (const GoldenPaired& golden : kGoldenPaired) {
    const PairedComparison before = compare_paired(golden.values, golden.baseline, 0.9);
    std::vector<std::size_t> order(golden.values.size());
    for (std::size_t i = 0; i < order.size(); ++i) order[i] = i;
    for (int repeat = 0; repeat < 10; ++repeat) {
      std::shuffle(order.begin(), order.end(), random);
      Values values;
      Values baseline;
      for (const std::size_t i : order) {
        values.push_back(golden.values[i]);
        baseline.push_back(golden.baseline[i]);
      }
      const PairedComparison after = compare_paired(values, baseline, 0.9);
      EXPECT_EQ(after.difference.mean, before.difference.mean);
      EXPECT_EQ(after.difference.sd, before.difference.sd);
      EXPECT_EQ(after.difference.interval.value().low, before.difference.interval.value().low);
      EXPECT_EQ(after.difference.interval.value().high, before.difference.interval.value().high);
      EXPECT_EQ(after.p, before.p);
    }
  }
}

TEST(ComparePaired, MirrorsWhenTheArmsAreSwapped) {
  for (const GoldenPaired& golden : kGoldenPaired) {
    const PairedComparison there = compare_paired(golden.values, golden.baseline, 0.95);
    const PairedComparison back = compare_paired(golden.baseline, golden.values, 0.95);
    EXPECT_TRUE(near(back.difference.mean, -there.difference.mean, kTolerance));
    EXPECT_TRUE(
        near(back.difference.interval.value().low, -there.difference.interval.value().high, kTolerance));
    EXPECT_TRUE(near(back.p.value(), there.p.value(), kTolerance));
  }
}

TEST(ComparePaired, ExcludesZeroExactlyWherePIsBelowAlpha) {
  for (const GoldenPaired& golden : kGoldenPaired) {
    for (const double margin : {-1e-6, 1e-6}) {
      const double alpha = std::clamp(golden.p * (1 + margin), 1e-12, 1 - 1e-12);
      const Interval interval =
          compare_paired(golden.values, golden.baseline, 1 - alpha).difference.interval.value();
      EXPECT_EQ(interval.low > 0 || interval.high < 0, golden.p < alpha) << "p " << golden.p;
    }
  }
}

TEST(ComparePaired, SaysThatIdenticalArmsAreIdentical) {
  const Values accuracies = {0.91, 0.9, 0.93};
  const PairedComparison comparison = compare_paired(accuracies, accuracies, 0.95);
  EXPECT_TRUE(comparison.identical);
  EXPECT_EQ(comparison.p, 1);
  EXPECT_EQ(comparison.difference.mean, 0);
  EXPECT_EQ(comparison.difference.sd, 0);
  EXPECT_EQ(comparison.difference.interval.value().low, 0);
  EXPECT_EQ(comparison.difference.interval.value().high, 0);

  const PairedComparison nearly = compare_paired(Values{0.91, 0.9, 0.93}, Values{0.91, 0.9, 0.930001}, 0.95);
  EXPECT_FALSE(nearly.identical);
  EXPECT_NEAR(nearly.p.value(), 0.42, 0.01) << "one difference of three: t = -1";
}

TEST(ComparePaired, TakesTheLimitWhereDifferencesHaveNoSpread) {
  const PairedComparison comparison = compare_paired(Values{1.5, 2.5, -0.5}, Values{1, 2, -1}, 0.95);
  EXPECT_FALSE(comparison.identical);
  EXPECT_EQ(comparison.p, 0);
  EXPECT_EQ(comparison.difference.mean, 0.5);
  EXPECT_EQ(comparison.difference.sd, 0);
  EXPECT_EQ(comparison.difference.interval.value().low, 0.5);
  EXPECT_EQ(comparison.difference.interval.value().high, 0.5);
}

TEST(ComparePaired, HasNoPOfOnePair) {
  const PairedComparison comparison = compare_paired(Values{0.75}, Values{0.5}, 0.95);
  EXPECT_EQ(comparison.difference.n, 1);
  EXPECT_EQ(comparison.difference.mean, 0.25);
  EXPECT_FALSE(comparison.difference.sd || comparison.difference.interval || comparison.p ||
               comparison.identical);
  EXPECT_TRUE(compare_paired(Values{0.5}, Values{0.5}, 0.95).identical);
  EXPECT_FALSE(compare_paired(Values{0.5}, Values{0.5}, 0.95).p);
}

TEST(ComparePaired, KeepsItsDigitsFarFromZeroAndAtAnyScale) {
  const double shift = 0x1p40;  // differences stay exact
  const PairedComparison far = compare_paired(Values{shift + 1, shift + 2, shift + 4}, Values{0, 0, 0}, 0.95);
  EXPECT_EQ(far.difference.mean, shift + 7.0 / 3);
  EXPECT_TRUE(near(far.difference.sd.value(), std::sqrt(7.0 / 3), 1e-4)) << "rounding of the mean is 2^-13";
  for (const double scale : {1e-200, 1e200}) {
    const PairedComparison scaled = compare_paired(Values{scale, -scale, 0, scale}, Values{0, 0, 0, 0}, 0.95);
    EXPECT_TRUE(near(scaled.difference.sd.value(), scale * std::sqrt(2.75 / 3), kTolerance));
    EXPECT_TRUE(near(scaled.p.value(),
                     compare_paired(Values{1, -1, 0, 1}, Values{0, 0, 0, 0}, 0.95).p.value(), 1e-12));
  }
}

TEST(MeanInterval, WidensWithConfidenceAndHasNoneForOneValue) {
  const Values values = {3, 1, 2, 7};
  double width = 0;
  for (const double confidence : {0.5, 0.9, 0.95, 0.999}) {
    const Interval interval = mean_interval(values, confidence).interval.value();
    EXPECT_DOUBLE_EQ((interval.low + interval.high) / 2, 3.25);
    EXPECT_GT(interval.high - interval.low, width);
    width = interval.high - interval.low;
  }
  const MeanInterval single = mean_interval(Values{0.1}, 0.95);
  EXPECT_EQ(single.n, 1);
  EXPECT_EQ(single.mean, 0.1);
  EXPECT_FALSE(single.sd || single.interval);
  const MeanInterval equal = mean_interval(Values{0.1, 0.1, 0.1, 0.1, 0.1, 0.1, 0.1}, 0.95);
  EXPECT_EQ(equal.mean, 0.1) << "the sum of seven tenths is not seven times a tenth";
  EXPECT_EQ(equal.sd, 0);
}

TEST(HolmAdjusted, StepsDown) {
  // 4 * 0.005, 3 * 0.01, 2 * 0.03, and 0.04 raised to the one before.
  const PValues adjusted = holm_adjusted(PValues{0.01, 0.04, 0.03, 0.005});
  const Values expected = {0.03, 0.06, 0.06, 0.02};
  for (std::size_t i = 0; i < 4; ++i) EXPECT_DOUBLE_EQ(adjusted[i].value(), expected[i]) << i;
}

TEST(HolmAdjusted, DoesNotCountWhatHasNoP) {
  const PValues adjusted = holm_adjusted(PValues{std::nullopt, 0.02, std::nullopt, 0.5, 0.01});
  EXPECT_FALSE(adjusted[0] || adjusted[2]);
  EXPECT_DOUBLE_EQ(adjusted[4].value(), 0.03);
  EXPECT_DOUBLE_EQ(adjusted[1].value(), 0.04);
  EXPECT_DOUBLE_EQ(adjusted[3].value(), 0.5);
  EXPECT_TRUE(holm_adjusted({}).empty());
  EXPECT_EQ(holm_adjusted(PValues{std::nullopt}), PValues{std::nullopt});
  EXPECT_EQ(holm_adjusted(PValues{0.3}), PValues{0.3});
  EXPECT_EQ(holm_adjusted(PValues{0.0, 1.0, 1.0}), (PValues{0.0, 1.0, 1.0}));
}

/// Holm's procedure is the closed test of Bonferroni's: a hypothesis falls when every set that holds it
/// falls.
double closed_bonferroni(const Values& p, std::size_t i) {
  double adjusted = 0;
  for (unsigned set = 0; set < 1U << p.size(); ++set) {
    if ((set >> i & 1U) == 0) continue;
    double members = 0;
    double smallest = 1;
    for (std::size_t j = 0; j < p.size(); ++j) {
      if ((set >> j & 1U) == 0) continue;
      ++members;
      smallest = std::min(smallest, p[j]);
    }
    adjusted = std::max(adjusted, std::min(1.0, members * smallest));
  }
  return adjusted;
}

TEST(HolmAdjusted, IsTheClosedTestOfBonferroni) {
  std::mt19937_64 random(1979);
  for (int repeat = 0; repeat < 200; ++repeat) {
    Values p(1 + repeat % 7);
    for (double& value : p) value = std::pow(std::uniform_real_distribution<>()(random), 3);
    if (repeat % 3 == 0) p.back() = p.front();  // ties
    const PValues adjusted = holm_adjusted(PValues(p.begin(), p.end()));
    for (std::size_t i = 0; i < p.size(); ++i) EXPECT_DOUBLE_EQ(adjusted[i].value(), closed_bonferroni(p, i));
  }
}

TEST(SmallestDetectableDifference, IsScipys) {
  for (const GoldenDetectable& golden : kGoldenDetectable) {
    for (const double sd : {1.0, 0.003}) {
      EXPECT_TRUE(near(smallest_detectable_difference(sd, golden.n, golden.alpha, golden.power).value(),
                       sd * golden.difference, kScipyTolerance))
          << golden.n << " pairs at " << golden.alpha << " with power " << golden.power;
    }
  }
}

TEST(SmallestDetectableDifference, ShrinksWithPairsAndGrowsWithDemands) {
  const auto difference = [](int n, double alpha, double power) {
    return smallest_detectable_difference(0.01, n, alpha, power).value();
  };
  for (int n = 2; n < 50; ++n) {
    EXPECT_GT(difference(n, 0.05, 0.8), difference(n + 1, 0.05, 0.8)) << n;
    EXPECT_GT(difference(n, 0.01, 0.8), difference(n, 0.05, 0.8)) << n;
    EXPECT_GT(difference(n, 0.05, 0.9), difference(n, 0.05, 0.8)) << n;
  }
  EXPECT_EQ(smallest_detectable_difference(0, 5, 0.05, 0.8), 0);
}

TEST(SmallestDetectableDifference, IsEmptyWhereNothingCanBeFound) {
  EXPECT_FALSE(smallest_detectable_difference(1, 0, 0.05, 0.8));
  EXPECT_FALSE(smallest_detectable_difference(1, 1, 0.05, 0.8));
  EXPECT_TRUE(smallest_detectable_difference(1, 2, 6.5e-6, 0.8));
  EXPECT_FALSE(smallest_detectable_difference(1, 2, 6.3e-6, 0.8));
  EXPECT_FALSE(smallest_detectable_difference(1, 3, 9e-11, 0.8));
}

TEST(Quantile, IsNumpys) {
  for (const GoldenSample& golden : kGoldenSamples) {
    SCOPED_TRACE(golden.values.size());
    EXPECT_NEAR(quantile(golden.values, 0.25), golden.p25, 1e-15);
    EXPECT_NEAR(median(golden.values), golden.p50, 1e-15);
    EXPECT_NEAR(spread(golden.values).p10, golden.p10, 1e-15);
    EXPECT_NEAR(spread(golden.values).p90, golden.p90, 1e-15);
    EXPECT_EQ(quantile(golden.values, 0), *std::ranges::min_element(golden.values));
    EXPECT_EQ(quantile(golden.values, 1), *std::ranges::max_element(golden.values));
  }
}

TEST(ProportionInterval, IsScipys) {
  for (const GoldenProportion& golden : kGoldenProportions) {
    SCOPED_TRACE(::testing::Message()
                 << golden.successes << " of " << golden.trials << " at " << golden.confidence);
    const Interval interval = proportion_interval(golden.successes, golden.trials, golden.confidence);
    EXPECT_TRUE(near(interval.low, golden.low, kScipyTolerance));
    EXPECT_TRUE(near(interval.high, golden.high, kScipyTolerance));
  }
}

TEST(ProportionInterval, ReachesTheEndsExactly) {
  EXPECT_EQ(proportion_interval(0, 50, 0.95).low, 0);
  EXPECT_EQ(proportion_interval(50, 50, 0.95).high, 1);
  EXPECT_TRUE(near(proportion_interval(50, 50, 0.95).low, std::pow(0.025, 1.0 / 50), kTolerance));
}

TEST(Statistics, RefuseWhatTheyAreNotMadeFor) {
  const Values two = {1, 2};
  for (const double probability : {-0.5, 0.0, 1.0, 95.0, kNaN}) {
    EXPECT_THROW(mean_interval(two, probability), InternalError) << probability;
    EXPECT_THROW(mean_interval(Values{1}, probability), InternalError) << probability;
    EXPECT_THROW(compare_paired(two, two, probability), InternalError) << probability;
    EXPECT_THROW(proportion_interval(1, 2, probability), InternalError) << probability;
    EXPECT_THROW(smallest_detectable_difference(1, 5, probability, 0.8), InternalError) << probability;
    EXPECT_THROW(smallest_detectable_difference(1, 5, 0.05, probability), InternalError) << probability;
  }
  EXPECT_THROW(smallest_detectable_difference(1, 5, 0.1, 0.1), InternalError)
      << "reached without any difference";
  for (const double sd : {-1.0, kInfinity, kNaN}) {
    EXPECT_THROW(smallest_detectable_difference(sd, 5, 0.05, 0.8), InternalError) << sd;
  }
  for (const Values& values : {Values{}, Values{1, kNaN}, Values{1, kInfinity}}) {
    EXPECT_THROW(mean_interval(values, 0.95), InternalError);
    EXPECT_THROW(compare_paired(values, values, 0.95), InternalError);
    EXPECT_THROW(median(values), InternalError);
    EXPECT_THROW(spread(values), InternalError);
  }
  EXPECT_THROW(compare_paired(two, Values{1}, 0.95), InternalError);
  for (const double q : {-0.1, 1.1, kNaN}) EXPECT_THROW(quantile(two, q), InternalError) << q;
  for (const double p : {-0.1, 1.1, kNaN}) EXPECT_THROW(holm_adjusted(PValues{p}), InternalError) << p;
  EXPECT_THROW(proportion_interval(0, 0, 0.95), InternalError);
  EXPECT_THROW(proportion_interval(-1, 5, 0.95), InternalError);
  EXPECT_THROW(proportion_interval(6, 5, 0.95), InternalError);
}

}  // namespace
}  // namespace dml::test
