"""`backward` on a loss that still has a number for each sample."""

from __future__ import annotations

import torch
from torch import Tensor, nn

from sample_models.bugs._bug import Bug


def errors() -> Tensor:
    """One squared error per sample."""
    torch.manual_seed(0)
    return nn.Linear(3, 1)(torch.ones(4, 3)).squeeze(1).pow(2)


def buggy() -> Tensor:
    """A gradient is one of a single number."""
    loss = errors()
    loss.backward()  # cause
    return loss


def fixed() -> Tensor:
    """The mean of all samples' errors."""
    loss = errors().mean()
    loss.backward()
    return loss


BUG = Bug(
    number=29,
    name="backward_on_non_scalar",
    title="backward on a tensor that is not a scalar",
    buggy=buggy,
    fixed=fixed,
    rules=("backward-on-non-scalar",),
    teaches="backward starts from one number, whose gradient is 1. Reduce with mean or sum, or "
    "say how much each element counts: loss.backward(weights).",
)
