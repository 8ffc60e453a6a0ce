"""The limit of a sweep: its arithmetic in bare PyTorch, data as tensors, two processes of one thread.

    python benchmarks/bare_sweep.py RUNS

Each run is an MLP 784-128-10 on Fashion-MNIST, one epoch, batch 64, SGD; runs differ in seed and learning rate.
"""

from __future__ import annotations

import sys

import torch
from torch import nn
from torch.multiprocessing import spawn

RATES = (0.03, 0.1, 0.2, 0.3)


def load() -> tuple[torch.Tensor, ...]:
    """Fashion-MNIST as float and integer tensors, read as directly as possible."""
    from assay.data.fetcher import RESOURCES
    from assay.data.images import IDX, parse_idx

    images, labels, test_images, test_labels = (parse_idx(RESOURCES["fashion_mnist"].read(name)) for name in IDX)
    flat = [torch.as_tensor(x).reshape(len(x), -1).float().div_(255) for x in (images, test_images)]
    return flat[0], torch.as_tensor(labels).long(), flat[1], torch.as_tensor(test_labels).long()


def work(worker: int, runs: list[tuple[int, float]]) -> None:
    """Every second run."""
    torch.set_num_threads(1)
    x, y, x_test, y_test = load()
    for seed, rate in runs[worker::2]:
        torch.manual_seed(seed)
        net = nn.Sequential(nn.Linear(784, 128), nn.ReLU(), nn.Linear(128, 10))
        optimizer = torch.optim.SGD(net.parameters(), rate)
        order = torch.randperm(len(x))
        for start in range(0, len(x), 64):
            batch = order[start : start + 64]
            loss = nn.functional.cross_entropy(net(x[batch]), y[batch])
            optimizer.zero_grad()
            loss.backward()
            optimizer.step()
        with torch.no_grad():
            accuracy = (net(x_test).argmax(1) == y_test).float().mean()
        print(f"seed {seed} rate {rate} accuracy {accuracy:.4f}", flush=True)


if __name__ == "__main__":
    count = int(sys.argv[1])
    spawn(work, ([(seed, rate) for seed in range(count // 4) for rate in RATES],), nprocs=2)
