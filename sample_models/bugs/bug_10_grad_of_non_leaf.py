"""A tensor that was made for its gradient, and is no leaf."""

from __future__ import annotations

import torch
from torch import Tensor

from sample_models.bugs._bug import Bug


def buggy() -> Tensor | None:
    """The multiplication makes another tensor; the leaf behind it has no name."""
    weight = torch.ones(3, requires_grad=True) * 0.5  # cause
    loss = weight.pow(2).sum()
    loss.backward()
    return weight.grad


def fixed() -> Tensor | None:
    """First the values, then `requires_grad_`: now the tensor itself is the leaf."""
    weight = (torch.ones(3) * 0.5).requires_grad_()
    loss = weight.pow(2).sum()
    loss.backward()
    return weight.grad


BUG = Bug(
    number=10,
    name="grad_of_non_leaf",
    title="The gradient of a tensor that is no leaf",
    buggy=buggy,
    fixed=fixed,
    rules=("grad-of-non-leaf",),
    teaches="backward fills .grad of leaves only. What an op returned is no leaf, whatever it was "
    "made from; .to(device) is such an op as well.",
)
