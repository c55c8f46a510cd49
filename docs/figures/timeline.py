#!/usr/bin/env python3
"""Draws measured timelines: what each rank did in a few steps, from the trace.json of run directories.

    python3 docs/figures/timeline.py OUT.svg "single=DIR/trace.json" "data-parallel=DIR/trace.json" ... [--milliseconds 6]

All runs share one time scale. A window begins where a step begins on the first rank, in the middle of the trace.
"""
import argparse
import json

LEFT, RIGHT, ROW, GAP, TITLE, TOP, AXIS = 150, 20, 26, 6, 26, 44, 34
WIDTH = 980
KINDS = ['compute', 'communication', 'wait']
STYLE = """
  text { font: 13px system-ui, sans-serif; fill: #24292f; }
  .title { font-weight: 600; } .small { font-size: 11px; fill: #57606a; }
  .track { fill: #eaeef2; } .compute { fill: #2f7ed8; } .communication { fill: #e8833a; } .wait { fill: #c9a6e4; }
  .grid { stroke: #d0d7de; stroke-width: 1; }
  @media (prefers-color-scheme: dark) {
    text { fill: #e6edf3; } .small { fill: #9198a1; } .track { fill: #21262d; } .grid { stroke: #3d444d; }
    .compute { fill: #4b9bf5; } .communication { fill: #f0975a; } .wait { fill: #8e6bb0; }
  }
"""


def window(path, length_us):
    """The events of `length_us` from the middle of a trace, by rank, relative to the window's start."""
    with open(path) as file:
        events = [e for e in json.load(file)['traceEvents'] if e['ph'] == 'X']
    first_rank = sorted((e for e in events if e['pid'] == 0), key=lambda e: e['ts'])
    starts = {}
    for event in first_rank:
        starts.setdefault(event['args']['step'], event['ts'])
    steps = sorted(starts)
    start = starts[steps[len(steps) // 2]]
    ranks = {}
    for event in events:
        begin, end = event['ts'] - start, event['ts'] + event['dur'] - start
        begin, end = max(begin, 0), min(end, length_us)
        if end > begin:
            ranks.setdefault(event['pid'], []).append((event['cat'], event['name'], event['args']['step'], begin, end))
    return ranks


def draw(runs, length_us):
    scale = (WIDTH - LEFT - RIGHT) / length_us
    body, y = [], TOP
    for title, path in runs:
        ranks = window(path, length_us)
        body.append(f'<text class="title" x="10" y="{y + 15}">{title}</text>')
        y += TITLE
        for rank in sorted(ranks):
            body.append(f'<text x="{LEFT - 12}" y="{y + ROW - 9}" text-anchor="end">rank {rank}</text>')
            body.append(f'<rect class="track" x="{LEFT}" y="{y}" width="{WIDTH - LEFT - RIGHT}" height="{ROW}"/>')
            for kind, name, step, begin, end in ranks[rank]:
                body.append(f'<rect class="{kind}" x="{LEFT + begin * scale:.2f}" y="{y + 2}" '
                            f'width="{max(.4, (end - begin) * scale - .3):.2f}" height="{ROW - 4}">'
                            f'<title>step {step}: {name}, {(end - begin) / 1e3:.3f} ms</title></rect>')
            y += ROW + GAP
        y += 6
    axis = []
    for tick in range(int(length_us // 1000) + 1):
        x = LEFT + tick * 1000 * scale
        axis.append(f'<line class="grid" x1="{x:.1f}" y1="{TOP}" x2="{x:.1f}" y2="{y}"/>')
        axis.append(f'<text class="small" x="{x:.1f}" y="{y + 16}" text-anchor="middle">{tick} ms</text>')
    legend = []
    for i, kind in enumerate(KINDS):
        x = LEFT + i * 190
        label = {'compute': 'compute', 'communication': 'exposed communication', 'wait': 'wait for the other rank'}[kind]
        legend.append(f'<rect class="{kind}" x="{x}" y="14" width="14" height="14"/><text x="{x + 20}" y="26">{label}</text>')
    height = y + AXIS
    return (f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {WIDTH} {height}" width="{WIDTH}" height="{height}" '
            f'role="img" aria-label="Measured timelines of the modes">\n<style>{STYLE}</style>\n'
            + '\n'.join(legend + axis + body) + '\n</svg>\n')


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument('out')
    parser.add_argument('runs', nargs='+', metavar='TITLE=TRACE')
    parser.add_argument('--milliseconds', type=float, default=6)
    arguments = parser.parse_args()
    runs = [run.split('=', 1) for run in arguments.runs]
    with open(arguments.out, 'w') as file:
        file.write(draw(runs, arguments.milliseconds * 1e3))


if __name__ == '__main__':
    main()
