"""Row 13: which parameters get a gradient depends on the input."""

from __future__ import annotations

import torch
from torch import Tensor, nn

from sample_models._sample import noise, seeded
from sample_models.bugs._bug import Bug


class OneOfTwo(nn.Module):
    """Runs one of its two Linears."""

    def __init__(self) -> None:
        super().__init__()
        self.high = nn.Linear(3, 2)
        self.low = nn.Linear(3, 2)

    def forward(self, x: Tensor) -> Tensor:
        """x: (batch, 3) -> (batch, 2)"""
        if x.mean() > 0:  # cause
            return self.high(x)
        return self.low(x)


class Both(OneOfTwo):
    """Runs both and picks: the one that was not picked gets a gradient too, of zeros."""

    def forward(self, x: Tensor) -> Tensor:
        """x: (batch, 3) -> (batch, 2)"""
        return torch.where(x.mean() > 0, self.high(x), self.low(x))


def train(net: nn.Module) -> Tensor:
    """A step on a positive batch and one on a negative -> the last loss"""
    optimizer = torch.optim.SGD(net.parameters(), lr=0.1)
    positive = noise(4, 3, seed=1).abs()
    for batch in (positive, -positive):
        optimizer.zero_grad()
        loss = net(batch).square().mean()
        loss.backward()
        optimizer.step()
    return loss.detach()


def buggy() -> Tensor:
    """Alone it runs; under DistributedDataParallel the other workers wait for a gradient."""
    return train(seeded(OneOfTwo)())


def fixed() -> Tensor:
    """All parameters take part in every step."""
    return train(seeded(Both)())


BUG = Bug(
    number=13,
    name="unused_parameters",
    title="Parameters that sit out a step",
    buggy=buggy,
    fixed=fixed,
    rules=("unused-in-a-step",),
    teaches="An `if` on a tensor's value picks the graph: what did not run gets no gradient.",
)
