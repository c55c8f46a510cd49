"""What the benchmark scripts share: running programs that print JSON, naming the machine, writing tables."""
import datetime
import json
import os
import pathlib
import platform
import shlex
import statistics
import subprocess
import sys

ROOT = pathlib.Path(__file__).resolve().parent.parent
TORCH_PEER = ROOT / 'benchmarks' / 'torch_peer.py'


class MeasurementError(Exception):
    """A program that was measured failed; the message ends with the end of its stderr."""


def run_json(command, timeout=900):
    """Runs a program and returns the JSON object on its last line of stdout."""
    process = subprocess.run([str(word) for word in command], cwd=ROOT, capture_output=True, text=True, timeout=timeout)
    lines = [line for line in process.stdout.splitlines() if line.startswith('{')]
    if process.returncode != 0 or not lines:
        raise MeasurementError(f'{shown(command)} ended with {process.returncode}: {process.stderr[-2000:].strip()}')
    return json.loads(lines[-1])


def shown(command):
    """The command as it reads from the repository root on any machine: no path of this one."""
    words = []
    for word in map(str, command):
        if word.endswith('dml_engine'):
            word = './dml_engine'
        elif pathlib.Path(word).name.startswith('python'):
            word = 'python3'
        elif word.startswith(str(ROOT)):
            word = os.path.relpath(word, ROOT)
        elif os.path.isabs(word):
            word = 'DIR'
        words.append(shlex.quote(word))
    return ' '.join(words)


def find_engine(given):
    """The engine to measure: the given path, ./dml_engine, or the newest one under build/."""
    built = sorted(ROOT.glob('build/*/runners/dml_engine'), key=lambda path: path.stat().st_mtime, reverse=True)
    for candidate in [pathlib.Path(given)] if given else [ROOT / 'dml_engine', *built]:
        if candidate.is_file():
            return candidate.resolve()
    sys.exit('no engine found: run ./quickstart build, or name one with --engine')


def torch_version(python):
    """The version of PyTorch that an interpreter has, or None."""
    try:
        process = subprocess.run([python, '-c', 'import torch; print(torch.__version__)'], capture_output=True,
                                 text=True)
    except OSError:
        return None
    return process.stdout.strip() if process.returncode == 0 else None


def interpreters_with_torch(given):
    """{version: path}. Without a choice: this interpreter and Debian's, those of them that have torch."""
    found = {}
    for python in given or dict.fromkeys([sys.executable, '/usr/bin/python3']):
        version = torch_version(python)
        if version is not None:
            found.setdefault(version, python)
        elif given:
            sys.exit(f'{python} has no torch')
    return found


def first_match(path, key):
    for line in pathlib.Path(path).read_text().splitlines():
        name, _, value = line.partition(':' if ':' in line else '=')
        if name.strip() == key:
            return value.strip().strip('"')
    return 'unknown'


def git(*arguments):
    return subprocess.run(['git', *arguments], cwd=ROOT, capture_output=True, text=True).stdout.strip()


def circumstances():
    """Where and with what a measurement was made, without naming the host."""
    memory_kib = int(first_match('/proc/meminfo', 'MemTotal').split()[0])
    return {'date': datetime.date.today().isoformat(),
            'commit': git('rev-parse', '--short=12', 'HEAD'),
            'uncommitted_changes': bool(git('status', '--porcelain', '--untracked-files=no')),
            'cpu': first_match('/proc/cpuinfo', 'model name'),
            'cores': len(os.sched_getaffinity(0)),
            'memory_gib': round(memory_kib / 2**20, 1),
            'system': first_match('/etc/os-release', 'PRETTY_NAME'),
            'kernel': platform.release().split('-')[0],
            'load_before': round(os.getloadavg()[0], 2)}


def circumstances_text(where, versions):
    """One paragraph for the head of a table."""
    changed = ' with uncommitted changes' if where['uncommitted_changes'] else ''
    return (f"{where['date']}, commit {where['commit']}{changed}; {where['cpu']}, {where['cores']} cores, "
            f"{where['memory_gib']} GiB; {'; '.join([where['system'] + ', Linux ' + where['kernel'], *versions])}; "
            f"load average at the start {where['load_before']}.")


def quantile(values, q):
    ordered = sorted(values)
    place = q * (len(ordered) - 1)
    below = int(place)
    above = min(below + 1, len(ordered) - 1)
    return ordered[below] + (place - below) * (ordered[above] - ordered[below])


def summary(values):
    return {'median': statistics.median(values), 'p10': quantile(values, 0.1), 'p90': quantile(values, 0.9),
            'min': min(values), 'max': max(values), 'values': list(values)}


def markdown_table(header, rows):
    """The first column is text, the others are figures."""
    rule = [' :-- '] + [' --: '] * (len(header) - 1)
    lines = ['| ' + ' | '.join(header) + ' |', '|' + '|'.join(rule) + '|']
    return '\n'.join(lines + ['| ' + ' | '.join(map(str, row)) + ' |' for row in rows]) + '\n'


def write_results(base, results, markdown):
    """BASE.json and BASE.md; BASE may have a folder that does not exist yet."""
    base = pathlib.Path(base)
    base.parent.mkdir(parents=True, exist_ok=True)
    base.with_suffix('.json').write_text(json.dumps(results, indent=1) + '\n')
    base.with_suffix('.md').write_text(markdown)
    print(markdown)
    print(f'written: {base}.json {base}.md', file=sys.stderr)
