"""Row 12: without zero_grad each step adds its gradient to those of all steps before."""

from __future__ import annotations

import torch
from torch import Tensor, nn

from sample_models._sample import noise, seeded
from sample_models.bugs._bug import Bug


def buggy() -> Tensor:
    """The second step goes along the first gradient once more."""
    net = seeded(lambda: nn.Linear(3, 1))()
    optimizer = torch.optim.SGD(net.parameters(), lr=0.1)
    x = noise(4, 3, seed=1)
    for _ in range(3):
        loss = net(x).square().mean()
        loss.backward()  # cause
        optimizer.step()
    return loss.detach()


def fixed() -> Tensor:
    """Each step starts from no gradient."""
    net = seeded(lambda: nn.Linear(3, 1))()
    optimizer = torch.optim.SGD(net.parameters(), lr=0.1)
    x = noise(4, 3, seed=1)
    for _ in range(3):
        optimizer.zero_grad()
        loss = net(x).square().mean()
        loss.backward()
        optimizer.step()
    return loss.detach()


BUG = Bug(
    number=12,
    name="no_zero_grad",
    title="Gradients of steps long past",
    buggy=buggy,
    fixed=fixed,
    rules=("stale-gradient",),
    teaches="backward() adds to .grad; only zero_grad() empties it.",
)
