#!/usr/bin/env python3
"""Test accuracy of lenet after two epochs over several seeds, in every mode, against PyTorch.

    python3 benchmarks/accuracy.py                                       10 seeds x 4 modes on Fashion-MNIST, minutes
    python3 benchmarks/accuracy.py --torch-seeds 20 --jobs 2             measures the PyTorch side again as well
    python3 benchmarks/accuracy.py --dataset mnist --data-dir DIR --seeds 5 --out docs/results/accuracy-mnist

Batch 32, lr 0.01, momentum 0.9, PyTorch's initialisation on both sides; seeds 0, 1, ... name initial weights and order.
Writes OUT.json and OUT.md. Exit code 1 when a mode misses its target: a mean within 0.5 points of PyTorch's on
Fashion-MNIST, at least 98.3 % on MNIST.
"""
import argparse
import concurrent.futures
import math
import pathlib
import statistics
import sys

from measurement import (ROOT, TORCH_PEER, circumstances, circumstances_text, find_engine, interpreters_with_torch,
                         markdown_table, run_json, shown, write_results)

MODES = {
    'single': ['--mode', 'single'],
    'data-parallel-allreduce': ['--mode', 'data-parallel', '--ranks', '2', '--aggregate', 'allreduce'],
    'data-parallel-allgather': ['--mode', 'data-parallel', '--ranks', '2', '--aggregate', 'allgather'],
    'model-parallel': ['--mode', 'model-parallel', '--ranks', '2'],
}
# PyTorch 1.13 (Debian) on one thread, measured once with the settings above: mean and standard deviation in percent.
KNOWN_TORCH = {'fashion-mnist': {'mean': 87.70, 'sd': 0.64, 'seeds': 20, 'source': 'measured earlier, PyTorch 1.13'},
               'mnist': {'mean': 98.60, 'sd': 0.15, 'seeds': 5, 'source': 'measured earlier, PyTorch 1.13'}}
LARGEST_DIFFERENCE = {'fashion-mnist': 0.5}
LEAST_MEAN = {'mnist': 98.3}


def describe(percents):
    return {'mean': statistics.mean(percents), 'sd': statistics.stdev(percents) if len(percents) > 1 else 0.0,
            'seeds': len(percents), 'min': min(percents), 'max': max(percents), 'values': percents}


def run_seeds(label, commands, jobs):
    """Test accuracy in percent and last-epoch training loss of each command, `jobs` at a time."""
    with concurrent.futures.ThreadPoolExecutor(jobs) as pool:
        results = []
        for result in pool.map(run_json, commands):
            results.append(result)
            print(f"  {label:24s} seed {result['seed']:3d}: {100 * result['test_accuracy']:.2f} %, "
                  f"loss {result['final_train_loss']:.4f}", file=sys.stderr, flush=True)
    samples = {result['test_samples'] for result in results}
    if samples != {10000}:
        sys.exit(f'{label}: tested on {samples} samples instead of 10000')
    return {**describe([100 * result['test_accuracy'] for result in results]),
            'final_train_loss': describe([result['final_train_loss'] for result in results]),
            'command': shown(commands[0])}


def judge(mode, torch, dataset):
    """Adds the difference to PyTorch, its standard error and whether the target is met."""
    mode['difference'] = mode['mean'] - torch['mean']
    mode['standard_error'] = math.hypot(mode['sd'] / math.sqrt(mode['seeds']), torch['sd'] / math.sqrt(torch['seeds']))
    mode['met'] = (abs(mode['difference']) <= LARGEST_DIFFERENCE.get(dataset, math.inf) and
                   mode['mean'] >= LEAST_MEAN.get(dataset, -math.inf))


