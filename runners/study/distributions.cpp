#include "runners/study/distributions.h"

#include <algorithm>
#include <cmath>
#include <string>
#include <utility>

#include "kernels/base/error.h"
#include "runners/study/bisection.h"

namespace dml {

namespace {

constexpr double kMaximumDf = 1e6;
constexpr double kMaximumBetaParameter = 1e6;
constexpr double kSmallestProbability = 1e-300;

/// A point of [0, 1] with what rounding would take from it when x is close to 0 or to 1.
struct UnitPoint {
  double x = 0, one_minus_x = 0;
  double log_x = 0, log_one_minus_x = 0;

  [[nodiscard]] UnitPoint mirrored() const { return {one_minus_x, x, log_one_minus_x, log_x}; }
};

/// x = df / (df + t^2) = 1 / (1 + r^2) for 0 <= t < infinity, without squaring a t that has no square.
UnitPoint beta_point(double t, double df) {
  const double r = t / std::sqrt(df);
  if (r < 1) {
    const double log_x = -std::log1p(r * r);
    return {1 / (1 + r * r), r * r / (1 + r * r), log_x, 2 * std::log(r) + log_x};
  }
  const double q = 1 / r;
  const double log_one_minus_x = -std::log1p(q * q);
  return {q * q / (1 + q * q), 1 / (1 + q * q), 2 * std::log(q) + log_one_minus_x, log_one_minus_x};
}

/// log Gamma(x) = (x - 1/2) log x - x + log(2 pi) / 2 + this, by Stirling's series (DLMF 5.11.1): five terms
/// leave less than 2e-14 from x = 10.
double stirling_remainder(double x) {
  const double z = 1 / (x * x);
  return (1.0 / 12 - z * (1.0 / 360 - z * (1.0 / 1260 - z * (1.0 / 1680 - z / 1188)))) / x;
}

/// log B(a, b). Where one parameter is large, log Gamma(b) - log Gamma(a + b) by the difference of Stirling's
/// series, whose large parts cancel on paper instead of in the last digits.
double log_beta(double a, double b) {
  if (a > b) std::swap(a, b);
  if (b < 10) return std::lgamma(a) + std::lgamma(b) - std::lgamma(a + b);
  return std::lgamma(a) + (b - 0.5) * std::log1p(-a / (a + b)) - a * std::log(a + b) + a +
         stirling_remainder(b) - stirling_remainder(a + b);
}

/// log(x^a (1-x)^b / (a B(a, b)))
double log_front_factor(double a, double b, const UnitPoint& point) {
  return a * point.log_x + b * point.log_one_minus_x - std::log(a) - log_beta(a, b);
}

/// 1 / (1 + d_1 / (1 + d_2 / (1 + ...))) of DLMF 8.17.22 by the modified Lentz algorithm (Thompson & Barnett,
/// 1986): the value is a running product of the ratios of successive numerators C and denominators 1 / D.
double beta_fraction(double a, double b, double x) {
  constexpr double kTiny = 1e-300;
  constexpr double kPrecision = 1e-16;
  const auto away_from_zero = [](double value) { return std::abs(value) < kTiny ? kTiny : value; };
  // Left of its turning point the fraction converges in O(sqrt(max(a, b))) terms.
  const double limit = 200 + 10 * std::sqrt(std::max(a, b));

  double numerators = 1;
  double denominators = 0;
  double value = 1;
  for (double m = 0; m < limit; ++m) {
    const double odd = -(a + m) * (a + b + m) * x / ((a + 2 * m) * (a + 2 * m + 1));
    const double even = (m + 1) * (b - m - 1) * x / ((a + 2 * m + 1) * (a + 2 * m + 2));
    double change = 1;
    for (const double d : {odd, even}) {
      denominators = 1 / away_from_zero(1 + d * denominators);
      numerators = away_from_zero(1 + d / numerators);
      change = numerators * denominators;
      value *= change;
    }
    if (std::abs(change - 1) <= kPrecision) return 1 / value;
  }
  throw InternalError("the incomplete beta function of a = " + std::to_string(a) +
                      ", b = " + std::to_string(b) + ", x = " + std::to_string(x) + " does not converge");
}

double incomplete_beta(double a, double b, const UnitPoint& point) {
  if (point.log_x == -INFINITY) return 0;
  if (point.log_one_minus_x == -INFINITY) return 1;
  if (point.x <= (a + 1) / (a + b + 2)) {
    return std::exp(log_front_factor(a, b, point)) * beta_fraction(a, b, point.x);
  }
  const UnitPoint mirrored = point.mirrored();
  return 1 - std::exp(log_front_factor(b, a, mirrored)) * beta_fraction(b, a, mirrored.x);
}

void check_df(double df) {
  DML_ASSERT(df >= 1 && df <= kMaximumDf, std::to_string(df) + " degrees of freedom");
}

/// P(|T| >= t) for t >= 0
double both_tails(double t, double df) {
  return std::isinf(t) ? 0 : incomplete_beta(df / 2, 0.5, beta_point(t, df));
}

/// P(|T| <= t) for t >= 0, with all its digits where t is close to 0
double both_sides_of_centre(double t, double df) {
  return std::isinf(t) ? 1 : incomplete_beta(0.5, df / 2, beta_point(t, df).mirrored());
}

double critical_value(double df, double alpha) {
  DML_ASSERT(alpha >= 2 * kSmallestProbability && alpha < 1, "alpha is " + std::to_string(alpha));
  const double critical = -student_t_quantile(alpha / 2, df);
  DML_ASSERT(critical <= kMaximumCriticalT, "the critical value of t is " + std::to_string(critical));
  return critical;
}

/// The mixture of two_sided_t_power. Poisson weights are relative to that of the first term and their sum
/// divides the whole; each beta tail follows from the one before by DLMF 8.17.21, I_x(a, b+1) = I_x(a, b) +
/// step(b) with step(b) = x^a (1-x)^b / (b B(a, b)).
double power_beyond(double critical, double noncentrality, double df) {
  // |T| > critical means |Z + noncentrality| > critical * s with s = sqrt(chi^2 / df), and P(s > 9) < 1e-18.
  if (noncentrality > 9 * critical + 9) return 1;
  const double mean = noncentrality * noncentrality / 2;
  // Outside of mean +- reach lies less than 1e-17 of the Poisson distribution (Bernstein's bound).
  const double reach = 9 * std::sqrt(mean) + 40;
  const double first = std::max(0.0, std::floor(mean - reach));
  const double last = std::ceil(mean + reach);

  const UnitPoint point = beta_point(critical, df);
  const double a = df / 2;
  double b = first + 0.5;
  double tail = incomplete_beta(a, b, point);
  double step = std::exp(log_front_factor(b, a, point.mirrored()));
  double weight = 1;
  double weights = 0;
  double sum = 0;
  for (double j = first; j <= last; ++j) {
    weights += weight;
    sum += weight * tail;
    weight *= mean / (j + 1);
    tail += step;
    step *= point.one_minus_x * (a + b) / (b + 1);
    ++b;
  }
  return std::min(1.0, sum / weights);
}

}  // namespace

double regularised_incomplete_beta(double a, double b, double x) {
  DML_ASSERT(a > 0 && a <= kMaximumBetaParameter, "a is " + std::to_string(a));
  DML_ASSERT(b > 0 && b <= kMaximumBetaParameter, "b is " + std::to_string(b));
  DML_ASSERT(x >= 0 && x <= 1, "x is " + std::to_string(x));
  return incomplete_beta(a, b, {x, 1 - x, std::log(x), std::log1p(-x)});
}

double student_t_cdf(double t, double df) {
  DML_ASSERT(!std::isnan(t), "t is not a number");
  check_df(df);
  const double tail = both_tails(std::abs(t), df) / 2;
  return t < 0 ? tail : 1 - tail;
}

double student_t_two_sided_p(double t, double df) {
  DML_ASSERT(!std::isnan(t), "t is not a number");
  check_df(df);
  return both_tails(std::abs(t), df);
}

double student_t_quantile(double p, double df) {
  DML_ASSERT(p >= kSmallestProbability && p < 1, "p is " + std::to_string(p));
  check_df(df);
  if (p == 0.5) return 0;
  // 1 - p loses nothing for p >= 1/2, nor does 1 - 2 * tail where it is used.
  const double tail = p < 0.5 ? p : 1 - p;
  const double inside = 1 - 2 * tail;
  const double distance = last_not_beyond([&](double t) {
    return tail < 0.25 ? both_tails(t, df) < 2 * tail : both_sides_of_centre(t, df) > inside;
  });
  return p < 0.5 ? -distance : distance;
}

double two_sided_t_power(double noncentrality, double df, double alpha) {
  DML_ASSERT(noncentrality >= 0, "the noncentrality is " + std::to_string(noncentrality));
  return power_beyond(critical_value(df, alpha), noncentrality, df);
}

double two_sided_t_noncentrality(double power, double df, double alpha) {
  DML_ASSERT(power > alpha && power < 1, "the power is " + std::to_string(power));
  const double critical = critical_value(df, alpha);
  return last_not_beyond(
      [&](double noncentrality) { return power_beyond(critical, noncentrality, df) > power; });
}

}  // namespace dml
