"""Data from NumPy in double precision, a model in single precision."""

from __future__ import annotations

import torch
from torch import Tensor, nn

from sample_models.bugs._bug import Bug

MEASURED = ((0.5, 1.5, 2.5), (3.5, 4.5, 5.5))


def buggy() -> Tensor:
    """float64 is NumPy's default and not torch's."""
    model = nn.Linear(3, 1)
    data = torch.tensor(MEASURED, dtype=torch.float64)  # cause
    return model(data - data.mean())


def fixed() -> Tensor:
    """One dtype from the start."""
    model = nn.Linear(3, 1)
    data = torch.tensor(MEASURED, dtype=torch.float32)
    return model(data - data.mean())


BUG = Bug(
    number=19,
    name="dtype_mismatch",
    title="Tensors of two dtypes",
    buggy=buggy,
    fixed=fixed,
    rules=("dtype-mismatch",),
    teaches="Sums and products promote to the larger type, matrix products do not. Convert data "
    "where it enters.",
)
