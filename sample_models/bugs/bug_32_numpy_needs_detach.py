"""`numpy()` on a tensor that is part of a graph."""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor, nn

from sample_models.bugs._bug import Bug


def predictions() -> Tensor:
    """Of a model that is being trained."""
    torch.manual_seed(0)
    return nn.Linear(3, 1)(torch.ones(4, 3))


def buggy() -> Any:
    """NumPy's ops would leave no trace in the graph."""
    return predictions().numpy()  # cause


def fixed() -> Any:
    """`detach` says that this is meant."""
    return predictions().detach().numpy()


BUG = Bug(
    number=32,
    name="numpy_needs_detach",
    title="numpy() on a tensor that requires grad",
    buggy=buggy,
    fixed=fixed,
    rules=("numpy-needs-detach",),
    teaches="A NumPy array has no history. detach() gives a tensor without one, in the same "
    "memory.",
)
