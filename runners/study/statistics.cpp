#include "runners/study/statistics.h"

#include <algorithm>
#include <cmath>
#include <functional>
#include <numeric>
#include <string>

#include "kernels/base/error.h"
#include "runners/study/bisection.h"
#include "runners/study/distributions.h"

namespace dml {

namespace {

void check_probability(double value, const char* name) {
  DML_ASSERT(value > 0 && value < 1, std::string(name) + " is " + std::to_string(value));
}

/// A copy in ascending order, which makes every sum below independent of the order of seeds.
std::vector<double> sorted(std::span<const double> values) {
  DML_ASSERT(!values.empty(), "there are no values");
  DML_ASSERT(std::ranges::all_of(values, [](double value) { return std::isfinite(value); }),
             "a value is not finite");
  std::vector<double> ascending(values.begin(), values.end());
  std::ranges::sort(ascending);
  return ascending;
}

/// The mean and sum of squares relative to a value from the middle, so that equal values have that very mean
/// and no spread, and close ones keep their digits.
MeanInterval mean_interval_of_sorted(const std::vector<double>& ascending, double confidence) {
  check_probability(confidence, "the confidence");
  const auto n = static_cast<double>(ascending.size());
  const double origin = ascending[ascending.size() / 2];
  const double offset =
      std::accumulate(ascending.begin(), ascending.end(), 0.0,
                      [origin](double sum, double value) { return sum + (value - origin); }) /
      n;
  MeanInterval result;
  result.n = static_cast<std::int64_t>(ascending.size());
  result.mean = origin + offset;
  if (result.n < 2) return result;

  const double range = ascending.back() - ascending.front();
  double squares = 0;  // in units of range^2, so that nothing overflows or vanishes
  for (const double value : ascending) {
    if (range > 0) squares += std::pow((value - origin - offset) / range, 2);
  }
  result.sd = range * std::sqrt(squares / (n - 1));
  const double t = -student_t_quantile((1 - confidence) / 2, n - 1);
  const double half_width = t * *result.sd / std::sqrt(n);
  result.interval = {result.mean - half_width, result.mean + half_width};
  return result;
}

double quantile_of_sorted(const std::vector<double>& ascending, double q) {
  DML_ASSERT(q >= 0 && q <= 1, "q is " + std::to_string(q));
  const double position = static_cast<double>(ascending.size() - 1) * q;
  const auto below = static_cast<std::size_t>(position);
  const std::size_t above = std::min(below + 1, ascending.size() - 1);
  return std::lerp(ascending[below], ascending[above], position - std::floor(position));
}

/// The rate with which `successes` or more of `trials` have probability `tail`. At a given rate, k or more of
/// n have probability I_rate(k, n - k + 1) (DLMF 8.17.5).
double lower_limit(std::int64_t successes, std::int64_t trials, double tail) {
  if (successes == 0) return 0;
  const auto a = static_cast<double>(successes);
  const auto b = static_cast<double>(trials - successes + 1);
  return last_not_beyond([&](double rate) { return regularised_incomplete_beta(a, b, rate) > tail; });
}

}  // namespace

MeanInterval mean_interval(std::span<const double> values, double confidence) {
  return mean_interval_of_sorted(sorted(values), confidence);
}

PairedComparison compare_paired(std::span<const double> values, std::span<const double> baseline,
                                double confidence, double grain) {
  DML_ASSERT(values.size() == baseline.size(), std::to_string(values.size()) + " values, " +
                                                   std::to_string(baseline.size()) + " of the baseline");
  std::vector<double> differences(values.size());
  std::ranges::transform(values, baseline, differences.begin(), std::minus<>());
  differences = sorted(differences);

  PairedComparison result;
  result.difference = mean_interval_of_sorted(differences, confidence);
  result.identical = differences.front() == 0 && differences.back() == 0;
  if (!result.difference.sd) return result;

  const auto n = static_cast<double>(result.difference.n);
  const double least = grain / std::sqrt(6.0);
  if (!result.identical && *result.difference.sd < least) {
    const double mean = result.difference.mean;
    const double half = student_t_quantile((1 + confidence) / 2, n - 1) * least / std::sqrt(n);
    result.difference.sd = least;
    result.difference.interval = Interval{mean - half, mean + half};
  }
  const double sd = *result.difference.sd;
  if (result.identical) {
    result.p = 1;
  } else if (sd == 0) {
    result.p = 0;
  } else {
    result.p = student_t_two_sided_p(result.difference.mean / (sd / std::sqrt(n)), n - 1);
  }
  return result;
}

std::vector<std::optional<double>> holm_adjusted(std::span<const std::optional<double>> p_values) {
  std::vector<std::size_t> ascending;
  for (std::size_t i = 0; i < p_values.size(); ++i) {
    if (!p_values[i]) continue;
    DML_ASSERT(*p_values[i] >= 0 && *p_values[i] <= 1, "p is " + std::to_string(*p_values[i]));
    ascending.push_back(i);
  }
  std::ranges::sort(ascending, {}, [&](std::size_t i) { return *p_values[i]; });

  std::vector<std::optional<double>> adjusted(p_values.size());
  double largest = 0;
  for (std::size_t k = 0; k < ascending.size(); ++k) {
    const auto hypotheses_left = static_cast<double>(ascending.size() - k);
    largest = std::max(largest, std::min(1.0, hypotheses_left * *p_values[ascending[k]]));
    adjusted[ascending[k]] = largest;
  }
  return adjusted;
}

std::optional<double> smallest_detectable_difference(double sd_of_differences, std::int64_t n, double alpha,
                                                     double power) {
  DML_ASSERT(sd_of_differences >= 0 && std::isfinite(sd_of_differences),
             "the sd is " + std::to_string(sd_of_differences));
  check_probability(alpha, "alpha");
  DML_ASSERT(power > alpha && power < 1, "the power is " + std::to_string(power));
  if (n < 2) return std::nullopt;

  const auto df = static_cast<double>(n - 1);
  if (-student_t_quantile(alpha / 2, df) > kMaximumCriticalT) return std::nullopt;
  return two_sided_t_noncentrality(power, df, alpha) * sd_of_differences / std::sqrt(static_cast<double>(n));
}

double quantile(std::span<const double> values, double q) {
  return quantile_of_sorted(sorted(values), q);
}

double median(std::span<const double> values) {
  return quantile(values, 0.5);
}

Spread spread(std::span<const double> values) {
  const std::vector<double> ascending = sorted(values);
  return {quantile_of_sorted(ascending, 0.1), quantile_of_sorted(ascending, 0.9)};
}

Interval proportion_interval(std::int64_t successes, std::int64_t trials, double confidence) {
  check_probability(confidence, "the confidence");
  DML_ASSERT(trials > 0 && successes >= 0 && successes <= trials,
             std::to_string(successes) + " successes of " + std::to_string(trials) + " trials");
  const double tail = (1 - confidence) / 2;
  return {lower_limit(successes, trials, tail), 1 - lower_limit(trials - successes, trials, tail)};
}

}  // namespace dml
