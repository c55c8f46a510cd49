// What a study says about its arms: every arm is run with the same few seeds, so that two arms are compared
// seed by seed (in pairs) and what the seeds share cancels.
//
// Results have the unit of the values given. The order of values, or of pairs, never changes a result by a
// bit. What needs more values than there are is empty instead of a number that means nothing. Values that are
// not finite, and arguments outside the stated ranges, are mistakes of the caller: InternalError. (A run
// whose loss became NaN has no accuracy to average; how to count it is the study's decision.)
//
// Intervals and p values of means assume that the values (for pairs: the differences) of different seeds are
// independent and about normally distributed.
#pragma once

#include <cstdint>
#include <optional>
#include <span>
#include <vector>

namespace dml {

struct Interval {
  double low = 0;
  double high = 0;
};

struct MeanInterval {
  std::int64_t n = 0;
  double mean = 0;
  std::optional<double> sd;          ///< of the sample, divisor n - 1; from two values
  std::optional<Interval> interval;  ///< from two values
};

/// mean +- t * sd / sqrt(n), where |T| of Student's distribution with n - 1 degrees of freedom stays below t
/// with probability `confidence` in (0, 1). 1 to 1e6 values. Values that are all equal have sd 0 and an
/// interval without width. For a band over a curve, call it point by point: the band covers each point with
/// `confidence`, not all of them at once.
MeanInterval mean_interval(std::span<const double> values, double confidence);

struct PairedComparison {
  MeanInterval difference;  ///< of value - baseline, over pairs
  std::optional<double> p;  ///< two-sided; from two pairs
  bool identical = false;   ///< every value equals its baseline, as when both arms compute the same
};

/// The paired t-test of Student (1908): t = mean / (sd / sqrt(n)) of the differences, n - 1 degrees of
/// freedom. Pair i is values[i] and baseline[i]; as many of one as of the other, 1 to 1e6.
///
/// Differences without any spread have no t. Where all of them are 0 (`identical`), nothing speaks for a
/// difference: p = 1. Where all of them are the same other number, p = 0, the limit for sd -> 0. Differences
/// that are the same but for rounding come close to that limit: their p is tiny and its digits mean nothing.
///
/// `grain`: the values are counts in steps of this size (an accuracy over n test samples: 1 / n), 0 for
/// values that are not. The sd of differences is then taken for at least grain / sqrt(6), that of two counts'
/// rounding: equal differences of a few coarse values are a coincidence, and no certainty.
PairedComparison compare_paired(std::span<const double> values, std::span<const double> baseline,
                                double confidence, double grain = 0);

/// p values of one family of comparisons, corrected so that the chance of any false rejection in the family
/// stays below the level they are compared with: Holm, "A simple sequentially rejective multiple test
/// procedure" (1979). With p_(1) <= ... <= p_(m):
///   adjusted p_(k) = max over i <= k of min(1, (m - i + 1) p_(i))
/// Results stand where their p values stood. Entries without a p stay without and do not count for m.
std::vector<std::optional<double>> holm_adjusted(std::span<const std::optional<double>> p_values);

/// The true mean difference that a two-sided paired t-test of n pairs at level `alpha` finds with probability
/// `power`, in the unit of sd_of_differences: noncentrality * sd / sqrt(n), where the noncentral t
/// distribution with n - 1 degrees of freedom has that power. Divide alpha by the number of comparisons where
/// p values are corrected: Holm's procedure rejects at least what Bonferroni's does, so that the answer is on
/// the safe side.
///
/// sd_of_differences >= 0, n up to 1e6, alpha in [2e-300, 1), power in (alpha, 1). Empty for n < 2, and where
/// the critical t is above 1e5 (n = 2 with alpha below 6.4e-6, n = 3 with alpha below 1e-10): such a test
/// finds nothing that a study could show. The answer is as uncertain as the sd it starts from: with five
/// pairs the true sd lies between 0.6 and 2.9 times the sample's (95 %).
std::optional<double> smallest_detectable_difference(double sd_of_differences, std::int64_t n, double alpha,
                                                     double power);

/// The q quantile, q in [0, 1]: linear between the order statistics around position (n - 1) q, type 7 of
/// Hyndman & Fan, "Sample quantiles in statistical packages" (1996); numpy's default. At least one value.
double quantile(std::span<const double> values, double q);
double median(std::span<const double> values);

/// The middle four fifths of the values.
struct Spread {
  double p10 = 0;
  double p90 = 0;
};
Spread spread(std::span<const double> values);

/// Where the probability of success lies after `successes` of 1 to 1e6 `trials`: Clopper &
/// Pearson, "The use of confidence or fiducial limits" (1934), from quantiles of the beta distribution.
///
/// Chosen over Wilson's interval, which is narrower, because rates of interest here are near 0 and 1 (48 of
/// 50) and Wilson's covers them with less than `confidence` there; this one covers every rate with at least
/// `confidence`. It ends at 0 or 1 exactly where no or every trial succeeded.
Interval proportion_interval(std::int64_t successes, std::int64_t trials, double confidence);

}  // namespace dml
