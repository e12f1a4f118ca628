"""Row 27: view() where transpose() was meant: the shape is right, the samples are mixed."""

from __future__ import annotations

import torch
from torch import Tensor, nn

from sample_models._sample import noise, seeded
from sample_models.bugs._bug import Bug


class Steps(nn.Module):
    """A Linear on each step of a sequence that comes time first."""

    def __init__(self, mixes: bool) -> None:
        super().__init__()
        self.step = nn.Linear(2, 2)
        self.mixes = mixes

    def forward(self, x: Tensor) -> Tensor:
        """x: (batch, time, 2) -> (batch, 2)"""
        steps, batch = x.shape[1], x.shape[0]
        if self.mixes:
            by_time = x.view(steps, batch, 2)  # cause
        else:
            by_time = x.transpose(0, 1)
        return torch.tanh(self.step(by_time)).sum(dim=0)


def arguments() -> tuple[Tensor]:
    """What both are called with: two sequences of three steps."""
    return (noise(2, 3, 2, seed=1),)


def buggy_model() -> Steps:
    """Reads numbers of one sample as if they were the other's."""
    return seeded(lambda: Steps(mixes=True))()


def fixed_model() -> Steps:
    """Moves the dimensions instead of cutting the memory anew."""
    return seeded(lambda: Steps(mixes=False))()


def buggy() -> Tensor:
    """Runs, and even learns: a sample's answer depends on its neighbours in the batch."""
    return buggy_model()(*arguments()).detach()


def fixed() -> Tensor:
    """Each sample by itself."""
    return fixed_model()(*arguments()).detach()


BUG = Bug(
    number=27,
    name="batch_mixed",
    title="Samples that know of each other",
    buggy=buggy,
    fixed=fixed,
    rules=("batch-mixed",),
    teaches="view() keeps the order in memory and changes the shape; transpose() moves a "
    "dimension.",
)
