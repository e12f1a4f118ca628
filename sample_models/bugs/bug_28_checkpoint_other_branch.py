"""A checkpointed function that takes another branch when it is run again."""

from __future__ import annotations

import torch
from torch import Tensor
from torch.utils.checkpoint import checkpoint

from sample_models.bugs._bug import Bug


class Warmup:
    """A function that squares its input in its first call only."""

    def __init__(self, *, count_calls: bool) -> None:
        self.count_calls = count_calls
        self.calls = 0

    def __call__(self, x: Tensor) -> Tensor:
        """The sine of x, or of its square."""
        if self.count_calls:
            self.calls += 1
        if self.calls <= 1:
            x = x * x  # cause
        return torch.sin(x)


def run(function: Warmup) -> Tensor:
    """One forward under a checkpoint, and its backward."""
    x = torch.linspace(0, 1, 4, requires_grad=True)
    loss = checkpoint(function, x, use_reentrant=False).sum()
    loss.backward()
    return loss


def buggy() -> Tensor:
    """The backward pass calls the function a second time, and gets another graph."""
    return run(Warmup(count_calls=True))


def fixed() -> Tensor:
    """What decides does not change between the two runs."""
    return run(Warmup(count_calls=False))


BUG = Bug(
    number=28,
    name="checkpoint_other_branch",
    title="A checkpoint that recomputes another branch",
    buggy=buggy,
    fixed=fixed,
    rules=("recomputation-differs",),
    teaches="A checkpoint saves memory by running the forward again. That must do the same: no "
    "counters, no clocks, no random numbers but torch's own.",
)
