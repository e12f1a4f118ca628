"""Row 11: a detach in the middle, and the encoder never learns."""

from __future__ import annotations

import torch
from torch import Tensor, nn

from sample_models._sample import noise, seeded
from sample_models.bugs._bug import Bug


class Autoencoder(nn.Module):
    """Three numbers through two and back; `cut` leaves the encoder outside of the graph."""

    def __init__(self, cut: bool) -> None:
        super().__init__()
        self.encoder = nn.Linear(3, 2)
        self.decoder = nn.Linear(2, 3)
        self.cut = cut

    def forward(self, x: Tensor) -> Tensor:
        """x: (batch, 3) -> (batch, 3)"""
        code = torch.tanh(self.encoder(x))
        if self.cut:
            code = code.detach()  # cause
        return self.decoder(code)


def train(net: Autoencoder) -> Tensor:
    """Two steps -> the last loss"""
    optimizer = torch.optim.SGD(net.parameters(), lr=0.1)
    x = noise(4, 3, seed=1)
    for _ in range(2):
        optimizer.zero_grad()
        loss = (net(x) - x).square().mean()
        loss.backward()
        optimizer.step()
    return loss.detach()


def buggy() -> Tensor:
    """The loss goes down a little: the decoder learns, the encoder stays as it was drawn."""
    return train(seeded(lambda: Autoencoder(cut=True))())


def fixed() -> Tensor:
    """Gradients reach the encoder."""
    return train(seeded(lambda: Autoencoder(cut=False))())


BUG = Bug(
    number=11,
    name="detached_encoder",
    title="An encoder that gets no gradient",
    buggy=buggy,
    fixed=fixed,
    rules=("gradient-cut",),
    teaches="detach() hands on the numbers without their history: backward stops there, silently.",
)
