#!/usr/bin/env python3
"""Training steps of lenet and mnist-cnn in PyTorch on one NVIDIA GPU, as the peer of `dml_engine benchmark --device cuda`.

    python3 benchmarks/torch_gpu_peer.py --model lenet --batch 32 --arm graph16

A step: rows of a permutation that lies on the GPU -> gather from the u8 images that lie there -> normalise -> forward ->
cross-entropy -> backward -> fused SGD with momentum -> loss into a ring on the GPU. No arm waits for the host within a
step. Arms: eager; eager-cl (channels_last); compile: gather to loss by torch.compile, mode reduce-overhead; graph: the whole
step in a CUDA graph; graph16: sixteen steps in one; compile-graph16 and max-graph16: the same with gather to loss by
torch.compile, modes default and max-autotune. fp32 with TF32 switched off. Before it is timed an arm has to reproduce the
losses of the eager one over 48 steps from the same weights and order. Prints one JSON object: microseconds per step as
median, p10 and p90 over --rounds rounds, and the seconds of compiling and capturing apart.
"""
import argparse
import copy
import json
import statistics
import sys
import time

import torch
import torch.nn as nn
import torch.nn.functional as F

ARMS = ['eager', 'eager-cl', 'compile', 'graph', 'graph16', 'compile-graph16', 'max-graph16']
COMPILED = {'compile': 'reduce-overhead', 'compile-graph16': 'default', 'max-graph16': 'max-autotune-no-cudagraphs'}
UNROLLED = 16
PARITY_STEPS = 48
PARITY = 2e-3  # mean |loss - eager loss|; fp32 training is chaotic, a wrong arm is off by far more


def parse_arguments():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument('--model', choices=['lenet', 'mnist-cnn'], default='lenet')
    parser.add_argument('--batch', type=int, default=32)
    parser.add_argument('--arm', choices=ARMS, default='graph16')
    parser.add_argument('--steps', type=int, default=1008, help='per round, a multiple of 16 [1008]')
    parser.add_argument('--rounds', type=int, default=9)
    parser.add_argument('--warm-seconds', type=float, default=3.0)
    return parser.parse_args()


def build(model):
    torch.manual_seed(1234)
    if model == 'lenet':
        layers = [nn.Conv2d(1, 6, 5, padding=2), nn.ReLU(), nn.MaxPool2d(2), nn.Conv2d(6, 16, 5), nn.ReLU(),
                  nn.MaxPool2d(2), nn.Flatten(), nn.Linear(400, 120), nn.ReLU(), nn.Linear(120, 10)]
    else:
        layers = [nn.Conv2d(1, 32, 3), nn.ReLU(), nn.Conv2d(32, 64, 3), nn.ReLU(), nn.MaxPool2d(2), nn.Flatten(),
                  nn.Linear(9216, 128), nn.ReLU(), nn.Linear(128, 10)]
    return nn.Sequential(*layers).cuda()


