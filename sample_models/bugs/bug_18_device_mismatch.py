"""A tensor that was made on another device than the model.

The second device is "meta", where tensors have shapes and no values: it is there on every
machine.
"""

from __future__ import annotations

import torch
from torch import Tensor, nn

from sample_models.bugs._bug import Bug

DEVICE = "meta"


def buggy() -> Tensor:
    """The model was moved, the positions were not."""
    model = nn.Linear(3, 3).to(DEVICE)
    positions = torch.arange(3.0)  # cause
    return model(torch.ones(2, 3, device=DEVICE)) + positions


def fixed() -> Tensor:
    """What is made on the way is made where its input is."""
    model = nn.Linear(3, 3).to(DEVICE)
    x = torch.ones(2, 3, device=DEVICE)
    positions = torch.arange(3.0, device=x.device)
    return model(x) + positions


BUG = Bug(
    number=18,
    name="device_mismatch",
    title="Tensors on two devices",
    buggy=buggy,
    fixed=fixed,
    rules=("device-mismatch",),
    teaches="model.to(device) moves parameters and buffers. What forward makes anew has to be "
    "told the device; make it a buffer, or ask an input for its device.",
)
