"""Writing into one of several views that one op made."""

from __future__ import annotations

import torch
from torch import Tensor, nn

from sample_models.bugs._bug import Bug


def gates() -> Tensor:
    """Two gates side by side, as in a recurrent cell."""
    torch.manual_seed(0)
    return nn.Linear(3, 8)(torch.ones(2, 3))


def buggy() -> Tensor:
    """Both gates look into the same memory."""
    forget, write = gates().split(4, dim=1)
    forget += 1  # cause
    loss = (torch.sigmoid(forget) * torch.tanh(write)).sum()
    loss.backward()
    return loss


def fixed() -> Tensor:
    """A new tensor instead of a write."""
    forget, write = gates().split(4, dim=1)
    forget = forget + 1
    loss = (torch.sigmoid(forget) * torch.tanh(write)).sum()
    loss.backward()
    return loss


BUG = Bug(
    number=6,
    name="inplace_on_split",
    title="An in-place write into one of several views",
    buggy=buggy,
    fixed=fixed,
    rules=("view-overwritten",),
    teaches="split, chunk and unbind return several views of one tensor. Autograd cannot keep "
    "track of writes into one of them.",
)
