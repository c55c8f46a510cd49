#!/usr/bin/env python3
"""Training speed of the engine and of PyTorch eager, interleaved on this machine.

    python3 benchmarks/compare_speed.py                       every case, 6 rounds, on an idle machine: half an hour
    python3 benchmarks/compare_speed.py --cases single --rounds 5 --python VENV/bin/python --out docs/results/speed

A case has the engine and a peer per PyTorch that is at hand, each a process of its own that warms up and times 5 rounds
of 200 steps. First every variant of the peer (memory format, optimizer implementation) runs twice, and the fastest of
each PyTorch stays. Then the arms run in turn, forwards and backwards (A B B A ...), so that slow drifts of a shared
machine meet all of them, and ratios are taken within a round. Judged is the median of the ratios to the PyTorch that is
fastest in the case. Writes OUT.json and OUT.md.
"""
import argparse
import dataclasses
import pathlib
import statistics
import sys

from measurement import (ROOT, TORCH_PEER, MeasurementError, circumstances, circumstances_text, find_engine,
                         interpreters_with_torch, markdown_table, run_json, shown, summary, write_results)

EXPOSED_LIMIT_MS = 0.45


@dataclasses.dataclass(frozen=True)
class Case:
    title: str
    engine: list            # flags of `dml_engine benchmark`
    peer: list = None       # flags of torch_peer.py, or
    rival: list = None      # flags of `dml_engine benchmark`: the engine against itself
    target: float = None    # least ratio of samples/s


LENET_2X1 = ['--mode', 'data-parallel', '--ranks', '2', '--batch-per-rank', '32', '--threads', '1']
CASES = {
    'single': Case('lenet, batch 32, one thread', ['--mode', 'single', '--batch', '32', '--threads', '1'],
                   peer=['--mode', 'single', '--batch', '32'], target=2.0),
    'data-parallel': Case('lenet, two ranks x 1 thread, 32 each, against DDP', LENET_2X1,
                          peer=['--mode', 'ddp', '--batch', '32'], target=3.5),
    'model-parallel': Case('lenet, convolutions and linear layers on two ranks, batch 32, against send/recv',
                           ['--mode', 'model-parallel', '--ranks', '2', '--batch', '32', '--threads', '1'],
                           peer=['--mode', 'send-recv', '--batch', '32'], target=3.0),
    'mnist-cnn': Case('mnist-cnn, batch 64, one thread',
                      ['--model', 'mnist-cnn', '--mode', 'single', '--batch', '64', '--threads', '1'],
                      peer=['--mode', 'single', '--model', 'mnist-cnn', '--batch', '64'], target=1.4),
    'two-ranks': Case('lenet, two ranks x 1 thread, 32 each, against our own single process with 2 threads, batch 64',
                      LENET_2X1, rival=['--mode', 'single', '--batch', '64', '--threads', '2'], target=1.05),
}
SHORTER = {'mnist-cnn': ['--warmup-steps', '5', '--steps', '20']}  # one step takes 20 times as long
VARIANTS = [[], ['--channels-last'], ['--sgd', 'fused'], ['--channels-last', '--sgd', 'fused']]


@dataclasses.dataclass
class Arm:
    name: str
    command: list
    samples_per_second: list = dataclasses.field(default_factory=list)
    runs: list = dataclasses.field(default_factory=list)

    def run(self):
        result = run_json(self.command)
        self.samples_per_second.append(result['samples_per_second'])
        self.runs.append(result)
        print(f"  {self.name:28s} {result['samples_per_second']:10.0f} samples/s", file=sys.stderr, flush=True)


def fastest_peer(version, python, flags):
    """The variant of the peer that this PyTorch runs fastest; those it does not support drop out."""
    arms = []
    for variant in VARIANTS:
        arm = Arm(f"PyTorch {version} {' '.join(variant)}".strip(), [python, TORCH_PEER, *flags, *variant])
        try:
            arm.run()
            arm.run()
            arms.append(arm)
        except MeasurementError as error:
            if not variant:
                raise
            print(f'  {arm.name}: not supported here ({str(error).splitlines()[-1][:100]})', file=sys.stderr)
    best = max(arms, key=lambda arm: max(arm.samples_per_second))
    qualifying = {arm.name: arm.samples_per_second for arm in arms}
    return Arm(best.name, best.command), qualifying


def exposed_ms(run):
    """Median milliseconds per step of exposed communication and wait: the mean over ranks, and each rank's."""
    ranks = [rank['exposed_communication_and_wait']['median'] for rank in run['rank_step_milliseconds']]
    return statistics.mean(ranks), ranks


