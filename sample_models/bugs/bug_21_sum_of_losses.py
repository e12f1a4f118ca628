"""Row 21: a running sum of losses holds on to the graph of every step."""

from __future__ import annotations

import torch
from torch import nn

from sample_models._sample import noise, seeded
from sample_models.bugs._bug import Bug


def buggy() -> float:
    """Memory grows with every step, and nothing says why."""
    net = seeded(lambda: nn.Linear(3, 1))()
    optimizer = torch.optim.SGD(net.parameters(), lr=0.1)
    x = noise(4, 3, seed=1)
    total = torch.zeros(())
    for _ in range(4):
        optimizer.zero_grad()
        loss = net(x).square().mean()
        loss.backward()
        optimizer.step()
        total += loss  # cause
    return float(total)


def fixed() -> float:
    """A Python number has no graph."""
    net = seeded(lambda: nn.Linear(3, 1))()
    optimizer = torch.optim.SGD(net.parameters(), lr=0.1)
    x = noise(4, 3, seed=1)
    total = 0.0
    for _ in range(4):
        optimizer.zero_grad()
        loss = net(x).square().mean()
        loss.backward()
        optimizer.step()
        total += loss.item()
    return total


BUG = Bug(
    number=21,
    name="sum_of_losses",
    title="Memory that grows from step to step",
    buggy=buggy,
    fixed=fixed,
    rules=("graphs-kept-alive",),
    teaches="A tensor that requires grad holds its grad_fn, and that holds the whole graph above.",
)
