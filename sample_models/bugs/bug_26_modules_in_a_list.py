"""Row 26: modules in a plain list are not among parameters()."""

from __future__ import annotations

import torch
from torch import Tensor, nn

from sample_models._sample import noise, seeded
from sample_models.bugs._bug import Bug


class Stack(nn.Module):
    """Two hidden Linears and a head."""

    def __init__(self, hidden: list[nn.Module] | nn.ModuleList) -> None:
        super().__init__()
        self.hidden = hidden
        self.head = nn.Linear(4, 1)

    def forward(self, x: Tensor) -> Tensor:
        """x: (batch, 4) -> (batch, 1)"""
        for layer in self.hidden:
            x = torch.tanh(layer(x))  # cause
        return self.head(x)


def train(net: Stack) -> Tensor:
    """Two steps -> the last loss"""
    optimizer = torch.optim.SGD(net.parameters(), lr=0.1)
    x = noise(3, 4, seed=1)
    for _ in range(2):
        optimizer.zero_grad()
        loss = net(x).square().mean()
        loss.backward()
        optimizer.step()
    return loss.detach()


def buggy() -> Tensor:
    """The hidden Linears get gradients, but no optimizer knows of them."""
    return train(seeded(lambda: Stack([nn.Linear(4, 4), nn.Linear(4, 4)]))())


def fixed() -> Tensor:
    """A ModuleList registers what is in it."""
    return train(seeded(lambda: Stack(nn.ModuleList([nn.Linear(4, 4), nn.Linear(4, 4)])))())


BUG = Bug(
    number=26,
    name="modules_in_a_list",
    title="Layers that never move",
    buggy=buggy,
    fixed=fixed,
    rules=("unregistered-module",),
    teaches="A Module knows modules that are its attributes, not those inside of a Python list.",
)
