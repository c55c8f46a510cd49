// Student's t, central and noncentral, and the incomplete beta function that both of them are.
//
// Tails are computed as tails, never as one minus the rest, so that a p of 1e-300 has as many correct digits
// as one of 0.3. Relative errors are below 1e-12 for 1 to 1000 degrees of freedom, and below 1e-10 up to a
// million.
//
// Arguments outside the stated ranges, NaN among them, are mistakes of the caller: InternalError.
#pragma once

namespace dml {

/// I_x(a, b) = 1 / B(a, b) * integral from 0 to x of s^(a-1) (1-s)^(b-1) ds, by the continued fraction of
/// DLMF 8.17.22, https://dlmf.nist.gov/8.17.E22. a and b in (0, 1e6], x in [0, 1]. For large s = a + b
/// relative errors grow like s log(s) 2^-52, the rounding of logarithms that cancel.
double regularised_incomplete_beta(double a, double b, double x);

/// P(T <= t) for T of Student's distribution with df in [1, 1e6] degrees of freedom; t may be infinite.
double student_t_cdf(double t, double df);

/// P(|T| >= |t|) = I_x(df/2, 1/2) with x = df / (df + t^2) (Abramowitz & Stegun 26.7.1).
double student_t_two_sided_p(double t, double df);

/// The t with P(T <= t) = p, for p in [1e-300, 1). Large quantiles come best from small p: the t beyond which
/// |T| has probability alpha is -student_t_quantile(alpha / 2, df).
double student_t_quantile(double p, double df);

/// Largest critical value of t for which power is computed (with df = 1: alpha from 6.4e-6). The sum below
/// has about ten times as many terms.
inline constexpr double kMaximumCriticalT = 1e5;

/// How often a two-sided t-test at level alpha in [2e-300, 1) rejects when its statistic is noncentral t with
/// df degrees of freedom and the given noncentrality >= 0, rejections to the wrong side included.
///
/// The square of that statistic is noncentral F with (1, df) degrees of freedom: a Poisson mixture of beta
/// tails (Johnson, Kotz & Balakrishnan, Continuous Univariate Distributions 2, 1995, chapter 30), none of its
/// terms negative. With x = df / (df + critical^2):
///   power = sum over j >= 0 of Poisson(j; noncentrality^2 / 2) * I_x(df/2, j + 1/2)
double two_sided_t_power(double noncentrality, double df, double alpha);

/// The noncentrality >= 0 at which two_sided_t_power is `power` in (alpha, 1).
double two_sided_t_noncentrality(double power, double df, double alpha);

}  // namespace dml
