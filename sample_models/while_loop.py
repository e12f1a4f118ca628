"""A while loop whose condition is a tensor: shrink the state until its norm is at most 1.

The shrinking matrix starts as half a rotation, so each trip halves the norm exactly and the
number of trips can be told from the input: a norm of 3 takes two trips (3, 1.5, 0.75).
"""

from __future__ import annotations

import math

import torch
from torch import Tensor, nn

from sample_models._sample import Annotated, Input, Sample, seeded


class ShrinkUntilSmall(nn.Module):
    """Multiplies by one matrix until the result is small."""

    def __init__(self) -> None:
        super().__init__()
        cos, sin = math.cos(0.5), math.sin(0.5)
        self.shrink = nn.Parameter(0.5 * torch.tensor([[cos, -sin], [sin, cos]]))
        self.head = nn.Linear(2, 1)

    def forward(self, x: Tensor) -> Tensor:
        """x: (2,) -> (1,)"""
        while x.norm() > 1:
            x = self.shrink @ x
        return self.head(x)


def of_norm(norm: float) -> tuple[Tensor]:
    return (norm * torch.tensor([0.6, 0.8]),)


def given(
    norm: Annotated[float, (0.0, 40.0), "of the input; each trip halves it"] = 3.0,
) -> tuple[Tensor]:
    return of_norm(norm)


SAMPLE = Sample(
    name="while_loop",
    title="A while loop",
    teaches="Count the decisions: each True adds one matmul to the chain, the one False ends it;"
    " backward walks the chain back and adds up one gradient of `shrink` for each trip.",
    inputs={
        "norm 3, two trips": Input("3, 1.5, 0.75: two trips.", lambda: of_norm(3.0)),
        "norm 20, five trips": Input(
            "20, 10, 5, 2.5, 1.25, 0.625: five trips.", lambda: of_norm(20.0)
        ),
        "norm 0.5, no trip": Input(
            "Small from the start: the loop's body never runs, `shrink` gets no gradient.",
            lambda: of_norm(0.5),
        ),
    },
    build=seeded(ShrinkUntilSmall),
    given=given,
    file=__file__,
)
