"""Programs with loops that count their own trips: the oracle of test_loops.py.

Each op is run by `op(x, *trips)`, which notes the trips of the loops around it as the program
itself counts them, outermost first; None stands for the last test of a `while`.
"""

from __future__ import annotations

import torch
from torch import Tensor, nn

COUNTED: list[tuple[int | None, ...]] = []


def op(x: Tensor, *trips: int | None) -> Tensor:
    COUNTED.append(trips)
    return torch.relu(x)


def one_loop(x: Tensor) -> Tensor:
    for i in range(3):
        x = op(x, i)
    return op(x)


def two_ops_on_one_line(x: Tensor) -> Tensor:
    for i in range(3):
        x = op(op(x, i), i) + 0 * x.detach()
        COUNTED.extend([(i,), (i,), (i,)])  # detach, mul, add
    return x


def with_continue(x: Tensor) -> Tensor:
    for i in range(5):
        if i % 2:
            x = op(x, i)
            continue
        x = op(x, i)
    return x


def different_branches(x: Tensor) -> Tensor:
    for i in range(6):
        if i in (1, 2, 4):
            x = op(x, i)
        elif i == 3:
            x = op(op(x, i), i)
        else:
            x = op(x, i)
    return x


def conditional_expressions(x: Tensor) -> Tensor:
    for i in range(4):
        x = op(x, i) if i % 2 else op(-x, i)
        if i % 2 == 0:
            COUNTED.insert(-1, (i,))  # the minus ran first
    return x


def with_break_and_else(x: Tensor) -> Tensor:
    for i in range(3):
        for j in range(5):
            x = op(x, i, j)
            if j == i:
                break
        else:
            x = op(x, i)
        x = op(x, i)
    return x


def inner_loop_that_always_breaks(x: Tensor) -> Tensor:
    for i in range(3):
        for j in range(5):
            x = op(x, i, j)
            break
    return x


def the_same_loop_twice(x: Tensor) -> Tensor:
    x = _two_trips(x)
    return _two_trips(x)


def _two_trips(x: Tensor, *trips: int) -> Tensor:
    for j in range(2):
        x = op(x, *trips, j)
    return x


def a_function_with_a_loop_in_a_loop(x: Tensor) -> Tensor:
    for i in range(3):
        x = _loop_and_more(x, i)
    return x


def _loop_and_more(x: Tensor, *trips: int) -> Tensor:
    for j in range(2):
        x = op(x, *trips, j)
    return op(x, *trips)


def nothing_but_counts_tells(x: Tensor) -> Tensor:
    for i in range(3):
        x = _two_trips(x, i)
    return x


def growing_inner_loop(x: Tensor) -> Tensor:
    for i in range(4):
        for j in range(i):
            x = op(x, i, j)
        x = op(x, i)
    return x


def comprehensions(x: Tensor) -> Tensor:
    first = [op(x, i) for i in range(4)]
    second = [op(y, i) for i, y in enumerate(first)]
    third = sum(float(op(y, i).numel()) for i, y in enumerate(second) if i < 2)
    return op(x) if third else x


def recursion(x: Tensor, depth: int = 3, trips: tuple[int, ...] = ()) -> Tensor:
    if depth == 0:
        return op(x, *trips)
    for i in range(2):
        x = op(x, *trips, i)
        x = recursion(x, depth - 1, (*trips, i))
    return x


def while_loops(x: Tensor) -> Tensor:
    n = 0
    while n < 3:
        m = 0
        while m < 2:
            x = op(x, n, m)
            m += 1
        n += 1
    return x


def a_while_that_tests_with_an_op(x: Tensor) -> Tensor:
    n = 0
    while op(x, n if n < 3 else None).shape and n < 3:
        x = op(x, n)
        n += 1
    return x


def while_true(x: Tensor) -> Tensor:
    n = 0
    while True:
        x = op(x, n)
        n += 1
        if n == 3:
            break
    return op(x)


def exceptions(x: Tensor) -> Tensor:
    for i in range(3):
        try:
            x = op(x, i)
            if i == 1:
                raise ValueError
            x = op(x, i)
        except ValueError:
            x = op(x, i)
        finally:
            x = op(x, i)
    return x