def report(results):
    def row(name, figures):
        loss = figures.get('final_train_loss')
        difference = f"{figures['difference']:+.2f} +- {figures['standard_error']:.2f}" if 'met' in figures else ''
        extremes = f"{figures['min']:.2f} .. {figures['max']:.2f}" if 'min' in figures else ''
        return [name, figures['seeds'], f"{figures['mean']:.2f}", f"{figures['sd']:.2f}", extremes,
                f"{loss['mean']:.4f}" if loss else '', difference,
                {True: 'met', False: '**missed**'}.get(figures.get('met'), '')]
    torch = results['torch']
    rows = [row(f"PyTorch ({torch['source']})", torch), *(row(*item) for item in results['modes'].items())]
    target = (f"within {LARGEST_DIFFERENCE[results['dataset']]} points of PyTorch's mean"
              if results['dataset'] in LARGEST_DIFFERENCE else f"mean at least {LEAST_MEAN[results['dataset']]} %")
    text = (f"# Test accuracy of lenet on {results['dataset']}, {results['epochs']} epochs\n\n" +
            circumstances_text(results['circumstances'], results['versions']) +
            f"\n\nMade by `{results['command']}`. Batch 32, lr 0.01, momentum 0.9; 10,000 test samples. "
            f'Target: {target}; the difference to PyTorch comes with its standard error.\n\n')
    text += markdown_table(['', 'seeds', 'mean %', 'sd', 'min .. max', 'last-epoch loss', 'difference', 'target'], rows)
    text += '\nCommands, with the first seed:\n\n'
    text += ''.join(f"- {name}: `{mode['command']}`\n" for name, mode in results['modes'].items())
    return text + (f"- PyTorch: `{torch['command']}`\n" if 'command' in torch else '')


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument('--modes', nargs='+', choices=list(MODES), default=list(MODES))
    parser.add_argument('--seeds', type=int, default=10)
    parser.add_argument('--epochs', type=int, default=2, help='the targets are for two')
    parser.add_argument('--dataset', choices=list(KNOWN_TORCH), default='fashion-mnist')
    parser.add_argument('--data-dir', help='[the usual places]')
    parser.add_argument('--torch-seeds', type=int, default=0, help='measure PyTorch, so many seeds [known figures]')
    parser.add_argument('--jobs', type=int, default=1, help='runs of one thread at a time [1]')
    parser.add_argument('--engine', help='[./dml_engine, or the newest one under build/]')
    parser.add_argument('--python', help='an interpreter with torch [this one, or /usr/bin/python3]')
    parser.add_argument('--out', type=pathlib.Path, default=ROOT / 'docs' / 'results' / 'accuracy')
    arguments = parser.parse_args()
    if min(arguments.seeds, arguments.epochs, arguments.jobs) < 1:
        parser.error('--seeds, --epochs and --jobs are at least 1')
    where, versions = circumstances(), []
    common = ['--dataset', arguments.dataset, '--epochs', str(arguments.epochs), '--batch', '32', '--threads', '1',
              *(['--data-dir', arguments.data_dir] if arguments.data_dir else [])]

    torch = KNOWN_TORCH[arguments.dataset]
    if arguments.torch_seeds:
        pythons = interpreters_with_torch([arguments.python] if arguments.python else None)
        if not pythons:
            sys.exit('no PyTorch found: apt install python3-torch, or name an interpreter with --python')
        version, python = next(iter(pythons.items()))
        versions.append(f'PyTorch {version}')
        commands = [[python, TORCH_PEER, *common, '--seed', str(seed)] for seed in range(arguments.torch_seeds)]
        torch = run_seeds('PyTorch', commands, arguments.jobs) | {'source': f'measured here, {version}'}
    elif arguments.epochs != 2:
        parser.error('the known figures of PyTorch are for two epochs: add --torch-seeds')

    engine, modes = find_engine(arguments.engine), {}
    for name in arguments.modes:
        commands = [[engine, 'train', '--json', '--quiet', *MODES[name], *common, '--seed', str(seed)]
                    for seed in range(arguments.seeds)]
        modes[name] = run_seeds(name, commands, arguments.jobs if name == 'single' else 1)
        judge(modes[name], torch, arguments.dataset)
    results = {'command': shown(['python3', *sys.argv]), 'circumstances': where, 'versions': versions,
               'dataset': arguments.dataset, 'epochs': arguments.epochs, 'torch': torch, 'modes': modes}
    write_results(arguments.out, results, report(results))
    sys.exit(0 if all(mode['met'] for mode in modes.values()) else 1)


if __name__ == '__main__':
    main()
