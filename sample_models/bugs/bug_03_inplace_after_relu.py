"""An in-place `+=` on a tensor that the backward pass still needs."""

from __future__ import annotations

import torch
from torch import Tensor, nn

from sample_models.bugs._bug import Bug


def hidden_layer() -> Tensor:
    """What a linear layer and a ReLU make of four ones."""
    torch.manual_seed(0)
    return torch.relu(nn.Linear(4, 4)(torch.ones(2, 4)))


def buggy() -> Tensor:
    """ReLU keeps its result for its backward: where it is zero, no gradient passes."""
    h = hidden_layer()
    h += 1  # cause
    loss = h.sum()
    loss.backward()
    return loss


def fixed() -> Tensor:
    """`h + 1` makes a new tensor and leaves the saved one alone."""
    h = hidden_layer()
    h = h + 1
    loss = h.sum()
    loss.backward()
    return loss


BUG = Bug(
    number=3,
    name="inplace_after_relu",
    title="Overwriting what backward needs",
    buggy=buggy,
    fixed=fixed,
    rules=("saved-tensor-overwritten",),
    teaches="An op may keep its inputs or its result for the backward pass. What is kept must not "
    "be written to; autograd counts the versions of each tensor and refuses.",
)
