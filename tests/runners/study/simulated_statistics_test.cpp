// What the statistics promise about repetitions, held against repetitions: how often intervals cover, tests
// reject and differences are found. Seeds are fixed; bounds are four standard errors of the count, sqrt(p (1
// - p) / repeats).
#include <algorithm>
#include <cmath>
#include <gtest/gtest.h>
#include <optional>
#include <random>
#include <vector>

#include "runners/study/statistics.h"

namespace dml::test {
namespace {

constexpr int kRepeats = 4000;

double four_standard_errors(double probability) {
  return 4 * std::sqrt(probability * (1 - probability) / kRepeats);
}

/// Pairs share their baseline's luck, as runs with the same seed do.
struct Pairs {
  std::vector<double> values, baseline;
};

Pairs simulated_pairs(std::mt19937_64& random, int n, double mean_difference, double sd_of_differences) {
  std::normal_distribution<> normal;
  Pairs pairs;
  for (int i = 0; i < n; ++i) {
    pairs.baseline.push_back(0.9 + 0.02 * normal(random));
    pairs.values.push_back(pairs.baseline.back() + mean_difference + sd_of_differences * normal(random));
  }
  return pairs;
}

TEST(Simulated, MeanIntervalsCoverTheMean) {
  std::mt19937_64 random(1);
  for (const int n : {2, 3, 5, 20}) {
    for (const double confidence : {0.8, 0.95}) {
      std::normal_distribution<> normal(3, 0.5);
      int covered = 0;
      for (int repeat = 0; repeat < kRepeats; ++repeat) {
        std::vector<double> values(n);
        for (double& value : values) value = normal(random);
        const Interval interval = mean_interval(values, confidence).interval.value();
        if (interval.low <= 3 && 3 <= interval.high) ++covered;
      }
      EXPECT_NEAR(covered / double{kRepeats}, confidence, four_standard_errors(confidence)) << n << " values";
    }
  }
}

TEST(Simulated, PairedTestsRejectEqualArmsAtTheirLevel) {
  std::mt19937_64 random(2);
  for (const int n : {2, 5, 10}) {
    for (const double alpha : {0.05, 0.3}) {
      int rejected = 0;
      for (int repeat = 0; repeat < kRepeats; ++repeat) {
        const Pairs pairs = simulated_pairs(random, n, 0, 0.003);
        if (compare_paired(pairs.values, pairs.baseline, 0.95).p.value() < alpha) ++rejected;
      }
      EXPECT_NEAR(rejected / double{kRepeats}, alpha, four_standard_errors(alpha)) << n << " pairs";
    }
  }
}

TEST(Simulated, TheSmallestDetectableDifferenceIsFoundWithItsPower) {
  std::mt19937_64 random(3);
  const double sd = 0.003;
  for (const int n : {2, 5, 10}) {
    for (const double alpha : {0.05, 0.01}) {
      const double power = 0.8;
      const double difference = smallest_detectable_difference(sd, n, alpha, power).value();
      int found = 0;
      for (int repeat = 0; repeat < kRepeats; ++repeat) {
        const Pairs pairs = simulated_pairs(random, n, difference, sd);
        if (compare_paired(pairs.values, pairs.baseline, 0.95).p.value() < alpha) ++found;
      }
      EXPECT_NEAR(found / double{kRepeats}, power, four_standard_errors(power)) << n << " pairs at " << alpha;
    }
  }
}

TEST(Simulated, HolmRejectsNoneOfEqualArmsAtItsLevel) {
  std::mt19937_64 random(4);
  const double alpha = 0.2;
  int any = 0;
  for (int repeat = 0; repeat < kRepeats; ++repeat) {
    std::vector<std::optional<double>> p;
    for (int arm = 0; arm < 5; ++arm) {
      const Pairs pairs = simulated_pairs(random, 5, 0, 0.003);
      p.push_back(compare_paired(pairs.values, pairs.baseline, 0.95).p);
    }
    bool rejected = false;
    for (const std::optional<double>& adjusted : holm_adjusted(p)) rejected |= adjusted.value() < alpha;
    if (rejected) ++any;
  }
  // Of five independent true hypotheses the smallest p is below alpha / 5 with this probability.
  const double expected = 1 - std::pow(1 - alpha / 5, 5);
  EXPECT_NEAR(any / double{kRepeats}, expected, four_standard_errors(expected));
}

TEST(Computed, ProportionIntervalsCoverEveryRateAtLeastWithTheirConfidence) {
  // No simulation: all outcomes of 50 trials with their probabilities.
  constexpr int kTrials = 50;
  for (const double confidence : {0.8, 0.95}) {
    std::vector<Interval> intervals;
    for (int k = 0; k <= kTrials; ++k) intervals.push_back(proportion_interval(k, kTrials, confidence));
    double most = 0;
    for (double rate = 0.0025; rate < 1; rate += 0.0025) {
      double covered = 0;
      for (int k = 0; k <= kTrials; ++k) {
        if (rate < intervals[k].low || rate > intervals[k].high) continue;
        covered += std::exp(std::lgamma(kTrials + 1) - std::lgamma(k + 1) - std::lgamma(kTrials - k + 1) +
                            k * std::log(rate) + (kTrials - k) * std::log1p(-rate));
      }
      EXPECT_GE(covered, confidence) << "rate " << rate;
      if (rate > 0.3 && rate < 0.7) most = std::max(most, covered);
    }
    EXPECT_LT(most, confidence + (1 - confidence) * 0.7) << "wider than it has to be";
  }
}

}  // namespace
}  // namespace dml::test
