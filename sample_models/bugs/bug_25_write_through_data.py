"""A write through `.data` into a tensor that the backward pass needs: wrong, and silent."""

from __future__ import annotations

import torch
from torch import Tensor

from sample_models.bugs._bug import Bug


def buggy() -> Tensor | None:
    """The gradient of h * h is 2 * h of the forward: 6, and not the 20 of after the write."""
    x = torch.tensor(1.0, requires_grad=True)
    h = x * 3
    loss = h * h
    h.data.fill_(10.0)  # cause
    loss.backward()
    return x.grad


def fixed() -> Tensor | None:
    """What is to be written is a copy."""
    x = torch.tensor(1.0, requires_grad=True)
    h = x * 3
    loss = h * h
    shown = h.detach().clone()
    shown.fill_(10.0)
    loss.backward()
    return x.grad


BUG = Bug(
    number=25,
    name="write_through_data",
    title="A write that autograd cannot see",
    buggy=buggy,
    fixed=fixed,
    rules=("write-hidden-from-autograd",),
    teaches="x.data shares x's memory and not its version counter: autograd's check does not see "
    "the write, and the gradient is wrong. Use detach(), which shares both, or a clone.",
)
