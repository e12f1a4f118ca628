"""What a census costs beside the recordings it is made of, and a fingerprint beside an op.

    python benchmarks/census.py [INPUTS]

A model of some 50 ops with a branch and batch norm, and INPUTS inputs (1,000 by default) that give
two graphs. Both contenders take turns in this process, a tenth of the inputs each, and of each
tenth the shorter of two turns counts; times are CPU seconds of one thread. No more than 1.5
recordings an input and 2 µs an op are allowed.
"""

from __future__ import annotations

import sys
import time
from collections.abc import Callable
from typing import Any

import torch
from torch import Tensor, nn

import inspector
from inspector.capture.many import STRUCTURE

PARTS, TURNS = 10, 2
ALLOWED_RATIO, ALLOWED_US = 1.5, 2.0


class Block(nn.Module):
    """Eight ops."""

    def __init__(self) -> None:
        super().__init__()
        self.one, self.other, self.norm = nn.Linear(8, 8), nn.Linear(8, 8), nn.BatchNorm1d(8)

    def forward(self, x: Tensor) -> Tensor:
        y = torch.relu(self.one(x))
        y = torch.tanh(self.other(y)) * 0.5
        return self.norm(x + y) + 1


class Fifty(nn.Module):
    """Six blocks, and a branch: 51 ops or 52."""

    def __init__(self) -> None:
        super().__init__()
        self.blocks = nn.Sequential(*[Block() for _ in range(6)])

    def forward(self, x: Tensor) -> Tensor:
        x = self.blocks(x)
        if x.sum() > 48 * 4:
            x = x * 2
        return x


def looping(x: Tensor, trips: int) -> Tensor:
    for _ in range(trips):
        x = torch.tanh(x * 1.01 + 0.5)
    return x


def seconds(work: Callable[[], Any]) -> float:
    """CPU seconds: others may be at work on this machine."""
    begin = time.process_time()
    work()
    return time.process_time() - begin


def census_ratio(count: int) -> float:
    """Census over recordings; prints both."""
    torch.manual_seed(0)
    model = Fifty()
    part = max(count // PARTS, 1)
    alone = counted = 0.0
    for _ in range(PARTS):
        inputs = [torch.randn(4, 8) for _ in range(part)]

        def recordings() -> None:
            for x in inputs:  # noqa: B023
                inspector.record(model, x, options=STRUCTURE)

        def census() -> None:
            inspector.census(model, inputs, static=None)  # noqa: B023

        turns = [(seconds(recordings), seconds(census)) for _ in range(TURNS)]
        alone += min(turn[0] for turn in turns)
        counted += min(turn[1] for turn in turns)
    static = seconds(lambda: inspector.script(model))  # made once for all inputs
    counted += static
    ops = len(inspector.record(model, inputs[0], options=STRUCTURE).ops)
    print(f"{part * PARTS:,} inputs, {ops} ops: recordings {alone:.2f} s, census {counted:.2f} s")
    return counted / alone


def fingerprint_us(recording: inspector.Recording) -> float:
    """Microseconds an op, of the shortest of many."""
    repeats = max(20_000 // len(recording.ops), 5)
    times = [seconds(lambda: inspector.fingerprint(recording)) for _ in range(repeats)]
    return min(times) / len(recording.ops) * 1e6


def main() -> int:
    """Print the figures; exit code 1 if one is over what is allowed."""
    count = int(sys.argv[1]) if len(sys.argv) > 1 else 1000
    torch.set_num_threads(1)
    ratio = census_ratio(count)
    print(f"a census takes {ratio:.2f} x its recordings (allowed: {ALLOWED_RATIO})")
    small = inspector.record(Fifty(), torch.randn(4, 8), options=STRUCTURE)
    large = inspector.record(looping, torch.ones(4), 3333, options=STRUCTURE)
    figures = [fingerprint_us(small), fingerprint_us(large)]
    for recording, figure in zip((small, large), figures, strict=True):
        print(f"fingerprint of {len(recording.ops):,} ops: {figure:.2f} µs an op", end=" ")
        print(f"(allowed: {ALLOWED_US:.0f})")
    return int(ratio > ALLOWED_RATIO or max(figures) > ALLOWED_US)


if __name__ == "__main__":
    sys.exit(main())