class Arm:
    """A way to run steps; `run(n)` enqueues n of them."""

    def __init__(self, name, model, batch, weights):
        self.unrolled = UNROLLED if name.endswith('graph16') else 1
        self.layout = torch.channels_last if name == 'eager-cl' else torch.contiguous_format
        self.net = build(model).to(memory_format=self.layout)
        self.net.load_state_dict(weights)
        self.optimizer = torch.optim.SGD(self.net.parameters(), lr=0.01, momentum=0.9, fused=True)
        generator = torch.Generator().manual_seed(7)
        self.images = torch.randint(0, 256, (60000, 1, 28, 28), dtype=torch.uint8, generator=generator).cuda()
        # Labels that a network can learn.
        direction = torch.randn(784, 10, generator=generator).cuda()
        self.labels = ((self.images.view(-1, 784).float() - 127.5) @ direction).argmax(1)
        self.order = torch.randperm(60000, generator=generator).cuda()
        self.rows = torch.arange(batch, device='cuda')
        self.cursor = torch.zeros((), dtype=torch.int64, device='cuda')
        self.losses = torch.zeros(4096, device='cuda')
        self.graph = None
        self.is_compiled = name in COMPILED
        self.loss = torch.compile(self.eager_loss, mode=COMPILED[name]) if self.is_compiled else self.eager_loss
        if 'graph' in name:
            self.capture()

    def eager_loss(self, samples):
        x = self.images[samples].float().mul_(1 / 255).sub_(0.2860).div_(0.3530).contiguous(memory_format=self.layout)
        return F.cross_entropy(self.net(x), self.labels[samples])

    def step(self):
        if self.is_compiled and self.graph is None:
            torch.compiler.cudagraph_mark_step_begin()
        samples = self.order[(self.cursor * len(self.rows) + self.rows) % 60000]
        self.optimizer.zero_grad(set_to_none=self.graph is None and not torch.cuda.is_current_stream_capturing())
        loss = self.loss(samples)
        loss.backward()
        self.optimizer.step()
        # An assignment through a tensor of no dimension would wait for its value, which no capture allows.
        self.losses.index_copy_(0, (self.cursor % 4096).view(1), loss.detach().view(1))
        self.cursor += 1

    def capture(self):
        start = copy.deepcopy(self.net.state_dict())
        side = torch.cuda.Stream()
        side.wait_stream(torch.cuda.current_stream())
        with torch.cuda.stream(side):
            for _ in range(3):
                self.step()
        torch.cuda.current_stream().wait_stream(side)
        graph = torch.cuda.CUDAGraph()
        with torch.cuda.graph(graph):
            for _ in range(self.unrolled):
                self.step()
        self.graph = graph
        # Warming up and capturing must leave no trace: the graph keeps its addresses, their values go back.
        self.net.load_state_dict(start)
        for state in self.optimizer.state.values():
            state['momentum_buffer'].zero_()
        self.cursor.zero_()

    def run(self, steps):
        for _ in range(steps // self.unrolled):
            if self.graph is None:
                self.step()
            else:
                self.graph.replay()


def microseconds(arm, steps):
    begin, end = torch.cuda.Event(enable_timing=True), torch.cuda.Event(enable_timing=True)
    begin.record()
    arm.run(steps)
    end.record()
    end.synchronize()
    return begin.elapsed_time(end) * 1e3 / steps


def main():
    args = parse_arguments()
    if not torch.cuda.is_available():
        sys.exit('torch_gpu_peer: PyTorch sees no GPU')
    torch.backends.cuda.matmul.allow_tf32 = False
    torch.backends.cudnn.allow_tf32 = False
    torch.backends.cudnn.benchmark = True
    weights = build(args.model).state_dict()
    eager = Arm('eager', args.model, args.batch, weights)
    eager.run(PARITY_STEPS)
    expected = eager.losses[:PARITY_STEPS].tolist()
    began = time.monotonic()
    arm = Arm(args.arm, args.model, args.batch, weights)
    arm.run(PARITY_STEPS)
    torch.cuda.synchronize()
    setup_seconds = time.monotonic() - began
    actual = arm.losses[:PARITY_STEPS].tolist()
    difference = statistics.mean(abs(a - b) for a, b in zip(actual, expected))
    if not difference <= PARITY:
        sys.exit(f'torch_gpu_peer: arm {args.arm} does not train like eager: losses differ by {difference:.2e} on average')
    warm_steps = UNROLLED
    while microseconds(arm, warm_steps) * warm_steps < args.warm_seconds * 1e6:
        warm_steps *= 2
    rounds = sorted(microseconds(arm, args.steps) for _ in range(args.rounds))
    print(json.dumps({'arm': args.arm, 'model': args.model, 'batch': args.batch, 'torch': torch.__version__,
                      'device': torch.cuda.get_device_name(), 'microseconds': statistics.median(rounds),
                      'p10': rounds[len(rounds) // 10], 'p90': rounds[-1 - len(rounds) // 10],
                      'loss_difference': difference, 'setup_seconds': setup_seconds}))


if __name__ == '__main__':
    main()
