#!/usr/bin/env python3
"""Computes what a study's report says again, from its runs.jsonl, with scipy.

    python3 benchmarks/recompute_findings.py STUDY_DIR [--engine ./dml_engine]

Every mean, interval, p value (paired t-test, Holm) and detectable difference (the power of the test by integration) that `report --json` prints is
held against scipy's, relative difference at most 1e-6; and every sentence that claims or denies a difference in accuracy or
speed against those numbers. Exit code 1 when one of them is not so. Needs numpy and scipy.
"""
import argparse
import json
import math
import pathlib
import sys

import numpy as np
from scipy import integrate, optimize, stats

from measurement import find_engine, run_json

LEVEL, POWER, CONFIDENCE, BOUND = 0.05, 0.8, 0.95, 1e-6


def interval(values, confidence=CONFIDENCE):
    if len(values) < 2:
        return None
    half = stats.t.ppf((1 + confidence) / 2, len(values) - 1) * np.std(values, ddof=1) / math.sqrt(len(values))
    return [np.mean(values) - half, np.mean(values) + half]


def holm(p_values):
    known = sorted((p, i) for i, p in enumerate(p_values) if p is not None)
    adjusted, largest = [None] * len(p_values), 0
    for rank, (p, i) in enumerate(known):
        largest = max(largest, min(1, (len(known) - rank) * p))
        adjusted[i] = largest
    return adjusted


def detectable(sd, n, alpha):
    critical = stats.t.ppf(1 - alpha / 2, n - 1)

    def power(noncentrality):
        # T > c given the chi of the denominator is a normal tail; scipy's own nct gives up on some of these.
        def tail(u):
            scale = math.sqrt(u / (n - 1))
            upper = stats.norm.sf(critical * scale - noncentrality)
            return (upper + stats.norm.cdf(-critical * scale - noncentrality)) * stats.chi2.pdf(u, n - 1)
        return integrate.quad(tail, 0, stats.chi2.isf(1e-14, n - 1), limit=400, epsabs=1e-12)[0]
    return optimize.brentq(lambda d: power(d) - POWER, 1e-9, 1e3, xtol=1e-12) * sd / math.sqrt(n)


class Checker:
    def __init__(self):
        self.compared, self.wrong = 0, []

    def same(self, what, ours, theirs):
        self.compared += 1
        if ours is None or theirs is None:
            if ours is not theirs:
                self.wrong.append(f'{what}: {ours} in the report, {theirs} by scipy')
            return
        if isinstance(ours, list):
            return [self.same(what, a, b) for a, b in zip(ours, theirs)]
        if abs(ours - theirs) > BOUND * max(abs(theirs), 1e-3):
            self.wrong.append(f'{what}: {ours} in the report, {theirs} by scipy')

    def holds(self, what, condition):
        self.compared += 1
        if not condition:
            self.wrong.append(what)


def pairs(a, b):
    both = [(x, y) for x, y in zip(a, b) if x is not None and y is not None]
    return np.array([x for x, _ in both]), np.array([y for _, y in both])


def check_section(checker, section, reported, ids_of, runs):
    def values(arm, read):
        records = [runs.get(i) for i in ids_of(arm)]
        return [read(r['result']) if r and r['result'] else None for r in records]
    accuracy = [values(arm, lambda r: 100 * r['test_accuracy']) for arm in section['arms']]
    speed = [values(arm, lambda r: math.log(r['samples_per_second'])) for arm in section['arms']]
    base = section['baseline']
    p_values, comparisons = [], []
    for i in range(len(section['arms'])):
        a, b = pairs(accuracy[i], accuracy[base])
        differences = a - b
        p = None
        if i != base and len(a) >= 2:
            p = 1.0 if not np.any(differences) else float(stats.ttest_rel(a, b).pvalue)
        p_values.append(p)
        comparisons.append(differences)
    adjusted = holm(p_values)
    tests = sum(p is not None for p in p_values)
    sentences = reported['findings']
    for i, arm in enumerate(reported['arms']):
        name = f"{section['name']} / {arm['name']}"
        there = [v for v in accuracy[i] if v is not None]
        checker.same(name + ': accuracy', arm['accuracy_percent'], float(np.mean(there)) if there else None)
        checker.same(name + ': interval', arm['accuracy_interval'], interval(there))
        if i == base or len(comparisons[i]) < 2:
            continue
        differences, identical = comparisons[i], not np.any(comparisons[i])
        checker.same(name + ': difference', arm['difference_points'], float(np.mean(differences)))
        checker.same(name + ': its interval', arm['difference_interval'], interval(differences))
        checker.same(name + ': p', arm['p'], p_values[i])
        checker.same(name + ': p corrected', arm['p_corrected'], adjusted[i])
        if not identical:
            checker.same(name + ': detectable', arm['detectable_points'],
                         detectable(np.std(differences, ddof=1), len(differences), LEVEL / tests))
        claimed = any(s.startswith(f"{arm['name']} is ") and ' accurate than ' in s for s in sentences)
        denied = any(s.startswith(f"No difference in accuracy was found between {arm['name']} and ") for s in sentences)
        equal = any(s.startswith(f"{arm['name']} and ") and 'same accuracy in every seed' in s for s in sentences)
        differs = adjusted[i] < LEVEL and not identical
        checker.holds(f'{name}: a difference is claimed', claimed == differs)
        checker.holds(f'{name}: a difference is denied', denied == (not differs and not identical))
        checker.holds(f'{name}: equality is claimed', equal == identical)
        a, b = pairs(speed[i], speed[base])
        low, high = interval(a - b, 1 - LEVEL / (len(section['arms']) - 1))  # for all arms together
        checker.same(name + ': speed', arm['speed_log_ratio_interval'], [low, high])
        faster = any(s.startswith(f"{arm['name']} trains ") for s in sentences)
        checker.holds(f'{name}: a difference in speed is claimed', faster == (not low <= 0 <= high))


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument('study', type=pathlib.Path)
    parser.add_argument('--engine')
    options = parser.parse_args()
    report = run_json([find_engine(options.engine), 'report', options.study, '--json'])
    study = json.loads((options.study / 'study.json').read_text())
    records = [json.loads(line) for line in (options.study / 'runs.jsonl').read_text().splitlines()]
    runs = {record['id']: record for record in records}
    run_files = {record['id']: json.loads((options.study / 'runs' / record['id'] / 'run.json').read_text())
                 for record in records if record['result']}
    # Which run belongs to which arm is read off the command lines, not off the report's own bookkeeping.
    by_flags = {}
    for run, file in run_files.items():
        words = file['arguments'][2:]  # program, train
        words = words[:words.index('--run-dir')]
        seed = words[words.index('--seed') + 1]
        flags = tuple(words[:words.index('--seed')])
        by_flags[flags, seed] = run
    checker = Checker()
    for section, reported in zip(study['sections'], report['sections']):
        def ids_of(arm):
            return [by_flags.get((tuple(arm['arguments']), str(seed))) for seed in study['seeds']]
        check_section(checker, section, reported, ids_of, runs)
    for line in checker.wrong:
        print(line)
    print(f'{checker.compared} numbers and sentences compared, {len(checker.wrong)} of them wrong')
    return 1 if checker.wrong or not checker.compared else 0


if __name__ == '__main__':
    sys.exit(main())