def measure(name, case, arguments, engine, pythons):
    print(case.title, file=sys.stderr, flush=True)
    shorter = SHORTER.get(name, [])
    data = ['--data-dir', arguments.data_dir] if arguments.data_dir else []
    benchmark = [engine, 'benchmark', '--json', *data]
    own = Arm('dml_engine', [*benchmark, *case.engine, *shorter])
    qualifying = {}
    if case.rival:
        others = [Arm('dml_engine, the other way', [*benchmark, *case.rival, *shorter])]
    else:
        others = []
        for version, python in pythons.items():
            arm, tried = fastest_peer(version, python, [*case.peer, *shorter, *data])
            others.append(arm)
            qualifying |= tried
    arms = [own, *others]
    for round_number in range(arguments.rounds):
        for arm in arms if round_number % 2 == 0 else reversed(arms):
            arm.run()
    rival = max(others, key=lambda arm: statistics.median(arm.samples_per_second))
    ratios = [mine / theirs for mine, theirs in zip(own.samples_per_second, rival.samples_per_second)]
    result = {'title': case.title, 'target': case.target, 'ratio': summary(ratios), 'against': rival.name,
              'met': case.target is None or statistics.median(ratios) >= case.target,
              'qualifying_samples_per_second': qualifying,
              'arms': [{'name': arm.name, 'command': shown(arm.command),
                        'samples_per_second': summary(arm.samples_per_second)} for arm in arms]}
    if len(own.runs[0]['ranks']) > 1:
        per_round = [exposed_ms(run) for run in own.runs]
        result['exposed_communication_and_wait_ms'] = {
            'mean_over_ranks': summary([mean for mean, _ in per_round]),
            'by_rank': [summary(list(values)) for values in zip(*(ranks for _, ranks in per_round))]}
    return result


def spread(figure, digits):
    return f"{figure['median']:.{digits}f} ({figure['min']:.{digits}f} .. {figure['max']:.{digits}f})"


def report(results):
    text = ('# Training speed, interleaved with PyTorch eager\n\n' +
            circumstances_text(results['circumstances'], results['versions']) +
            f"\n\nMade by `{results['command']}`: {results['rounds']} rounds, arms in turn forwards and backwards; "
            'medians (smallest .. largest) over rounds; ratios are taken within a round.\n\n')
    rows = [[case['title'], *(spread(arm['samples_per_second'], 0) for arm in (case['arms'][0], rival(case))),
             case['against'], spread(case['ratio'], 2), target_text(case)] for case in results['cases'].values()]
    text += markdown_table(['case', 'dml_engine samples/s', 'the other samples/s', 'the other', 'ratio', 'at least'],
                           rows)
    if 'exposed_communication_and_wait_ms' in results['cases'].get('data-parallel', {}):
        exposed = results['cases']['data-parallel']['exposed_communication_and_wait_ms']
        met = 'met' if exposed['mean_over_ranks']['median'] <= EXPOSED_LIMIT_MS else '**missed**'
        by_rank = ', '.join(f'rank {rank} {spread(figure, 3)}' for rank, figure in enumerate(exposed['by_rank']))
        text += (f"\nExposed communication and wait per step, data-parallel on two ranks: mean over ranks "
                 f"{spread(exposed['mean_over_ranks'], 3)} ms ({by_rank}); at most {EXPOSED_LIMIT_MS} ms: {met}.\n")
    text += '\nCommands of the arms:\n\n'
    for case in results['cases'].values():
        text += ''.join(f"- {arm['name']}: `{arm['command']}`\n" for arm in case['arms'])
    return text


def rival(case):
    return next(arm for arm in case['arms'] if arm['name'] == case['against'])


def target_text(case):
    return '' if case['target'] is None else f"{case['target']:g}: {'met' if case['met'] else '**missed**'}"


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument('--cases', nargs='+', choices=list(CASES), default=list(CASES))
    parser.add_argument('--rounds', type=int, default=6, help='at least 5 for figures that are reported [6]')
    parser.add_argument('--engine', help='[./dml_engine, or the newest one under build/]')
    parser.add_argument('--python', action='append', help='an interpreter with torch; may be repeated [this, /usr/bin]')
    parser.add_argument('--data-dir', help='the folder with Fashion-MNIST [the usual places]')
    parser.add_argument('--out', type=pathlib.Path, default=ROOT / 'docs' / 'results' / 'speed')
    arguments = parser.parse_args()
    engine = find_engine(arguments.engine)
    pythons = interpreters_with_torch(arguments.python)
    if not pythons and any(CASES[name].peer for name in arguments.cases):
        sys.exit('no PyTorch found: apt install python3-torch, or name an interpreter with --python')
    where = circumstances()
    cases = {name: measure(name, CASES[name], arguments, engine, pythons) for name in arguments.cases}
    results = {'command': shown(['python3', *sys.argv]), 'circumstances': where, 'rounds': arguments.rounds,
               'versions': [f'PyTorch {version}' for version in pythons], 'cases': cases}
    write_results(arguments.out, results, report(results))


if __name__ == '__main__':
    main()
