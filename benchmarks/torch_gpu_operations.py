#!/usr/bin/env python3
"""Single operations of our models in PyTorch on one NVIDIA GPU: what cuDNN and cuBLASLt need, hot and cold.

    python3 benchmarks/torch_gpu_operations.py [--seconds 60]

fp32 with TF32 switched off; cuDNN chooses among its algorithms by trying them. "hot" repeats an operation on the same
memory; "cold" writes 256 MiB between repetitions, so that nothing is left in the L2 cache. Each figure is the time of one
call within a CUDA graph of many (the cold one less the time of the writing alone), in microseconds: median, p10 and p90 over
rounds. Prints one JSON object.
"""
import argparse
import json
import statistics
import sys
import time

import torch
import torch.nn.functional as F

REPEATS, ROUNDS = 20, 9


def convolution(batch, channels, size, filters, window, padding):
    x = torch.randn(batch, channels, size, size, device='cuda')
    w = torch.randn(filters, channels, window, window, device='cuda')
    b = torch.randn(filters, device='cuda')
    dy = torch.randn_like(F.conv2d(x, w, b, padding=padding))
    backward = torch.ops.aten.convolution_backward

    def gradient(*mask):
        return lambda: backward(dy, x, w, [filters], [1, 1], [padding] * 2, [1, 1], False, [0, 0], 1, mask)
    return {'forward': lambda: F.conv2d(x, w, b, padding=padding),
            'forward+relu+pool': lambda: F.max_pool2d(F.relu(F.conv2d(x, w, b, padding=padding)), 2),
            'input gradient': gradient(True, False, False), 'weight gradient': gradient(False, True, True)}


def linear(batch, inputs, outputs):
    x = torch.randn(batch, inputs, device='cuda')
    w = torch.randn(outputs, inputs, device='cuda')
    b = torch.randn(outputs, device='cuda')
    dy = torch.randn(batch, outputs, device='cuda')
    return {'forward': lambda: F.linear(x, w, b), 'input gradient': lambda: dy @ w, 'weight gradient': lambda: dy.t() @ x}


CASES = [(f'lenet conv1 @{n}', lambda n=n: convolution(n, 1, 28, 6, 5, 2)) for n in (32, 1024)]
CASES += [(f'lenet conv2 @{n}', lambda n=n: convolution(n, 6, 14, 16, 5, 0)) for n in (32, 1024)]
CASES += [(f'lenet fc1 @{n}', lambda n=n: linear(n, 400, 120)) for n in (32, 1024)]
CASES += [(f'mnist-cnn conv1 @{n}', lambda n=n: convolution(n, 1, 28, 32, 3, 0)) for n in (64, 1024)]
CASES += [(f'mnist-cnn conv2 @{n}', lambda n=n: convolution(n, 32, 26, 64, 3, 0)) for n in (64, 1024)]
CASES += [(f'mnist-cnn fc1 @{n}', lambda n=n: linear(n, 9216, 128)) for n in (64, 1024)]


def recorded(work):
    """A CUDA graph of REPEATS calls."""
    side = torch.cuda.Stream()
    with torch.cuda.stream(side):
        for _ in range(3):
            work()
    torch.cuda.current_stream().wait_stream(side)
    graph = torch.cuda.CUDAGraph()
    with torch.cuda.graph(graph):
        for _ in range(REPEATS):
            work()
    return graph


def microseconds(graph):
    """Of each call, sorted over the rounds."""
    begin, end = torch.cuda.Event(enable_timing=True), torch.cuda.Event(enable_timing=True)
    rounds = []
    for _ in range(ROUNDS + 2):
        begin.record()
        graph.replay()
        end.record()
        end.synchronize()
        rounds.append(begin.elapsed_time(end) * 1e3 / REPEATS)
    return sorted(rounds[2:])


def spread(rounds, less=0.0):
    return {'median': statistics.median(rounds) - less, 'p10': rounds[len(rounds) // 10] - less,
            'p90': rounds[-1 - len(rounds) // 10] - less}


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument('--seconds', type=float, default=60, help='no further operation is begun after this [60]')
    args = parser.parse_args()
    if not torch.cuda.is_available():
        sys.exit('torch_gpu_operations: PyTorch sees no GPU')
    torch.backends.cuda.matmul.allow_tf32 = False
    torch.backends.cudnn.allow_tf32 = False
    torch.backends.cudnn.benchmark = True
    deadline = time.monotonic() + args.seconds
    flushed = torch.empty(64 << 20, device='cuda')

    def flush():
        flushed.zero_()
    flushing = statistics.median(microseconds(recorded(flush)))
    results, left_out = {}, []
    for name, make in CASES:
        for operation, work in make().items():
            if time.monotonic() > deadline:
                left_out.append(f'{name} {operation}')
                continue
            results[f'{name} {operation}'] = {
                'hot': spread(microseconds(recorded(work))),
                'cold': spread(microseconds(recorded(lambda: (flush(), work()))), flushing)}
    print(json.dumps({'torch': torch.__version__, 'cudnn': torch.backends.cudnn.version(), 'flush_microseconds': flushing,
                      'device': torch.cuda.get_device_name(), 'microseconds': results, 'no_time_for': left_out}))


if __name__ == '__main__':
    main()
