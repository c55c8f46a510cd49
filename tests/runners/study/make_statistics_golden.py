#!/usr/bin/env python3
"""Writes statistics_golden.h beside it: what scipy says about the statistics of a study.

    python3 tests/runners/study/make_statistics_golden.py

Needs scipy (written with 1.17). Tests never run this script.

scipy is asked where it is accurate. Tails of t come from betainc, since stats.t.sf loses the far ones; quantiles
only from p in [1e-12, 0.45], outside of which stats.t.ppf is wrong in the ninth digit or infinite; limits of
proportions from quantiles of the beta distribution, since binomtest solves to 2e-12 absolute.
"""
import pathlib

import numpy as np
import scipy
from scipy import optimize, special, stats

OUT = pathlib.Path(__file__).resolve().with_name('statistics_golden.h')
CONFIDENCE = 0.95


def two_sided_p(t, df):
    if t * t < df:
        return special.betaincc(0.5, df / 2, t * t / (df + t * t))
    return special.betainc(df / 2, 0.5, df / (df + t * t))


def t_rows():
    for df in (1, 2, 3, 4, 5, 9, 10, 19, 30, 49, 100, 500, 1000):
        # From the centre to where p is about 1e-285, or 1e-298.
        farthest = np.sqrt(df) * np.sqrt(np.exp(2 * 660 / df) - 1) if df > 2 else 1e149
        for t in (0.001, 0.5, 1.0, 1.7, 2.5, 4.0, 12.0, farthest**0.5, float(f'{0.9 * farthest:.4g}')):
            yield df, t, two_sided_p(t, df)


def quantile_rows():
    for df in (1, 2, 4, 7, 24, 49, 200, 1000):
        for p in (1e-12, 1e-6, 0.0005, 0.005, 0.025, 0.1, 0.24, 0.26, 0.45):
            yield df, p, stats.t.ppf(p, df)


def paired_rows():
    rng = np.random.default_rng(1908)
    for n, effect, scale in ((2, 0.0, 1.0), (3, 0.01, 0.01), (5, 0.004, 0.002), (5, -3.0, 1.0), (10, 0.0, 50.0),
                             (20, 0.1, 0.5), (50, -0.01, 0.02)):
        baseline = np.round(rng.normal(0.9, scale, n), 6)
        values = np.round(baseline + rng.normal(effect, scale, n), 6)
        test = stats.ttest_rel(values, baseline)
        interval = test.confidence_interval(CONFIDENCE)
        differences = values - baseline
        yield values, baseline, differences.mean(), differences.std(ddof=1), interval.low, interval.high, test.pvalue


def power(noncentrality, df, alpha):
    """Both tails of the noncentral t, the lower one as its mirror image: stats.nct.cdf of tails below 1e-15 is NaN."""
    critical = stats.t.isf(alpha / 2, df)
    return stats.nct.sf(critical, df, noncentrality) + stats.nct.sf(critical, df, -noncentrality)


def power_rows():
    for df, noncentrality, alpha in ((1, 0.5, 0.05), (1, 20, 0.05), (1, 700, 0.001), (2, 4, 0.01), (4, 0.3, 0.05),
                                     (4, 3.5, 0.05), (4, 6, 0.05 / 12), (9, 2.8, 0.05), (9, 7.5, 0.001),
                                     (19, 3, 0.01), (49, 1.5, 0.05), (49, 4.5, 0.001), (200, 5, 1e-5)):
        yield df, noncentrality, alpha, power(noncentrality, df, alpha)


def detectable_rows():
    for n, alpha, wanted in ((2, 0.05, 0.5), (3, 0.05, 0.8), (5, 0.05, 0.8), (5, 0.05 / 10, 0.9), (10, 0.05, 0.8),
                             (20, 0.01, 0.95), (50, 0.05, 0.8), (50, 0.05 / 45, 0.8)):
        noncentrality = optimize.brentq(lambda d: power(d, n - 1, alpha) - wanted, 1e-3, 100, xtol=1e-13)
        yield n, alpha, wanted, noncentrality / np.sqrt(n)


def proportion_rows():
    for successes, trials in ((0, 1), (1, 1), (0, 50), (1, 50), (25, 50), (48, 50), (50, 50), (3, 7), (990, 1000)):
        for confidence in (0.9, 0.95, 0.99):
            tail = (1 - confidence) / 2
            low = stats.beta.ppf(tail, successes, trials - successes + 1) if successes else 0.0
            high = stats.beta.isf(tail, successes + 1, trials - successes) if successes < trials else 1.0
            yield successes, trials, confidence, low, high


def quantile7_rows():
    rng = np.random.default_rng(1996)
    for n in (1, 2, 3, 5, 11, 20):
        values = np.round(rng.normal(0, 1, n), 4)
        yield (values, *np.quantile(values, (0.1, 0.25, 0.5, 0.9)))


def literal(cell):
    if isinstance(cell, np.ndarray):
        return '{' + ', '.join(literal(x) for x in cell) + '}'
    return str(cell) if isinstance(cell, int) else repr(float(cell))


def table(comment, kind, fields, name, rows):
    yield f'/// {comment}'
    yield f'struct {kind} {{'
    yield from (f'  {field};' for field in fields)
    yield '};'
    yield f'inline const std::vector<{kind}> {name} = {{'
    yield from ('    {' + ', '.join(literal(cell) for cell in row) + '},' for row in rows)
    yield '};'
    yield ''


def lines():
    yield f'// What scipy {scipy.__version__} says. Written by make_statistics_golden.py; do not edit.'
    yield '#pragma once'
    yield ''
    yield '#include <vector>'
    yield ''
    yield '// clang-format off'
    yield 'namespace dml::test {'
    yield ''
    yield from table('P(|T| >= t)', 'GoldenTail', ['double df, t, two_sided_p'], 'kGoldenTails', t_rows())
    yield from table('P(T <= t) = p', 'GoldenQuantile', ['double df, p, t'], 'kGoldenQuantiles', quantile_rows())
    yield from table(f'Paired t-tests, intervals of {CONFIDENCE}', 'GoldenPaired',
                     ['std::vector<double> values, baseline', 'double mean, sd, low, high, p'], 'kGoldenPaired',
                     paired_rows())
    yield from table('Power of two-sided t-tests', 'GoldenPower', ['double df, noncentrality, alpha, power'],
                     'kGoldenPowers', power_rows())
    yield from table('Detectable difference in units of the sd of differences', 'GoldenDetectable',
                     ['int n', 'double alpha, power, difference'], 'kGoldenDetectable', detectable_rows())
    yield from table('Clopper-Pearson limits', 'GoldenProportion',
                     ['int successes, trials', 'double confidence, low, high'], 'kGoldenProportions',
                     proportion_rows())
    yield from table('Quantiles of type 7', 'GoldenSample', ['std::vector<double> values', 'double p10, p25, p50, p90'],
                     'kGoldenSamples', quantile7_rows())
    yield '}  // namespace dml::test'
    yield '// clang-format on'


OUT.write_text('\n'.join(lines()) + '\n')
