#!/usr/bin/env python3
"""How often the right rank and phase are named when one is slowed down, and anyone when none is.

    python3 benchmarks/straggler_detection.py [--runs 50] [--seed 0] [--out docs/results/stragglers]

Slowed runs and clean ones alternate. A slowed run draws rank, phase and kind at random: a delay of 20 % of a step (as the
clean runs so far took), or a factor of 1.2 on forward or backward. Writes OUT.json and OUT.md. Needs nothing but Python.
"""
import argparse
import random
import statistics

from measurement import ROOT, circumstances, circumstances_text, find_engine, run_json, write_results

PHASES = ['forward', 'backward', 'communicate']


def step_ms(result):
    return 1e3 * result['train_seconds'] / result['steps']


def draw(generator, ranks, usual_ms):
    """The value of --slow, and the rank and phase it names."""
    rank, phase = generator.randrange(ranks), generator.choice(PHASES)
    by_factor = phase != 'communicate' and generator.random() < 0.5
    how = 'factor=1.2' if by_factor else f'ms={0.2 * usual_ms:.4f}'
    return f'rank={rank},phase={phase},{how}', rank, phase


def named(result):
    found = result['straggler']
    return (found['rank'], found['phase']) if found else None


def row(entry):
    verdict = 'nobody' if entry['named'] is None else f"rank {entry['named'][0]}, {entry['named'][1]}"
    share = '' if entry['share_of_step'] is None else f"{100 * entry['share_of_step']:.0f} %"
    return f"| {entry['slow'] or 'nobody'} | {verdict} | {share} | {'yes' if entry['right'] else '**no**'} |"


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument('--runs', type=int, default=50)
    parser.add_argument('--seed', type=int, default=0)
    parser.add_argument('--ranks', type=int, default=2)
    parser.add_argument('--limit-train', type=int, default=60000)
    parser.add_argument('--engine', help='the program to measure [./dml_engine]')
    parser.add_argument('--out', default=ROOT / 'docs/results/stragglers')
    options = parser.parse_args()
    train = [find_engine(options.engine), 'train', '--json', '--quiet', '--mode', 'data-parallel', '--ranks', str(options.ranks), '--batch', '64', '--epochs', '1', '--eval-every', '0',
             '--limit-train', str(options.limit_train)]
    generator = random.Random(options.seed)
    entries, usual = [], [step_ms(run_json(train))]
    for number in range(options.runs):
        slow, rank, phase = draw(generator, options.ranks, statistics.median(usual))
        for injected in ([slow, None] if number % 2 else [None, slow]):
            result = run_json(train + (['--slow', injected] if injected else []))
            if injected is None:
                usual.append(step_ms(result))
            truth = (rank, phase) if injected else None
            found = result['straggler']
            entries.append({'slow': injected, 'named': named(result), 'right': named(result) == truth,
                            'share_of_step': found['share_of_step'] if found else None,
                            'consistency': found['consistency'] if found else None,
                            'step_ms': step_ms(result), 'phases': [r['step_phase_milliseconds'] for r in result['ranks']]})
            print(len(entries), row(entries[-1]), flush=True)
    slowed = [e for e in entries if e['slow']]
    clean = [e for e in entries if not e['slow']]
    right, accused = sum(e['right'] for e in slowed), sum(not e['right'] for e in clean)
    command = (f'python3 benchmarks/straggler_detection.py --runs {options.runs} --seed {options.seed} --ranks {options.ranks} '
               f'--limit-train {options.limit_train}')
    where = circumstances()
    write_results(options.out, {'command': command, 'circumstances': where, 'median_step_ms': statistics.median(usual),
                                'slowed_runs': len(slowed), 'named_right': right, 'clean_runs': len(clean),
                                'accused': accused, 'runs': entries}, f"""# Naming the slow rank

    {command}

{circumstances_text(where, {})}

lenet on Fashion-MNIST, {options.ranks} replicas of one thread, batch 64, one epoch of {options.limit_train} samples; a step takes
{statistics.median(usual):.3f} ms (median of the clean runs). How ranks are compared: `engine/train/straggler.h`.

- Slowed on purpose by 20 % of a step or a factor of 1.2: rank and phase were named right in **{right} of {len(slowed)}** runs.
- Nobody slowed: somebody was accused in **{accused} of {len(clean)}** runs.

| slowed | named | excess, share of a step | right |
| :-- | :-- | --: | :-- |
""" + '\n'.join(row(e) for e in entries) + '\n')
    print(f'{right} of {len(slowed)} right, {accused} of {len(clean)} accused')


if __name__ == '__main__':
    main()
