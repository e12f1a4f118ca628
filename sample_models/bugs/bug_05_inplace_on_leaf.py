"""Writing into a parameter while autograd watches."""

from __future__ import annotations

import torch
from torch import Tensor

from sample_models.bugs._bug import Bug


def loss_of(weight: Tensor) -> Tensor:
    """A loss, and its gradient in `weight.grad`."""
    loss = (weight * torch.tensor([1.0, 2.0, 3.0])).sum()
    loss.backward()
    return loss


def buggy() -> Tensor:
    """The update of gradient descent, written as it stands in the book."""
    weight = torch.zeros(3, requires_grad=True)
    loss_of(weight)
    weight -= 0.1 * weight.grad  # cause
    return weight


def fixed() -> Tensor:
    """The update is no part of the model: autograd has to look away."""
    weight = torch.zeros(3, requires_grad=True)
    loss_of(weight)
    with torch.no_grad():
        weight -= 0.1 * weight.grad
    return weight


BUG = Bug(
    number=5,
    name="inplace_on_leaf",
    title="An in-place update of a leaf",
    buggy=buggy,
    fixed=fixed,
    rules=("leaf-overwritten",),
    teaches="A leaf is where gradients arrive. Had it a history of writes, it would be no leaf "
    "any more; so updates run under no_grad, as optimizers do.",
)
