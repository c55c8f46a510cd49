#!/usr/bin/env python3
"""The engine's training loop written for PyTorch, as the peer that speed and accuracy are compared with.

    python3 benchmarks/torch_peer.py --mode single     --model lenet --batch 32 --threads 1
    python3 benchmarks/torch_peer.py --mode ddp        --model lenet --batch 32 --threads 1      two ranks, 32 each
    python3 benchmarks/torch_peer.py --mode send-recv  --model lenet --batch 32 --threads 1      convolutions | linear
    python3 benchmarks/torch_peer.py --mode single --epochs 2 --seed 3                           trains, then tests

It is a fair peer: normalised images lie in memory and a batch is one index_select; no .item() in a step; ATen's,
oneDNN's, MKL's and OpenBLAS's threads are all pinned to --threads; DDP reduces flat buckets; glibc keeps large buffers
instead of returning them to the system every step. Prints one JSON object: speeds are the median and the spread
over --rounds rounds of --steps steps after --warmup-steps, as `dml_engine benchmark` measures.
"""
import argparse
import gzip
import json
import os
import pathlib
import statistics
import subprocess
import sys
import tempfile
import time

FLATTENED = {'lenet': 400, 'mnist-cnn': 9216}  # features between the convolutions and the linear layers
NORMALISATION = {'fashion-mnist': (0.2860, 0.3530), 'mnist': (0.1307, 0.3081)}
KEEP_BUFFERS = {'MALLOC_MMAP_THRESHOLD_': '4294967296', 'MALLOC_TRIM_THRESHOLD_': '68719476736',
                'MALLOC_TOP_PAD_': '67108864'}
RANK, STORE = 'TORCH_PEER_RANK', 'TORCH_PEER_STORE'  # set for the processes this script starts


def parse_arguments():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument('--mode', choices=['single', 'ddp', 'send-recv'], default='single')
    parser.add_argument('--model', choices=sorted(FLATTENED), default='lenet')
    parser.add_argument('--batch', type=int, default=32, help='samples per step and replica [32]')
    parser.add_argument('--threads', type=int, default=1, help='per rank [1]')
    parser.add_argument('--epochs', type=int, default=0, help='train so many epochs and test, instead of timing steps')
    parser.add_argument('--warmup-steps', type=int, default=50)
    parser.add_argument('--steps', type=int, default=200, help='per round [200]')
    parser.add_argument('--rounds', type=int, default=5)
    parser.add_argument('--lr', type=float, default=0.01)
    parser.add_argument('--momentum', type=float, default=0.9)
    parser.add_argument('--seed', type=int, default=0)
    parser.add_argument('--dataset', choices=sorted(NORMALISATION), default='fashion-mnist')
    parser.add_argument('--data-dir', type=pathlib.Path, default='/usr/share/datasets/fashion-mnist')
    parser.add_argument('--sgd', choices=['default', 'for-loop', 'foreach', 'fused'], default='default',
                        help='implementation of torch.optim.SGD [what PyTorch chooses]')
    parser.add_argument('--channels-last', action='store_true')
    arguments = parser.parse_args()
    if arguments.epochs and arguments.mode != 'single':
        parser.error('--epochs trains in mode single: the modes of the engine are compared with one reference accuracy')
    return arguments


args = parse_arguments()
WORLD = 1 if args.mode == 'single' else 2
if RANK in os.environ or WORLD == 1:
    # Libraries read these once, when they are loaded; glibc has read its own before main() and needs a new process.
    wanted = {name: str(args.threads) for name in ('OMP_NUM_THREADS', 'OPENBLAS_NUM_THREADS', 'MKL_NUM_THREADS')}
    wanted |= KEEP_BUFFERS | {'GLOO_SOCKET_IFNAME': 'lo'}
    if any(os.environ.get(name) != value for name, value in wanted.items()):
        os.environ.update(wanted)
        os.execv(sys.executable, [sys.executable, *sys.argv])

    import numpy as np
    import torch
    import torch.distributed as dist
    import torch.nn.functional as F
    from torch import nn


def read_idx(name, header_bytes):
    with gzip.open(args.data_dir / name) as file:
        return np.frombuffer(file.read(), np.uint8, offset=header_bytes)


def load(split):
    """Normalised images float32 (N,1,28,28) and labels int64 (N)."""
    mean, stddev = NORMALISATION[args.dataset]
    images = torch.from_numpy(read_idx(f'{split}-images-idx3-ubyte.gz', 16).astype(np.float32))
    labels = torch.from_numpy(read_idx(f'{split}-labels-idx1-ubyte.gz', 8).astype(np.int64))
    return images.view(-1, 1, 28, 28).div_(255).sub_(mean).div_(stddev), labels


def convolutions():
    if args.model == 'lenet':
        return nn.Sequential(nn.Conv2d(1, 6, 5, padding=2), nn.ReLU(), nn.MaxPool2d(2),
                             nn.Conv2d(6, 16, 5), nn.ReLU(), nn.MaxPool2d(2), nn.Flatten())
    return nn.Sequential(nn.Conv2d(1, 32, 3), nn.ReLU(), nn.Conv2d(32, 64, 3), nn.ReLU(), nn.MaxPool2d(2), nn.Flatten())


def linear_layers():
    hidden = 120 if args.model == 'lenet' else 128
    return nn.Sequential(nn.Linear(FLATTENED[args.model], hidden), nn.ReLU(), nn.Linear(hidden, 10))


def make_optimizer(module):
    choice = {'default': {}, 'for-loop': {'foreach': False}, 'foreach': {'foreach': True}, 'fused': {'fused': True}}
    return torch.optim.SGD(module.parameters(), lr=args.lr, momentum=args.momentum, **choice[args.sgd])


