"""Row 15: where() hides the values of a branch, not its gradient."""

from __future__ import annotations

import torch
from torch import Tensor

from sample_models.bugs._bug import Bug


def buggy() -> Tensor:
    """The forward is fine; the gradient is 0 · inf, that is NaN, where x is 0."""
    x = torch.tensor([4.0, 0.0, -1.0], requires_grad=True)
    root = torch.sqrt(x.clamp(min=0))  # cause
    y = torch.where(x > 0, root, torch.zeros_like(x))
    y.sum().backward()
    return x.grad


def fixed() -> Tensor:
    """Sqrt is given nothing that where() is going to throw away."""
    x = torch.tensor([4.0, 0.0, -1.0], requires_grad=True)
    safe = torch.where(x > 0, x, torch.ones_like(x))
    y = torch.where(x > 0, torch.sqrt(safe), torch.zeros_like(x))
    y.sum().backward()
    return x.grad


BUG = Bug(
    number=15,
    name="nan_in_backward",
    title="A finite loss with a NaN gradient",
    buggy=buggy,
    fixed=fixed,
    rules=("nonfinite-gradient",),
    teaches="Backward goes through both branches of where(): one with 0, and 0 · inf is NaN.",
)
