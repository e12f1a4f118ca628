"""Gradient accumulation: several small backward passes, then one step, as for one big batch."""

from __future__ import annotations

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from sample_models._sample import Annotated, Input, Sample, first_argument, noise, seeded


class AccumulatingTraining:
    """Calling it goes on training where the last call stopped."""

    def __init__(self) -> None:
        self.net = nn.Sequential(nn.Linear(3, 4), nn.Tanh(), nn.Linear(4, 1))
        self.optimizer = torch.optim.SGD(self.net.parameters(), lr=0.1, momentum=0.9)

    def __call__(self, x: Tensor, y: Tensor, parts: int) -> Tensor:
        """One step on x (batch, 3) and y (batch, 1), cut into equal parts -> (parts,) losses"""
        self.optimizer.zero_grad()
        losses = []
        for part_x, part_y in zip(x.chunk(parts), y.chunk(parts), strict=True):
            loss = F.mse_loss(self.net(part_x), part_y) / parts  # so that the sum is the mean
            loss.backward()
            losses.append(loss.detach())
        self.optimizer.step()
        return torch.stack(losses)


def batch(size: int = 4) -> tuple[Tensor, Tensor]:
    x = noise(size, 3, seed=1)
    return x, x.sum(dim=1, keepdim=True)


def given(
    parts: Annotated[int, range(1, 9), "backward passes before the step"] = 2,
    each: Annotated[int, range(1, 5), "samples of one part"] = 2,
) -> tuple[Tensor, Tensor, int]:
    return *batch(parts * each), parts


SAMPLE = Sample(
    name="grad_accumulation",
    title="Gradient accumulation",
    teaches="Watch each AccumulateGrad: the first pass sets the gradient, later passes add to it,"
    " and the one step at the end moves the weights just as the whole batch would.",
    inputs={
        "one batch of four": Input("One forward, one backward.", lambda: (*batch(), 1)),
        "two parts of two": Input("Two backward passes add up.", lambda: (*batch(), 2)),
        "four parts of one": Input("Four backward passes add up.", lambda: (*batch(), 4)),
    },
    build=seeded(AccumulatingTraining),
    loss=None,
    static=lambda train: train.net,
    static_inputs=first_argument,
    given=given,
    file=__file__,
)
