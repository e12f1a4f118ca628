"""Row 23: each sigmoid lets at most a quarter of the gradient through."""

from __future__ import annotations

from collections.abc import Callable

import torch
from torch import Tensor, nn

from sample_models._sample import noise, seeded
from sample_models.bugs._bug import Bug


class Deep(nn.Module):
    """Twelve equal Linears with an activation after each."""

    def __init__(self, activation: Callable[[Tensor], Tensor]) -> None:
        super().__init__()
        self.layers = nn.ModuleList(nn.Linear(8, 8) for _ in range(12))
        self.activation = activation
        for layer in self.layers:
            nn.init.kaiming_normal_(layer.weight)  # keeps the size where a ReLU follows

    def forward(self, x: Tensor) -> Tensor:
        """x: (batch, 8) -> (batch, 8)"""
        for layer in self.layers:
            x = layer(x)
            x = self.activation(x)  # cause
        return x


def train(net: Deep) -> Tensor:
    """One backward pass -> the loss"""
    loss = net(noise(4, 8, seed=1)).square().mean()
    loss.backward()
    return loss.detach()


def buggy() -> Tensor:
    """The first Linear gets about a millionth of what the last one gets."""
    return train(seeded(lambda: Deep(torch.sigmoid))())


def fixed() -> Tensor:
    """A ReLU hands on what it lets through as it is."""
    return train(seeded(lambda: Deep(torch.relu))())


BUG = Bug(
    number=23,
    name="vanishing_gradient",
    title="A deep net of which only the end learns",
    buggy=buggy,
    fixed=fixed,
    rules=("vanishing-gradient",),
    teaches="By the chain rule the factors multiply: twelve quarters make a seventeen-millionth.",
)