class Batches:
    """Endless shuffled batches of this rank's share; a new order every epoch, the same on all ranks."""

    def __init__(self, images, labels, replica, replicas):
        self.images, self.labels = images, labels
        self.replica, self.replicas = replica, replicas
        self.per_epoch = len(labels) // replicas // args.batch
        self.generator = torch.Generator().manual_seed(args.seed)
        self.position = self.per_epoch

    def next(self):
        if self.position == self.per_epoch:
            self.order = torch.randperm(len(self.labels), generator=self.generator)[self.replica::self.replicas]
            self.position = 0
        index = self.order[self.position * args.batch:(self.position + 1) * args.batch]
        self.position += 1
        images = self.images.index_select(0, index)
        if args.channels_last:
            images = images.contiguous(memory_format=torch.channels_last)
        return images, self.labels.index_select(0, index)


def whole_model_step(module):
    """single and ddp: forward, backward, update. Returns the function that does one step."""
    optimizer = make_optimizer(module)
    keep = args.mode == 'ddp'  # DDP's gradients are views of its buckets

    def step(images, labels):
        optimizer.zero_grad(set_to_none=not keep)
        loss = F.cross_entropy(module(images), labels)
        loss.backward()
        optimizer.step()
        return loss.detach()
    return step


def pipeline_step(rank):
    """send-recv: rank 0 holds the convolutions, rank 1 the linear layers and the loss."""
    module = convolutions() if rank == 0 else linear_layers()
    optimizer = make_optimizer(module)
    boundary = torch.empty(args.batch, FLATTENED[args.model])

    def front(images, _):
        optimizer.zero_grad(set_to_none=True)
        features = module(images)
        dist.send(features.detach(), 1)
        dist.recv(boundary, 1)
        features.backward(boundary)
        optimizer.step()

    def back(_, labels):
        optimizer.zero_grad(set_to_none=True)
        dist.recv(boundary, 0)
        features = boundary.detach().requires_grad_()
        loss = F.cross_entropy(module(features), labels)
        loss.backward()
        dist.send(features.grad, 0)
        optimizer.step()
        return loss.detach()
    return front if rank == 0 else back


def time_rounds(step, batches):
    for _ in range(args.warmup_steps):
        step(*batches.next())
    rates = []
    for _ in range(args.rounds):
        if WORLD > 1:
            dist.barrier()
        start = time.perf_counter()
        for _ in range(args.steps):
            step(*batches.next())
        rates.append(args.steps / (time.perf_counter() - start))
    samples = args.batch * (WORLD if args.mode == 'ddp' else 1)
    return {'steps_per_second': statistics.median(rates), 'samples_per_second': samples * statistics.median(rates),
            'samples_per_second_spread': {'min': samples * min(rates), 'max': samples * max(rates)},
            'warmup_steps': args.warmup_steps, 'steps_per_round': args.steps, 'rounds': args.rounds}


def train_epochs(module, step, batches):
    start = time.perf_counter()
    for _ in range(args.epochs):
        total = torch.zeros(())
        for _ in range(batches.per_epoch):
            total += step(*batches.next())
    seconds = time.perf_counter() - start
    images, labels = load('t10k')
    with torch.no_grad():
        correct = sum((module(images[i:i + 1000]).argmax(1) == labels[i:i + 1000]).sum().item()
                      for i in range(0, len(labels), 1000))
    return {'epochs': args.epochs, 'train_seconds': seconds, 'final_train_loss': total.item() / batches.per_epoch,
            'test_accuracy': correct / len(labels), 'test_samples': len(labels),
            'samples_per_second': args.epochs * batches.per_epoch * args.batch / seconds}


def run_rank(rank):
    torch.set_num_threads(args.threads)
    torch.manual_seed(args.seed)
    if WORLD > 1:
        dist.init_process_group('gloo', init_method='file://' + os.environ[STORE], rank=rank, world_size=WORLD)
    images, labels = load('train')
    module = nn.Sequential(convolutions(), linear_layers())
    if args.channels_last:
        module = module.to(memory_format=torch.channels_last)
    if args.mode == 'send-recv':
        step, batches = pipeline_step(rank), Batches(images, labels, 0, 1)
    else:
        trained = nn.parallel.DistributedDataParallel(module) if args.mode == 'ddp' else module
        step, batches = whole_model_step(trained), Batches(images, labels, rank, WORLD)
    measured = train_epochs(module, step, batches) if args.epochs else time_rounds(step, batches)
    if rank == 0:
        print(json.dumps({'peer': 'pytorch', 'version': torch.__version__, 'mode': args.mode, 'model': args.model,
                          'dataset': args.dataset, 'batch_per_rank': args.batch, 'world_size': WORLD,
                          'threads_per_rank': args.threads, 'seed': args.seed, 'sgd': args.sgd,
                          'channels_last': args.channels_last, **measured}), flush=True)
    if WORLD > 1:
        dist.barrier()
        dist.destroy_process_group()


def start_ranks():
    """Starts one process per rank; when one fails the others are ended."""
    with tempfile.TemporaryDirectory() as directory:
        ranks = [subprocess.Popen([sys.executable, *sys.argv],
                                  env={**os.environ, RANK: str(rank), STORE: directory + '/store'})
                 for rank in range(WORLD)]
        while any(rank.poll() is None for rank in ranks) and not any(rank.poll() for rank in ranks):
            time.sleep(0.05)
        for rank in ranks:
            if rank.poll() is None:
                rank.terminate()
        return max(abs(rank.wait()) for rank in ranks)


if __name__ == '__main__':
    if WORLD == 1 or RANK in os.environ:
        run_rank(int(os.environ.get(RANK, 0)))
    else:
        sys.exit(start_ranks())
