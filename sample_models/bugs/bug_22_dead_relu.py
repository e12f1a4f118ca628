"""Row 22: a ReLU that gives only zeros, and so gets only zeros back."""

from __future__ import annotations

import torch
from torch import Tensor, nn

from sample_models._sample import noise, seeded
from sample_models.bugs._bug import Bug


class Net(nn.Module):
    """A hidden layer whose bias starts at `bias`."""

    def __init__(self, bias: float) -> None:
        super().__init__()
        self.hidden = nn.Linear(3, 16)
        self.out = nn.Linear(16, 1)
        nn.init.constant_(self.hidden.bias, bias)

    def forward(self, x: Tensor) -> Tensor:
        """x: (batch, 3) -> (batch, 1)"""
        h = torch.relu(self.hidden(x))  # cause
        return self.out(h)


def train(net: Net) -> Tensor:
    """Three steps -> the last loss"""
    optimizer = torch.optim.SGD(net.parameters(), lr=0.1)
    x = noise(8, 3, seed=1)
    for _ in range(3):
        optimizer.zero_grad()
        loss = (net(x) - x.sum(dim=1, keepdim=True)).square().mean()
        loss.backward()
        optimizer.step()
    return loss.detach()


def buggy() -> Tensor:
    """Far below zero for every input: the gradient is zero, and it stays there for good."""
    return train(seeded(lambda: Net(bias=-10.0))())


def fixed() -> Tensor:
    """Around zero: some units fire, others do not."""
    return train(seeded(lambda: Net(bias=0.0))())


BUG = Bug(
    number=22,
    name="dead_relu",
    title="A layer that has died",
    buggy=buggy,
    fixed=fixed,
    rules=("dead-relu",),
    teaches="Left of zero a ReLU is flat: no gradient, so nothing can bring the unit back.",
)
