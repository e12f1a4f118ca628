"""A branch on the data: the mean of the input picks one of two Linears."""

from __future__ import annotations

import torch
from torch import Tensor, nn

from sample_models._sample import Annotated, Input, Sample, noise, seeded


class Branching(nn.Module):
    """Two Linears, one of which runs."""

    def __init__(self) -> None:
        super().__init__()
        self.above = nn.Linear(4, 3)
        self.below = nn.Linear(4, 3)

    def forward(self, x: Tensor) -> Tensor:
        """x: (batch, 4) -> (batch, 3)"""
        if x.mean() > 0:
            return torch.tanh(self.above(x))
        return self.below(x * x) * 0.5


MEAN_ZERO = torch.tensor([[0.5, -0.25, 0.75, -1.0], [0.25, -0.5, 1.0, -0.75]])


def given(
    shift: Annotated[float, (-1.0, 1.0), "added to each value, and so to their mean"] = 0.5,
    x: Annotated[Tensor, "four numbers a row; the mean of these is 0"] = MEAN_ZERO,
) -> tuple[Tensor]:
    return (x + shift,)


SAMPLE = Sample(
    name="branching",
    title="Branching on the input",
    teaches="The decision turns a tensor into a Python bool: only the branch that ran is in the"
    " graph, and only its Linear gets a gradient.",
    inputs={
        "mean above zero": Input(
            "All values are positive, so `above` runs.", lambda: (noise(2, 4, seed=1).abs(),)
        ),
        "mean below zero": Input(
            "The same values with a minus sign, so `below` runs.",
            lambda: (-noise(2, 4, seed=1).abs(),),
        ),
    },
    build=seeded(Branching),
    given=given,
    file=__file__,
)
