"""The first graph: four ops forward, four autograd nodes back.

For x = 1 everywhere, y = 3 and z = 27, and each element's gradient is 6 * y / 4 = 4.5.
"""

from __future__ import annotations

import torch
from torch import Tensor

from sample_models._sample import Annotated, Input, Sample, unchanged


def autograd_basics(x: Tensor) -> Tensor:
    y = x + 2
    z = y * y * 3
    return z.mean()


def ones() -> tuple[Tensor]:
    return (torch.ones(2, 2, requires_grad=True),)


def ramp() -> tuple[Tensor]:
    return (torch.tensor([[0.0, 1.0], [2.0, 3.0]], requires_grad=True),)


ONES = torch.ones(2, 2)


def given(x: Annotated[Tensor, "of any shape"] = ONES) -> tuple[Tensor]:
    return (x.detach().clone().requires_grad_(),)


SAMPLE = Sample(
    name="autograd_basics",
    title="Autograd basics",
    teaches="Read the backward graph upside down: each op forward left one node that knows its"
    " derivative, and y, used twice by y * y, receives two gradients that are added.",
    inputs={
        "ones": Input("Every element is 1, so every gradient is 4.5.", ones),
        "a ramp": Input("The same graph; the gradient 1.5 * (x + 2) grows with x.", ramp),
    },
    build=lambda: autograd_basics,
    loss=unchanged,
    given=given,
    file=__file__,
)
