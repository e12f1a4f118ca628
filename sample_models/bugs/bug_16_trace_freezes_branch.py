"""A traced function that has forgotten one half of its `if`."""

from __future__ import annotations

import warnings

import torch
from torch import Tensor

from sample_models.bugs._bug import Bug


def leaky(x: Tensor) -> Tensor:
    """Twice the numbers if their sum is positive, a tenth otherwise."""
    if x.sum() > 0:  # cause
        return x * 2
    return x * 0.1


def leaky_without_branch(x: Tensor) -> Tensor:
    """Likewise; the choice is an op, and so a part of the graph."""
    return torch.where(x.sum() > 0, x * 2, x * 0.1)


def buggy() -> tuple[Tensor, Tensor]:
    """Traced with positive numbers, it doubles negative ones as well."""
    traced = _trace(leaky)
    negative = -torch.ones(3)
    return leaky(negative), traced(negative)


def fixed() -> tuple[Tensor, Tensor]:
    """The same, with the choice made by torch.where."""
    traced = _trace(leaky_without_branch)
    negative = -torch.ones(3)
    return leaky_without_branch(negative), traced(negative)


def _trace(function):  # noqa: ANN001, ANN202
    with warnings.catch_warnings():
        # That tracing itself is deprecated is not what this bug is about.
        warnings.filterwarnings("ignore", "`torch.jit.trace", DeprecationWarning)
        return torch.jit.trace(function, torch.ones(3))


BUG = Bug(
    number=16,
    name="trace_freezes_branch",
    title="A trace freezes a branch",
    buggy=buggy,
    fixed=fixed,
    rules=("trace-freezes-decision",),
    teaches="Tracing writes down the ops of one run. Python's if, while and for are not ops: what "
    "they did for the example input is done for every input.",
)