def return_in_a_loop(x: Tensor) -> Tensor:
    def first(y: Tensor, *trips: int) -> Tensor:
        for j in range(3):
            return op(y, *trips, j)
        return y

    for i in range(3):
        x = first(x, i)
    return x


def writes_in_place(x: Tensor) -> Tensor:
    total = torch.zeros(3)
    COUNTED.append(())
    for i in range(3):
        total[i] += 1
        COUNTED.extend([(i,)] * 3)  # read, add, write
    return total


def with_statements(x: Tensor) -> Tensor:
    for i in range(2):
        with torch.no_grad():
            x = op(x, i)
        with torch.enable_grad():
            x = op(x, i)
    return x


def a_generator_function(x: Tensor) -> Tensor:
    def items() -> object:
        yield from range(3)

    for i in items():  # type: ignore[attr-defined]
        x = op(x, i)
    return x


def a_generator_that_runs_ops(x: Tensor) -> Tensor:
    def rows() -> object:
        for i in range(3):
            yield op(x, i, 0)

    for i, row in enumerate(rows()):  # type: ignore[arg-type, var-annotated]
        x = op(row, i)
    return x


class Samples(torch.utils.data.Dataset[Tensor]):
    def __len__(self) -> int:
        return 6

    def __getitem__(self, number: int) -> Tensor:
        return torch.ones(2) * number


def a_data_loader(x: Tensor) -> Tensor:
    """Three batches of two samples."""
    for batch in torch.utils.data.DataLoader(Samples(), batch_size=2):
        x = x + batch.sum()
    return x


def a_library_function_of_many_ops(x: Tensor) -> Tensor:
    weight = nn.Parameter(x)
    weight.grad = x.clone()
    COUNTED.append(())
    for i in range(3):
        x = op(x, i)
        torch.nn.utils.clip_grad_norm_([weight], 1.0)
        x = op(x, i)
    return x


class Inner(nn.Module):
    def __init__(self, trips: int) -> None:
        super().__init__()
        self.trips = trips
        self.linear = nn.Linear(2, 2)

    def forward(self, x: Tensor, *around: int) -> Tensor:
        for k in range(self.trips):
            COUNTED.append((*around, k))
            x = self.linear(x)
        return x


class ModuleLoop(nn.Module):
    """One module class, another number of trips in each call."""

    def __init__(self) -> None:
        super().__init__()
        self.layers = nn.ModuleList([Inner(2), Inner(3), Inner(1)])

    def forward(self, x: Tensor) -> Tensor:
        for i, layer in enumerate(self.layers):
            x = layer(x, i)
        return x


class SequentialLoop(nn.Module):
    """Modules without code of the user's, two ops each."""

    def __init__(self) -> None:
        super().__init__()
        self.layers = nn.ModuleList(nn.Sequential(nn.Linear(2, 2), nn.ReLU()) for _ in range(3))

    def forward(self, x: Tensor) -> Tensor:
        for i, layer in enumerate(self.layers):
            COUNTED.extend([(i,), (i,)])
            x = layer(x)
        return x


class CallsItself(nn.Module):
    """A module that calls itself at one position, from a loop."""

    def __init__(self) -> None:
        super().__init__()
        self.linear = nn.Linear(2, 2)

    def forward(self, x: Tensor, depth: int = 2, trips: tuple[int, ...] = ()) -> Tensor:
        COUNTED.append(trips)
        x = self.linear(x)
        for i in range(2 if depth else 0):
            x = self(x, depth - 1, (*trips, i))
        return x


PROGRAMS = (
    one_loop, two_ops_on_one_line, with_continue, different_branches, conditional_expressions,
    with_break_and_else, inner_loop_that_always_breaks, the_same_loop_twice,
    a_function_with_a_loop_in_a_loop, nothing_but_counts_tells, growing_inner_loop,
    comprehensions, recursion, while_loops, a_while_that_tests_with_an_op, while_true,
    exceptions, return_in_a_loop, writes_in_place, with_statements, a_generator_function,
)  # fmt: skip
MODULES = (ModuleLoop, SequentialLoop, CallsItself)
