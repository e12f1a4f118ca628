"""What comparing two recordings costs, beside recording them: seconds, and ratios.

    python benchmarks/compare.py [OPS]

Both runs have about OPS ops (10,000 by default) and differ in a few trips of a loop, in a branch
of each block, or in nothing. Each figure is the shortest of five, all in one process.
"""

from __future__ import annotations

import sys
import time
from collections.abc import Callable
from typing import Any

import torch
from torch import Tensor, nn

import inspector
from inspector.compare.union import union
from inspector.loops import find_loops
from inspector.render.layout import layout
from inspector.views import default_open
from inspector.views.union import union_index, union_view

REPEATS = 5
OPTIONS = inspector.CaptureOptions(values="none")


def looping(x: Tensor, trips: int) -> Tensor:
    for _ in range(trips):
        x = x.sin()
        x = x * 1.01
        if x.sum() > 1e9:
            x = x + 1
        x = torch.tanh(x + 0.5)
    return x.cos()


class Block(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.fc = nn.Linear(2, 2)

    def forward(self, x: Tensor, double: bool) -> Tensor:
        y = torch.relu(self.fc(x))
        if double:
            y = y * 2
        return x + y


class Deep(nn.Module):
    def __init__(self, count: int) -> None:
        super().__init__()
        self.blocks = nn.ModuleList(Block() for _ in range(count))

    def forward(self, x: Tensor, double: bool) -> Tensor:
        for block in self.blocks:
            x = block(x, double)
        return x


def shortest(work: Callable[[], Any]) -> float:
    """The shortest time of a few, in seconds."""
    times = []
    for _ in range(REPEATS):
        begin = time.perf_counter()
        work()
        times.append(time.perf_counter() - begin)
    return min(times)


def pairs(ops: int) -> dict[str, tuple[Callable[..., Any], tuple[Any, ...], tuple[Any, ...]]]:
    """Name -> (model, arguments of A, arguments of B)."""
    trips, x = ops // 7, torch.ones(2)
    model, row = Deep(ops // 3), torch.ones(1, 2)
    return {
        "a loop, 10 trips more": (looping, (x, trips), (x, trips + 10)),
        "blocks, one branch more in each": (model, (row, False), (row, True)),
        "blocks, nothing else": (model, (row, True), (row, True)),
    }


def main() -> None:
    """Print the table."""
    ops = int(sys.argv[1]) if len(sys.argv) > 1 else 10_000
    columns = ("ops A", "ops B", "loops of A", "compare", "union, laid out", "compare / record")
    print(f"{'':34}" + "".join(f"{name:>18}" for name in columns))
    for name, (model, first, other) in pairs(ops).items():
        a = inspector.record(model, *first, options=OPTIONS)
        b = inspector.record(model, *other, options=OPTIONS)
        recorded = shortest(lambda: inspector.record(model, *first, options=OPTIONS))  # noqa: B023
        compared = shortest(lambda: inspector.compare(a, b))  # noqa: B023
        loops = shortest(lambda: find_loops(a))  # noqa: B023

        def drawn() -> None:
            both = union(a, b)  # noqa: B023
            index = union_index(both)
            layout(union_view(both, default_open(both.recording, index=index), index))

        cells = [f"{len(a.ops):,}", f"{len(b.ops):,}"]
        cells += [f"{seconds:.2f} s" for seconds in (loops, compared, shortest(drawn))]
        cells.append(f"{compared / recorded:.2f}")
        print(f"{name:34}" + "".join(f"{cell:>18}" for cell in cells))


if __name__ == "__main__":
    main()
