"""Row 20: evaluated without eval(): dropout still drops, batch norm still learns."""

from __future__ import annotations

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from sample_models._sample import noise, seeded
from sample_models.bugs._bug import Bug


class Classifier(nn.Module):
    """A hidden layer with dropout."""

    def __init__(self) -> None:
        super().__init__()
        self.hidden = nn.Linear(3, 8)
        self.out = nn.Linear(8, 2)
        self.drop = nn.Dropout(0.5)

    def forward(self, x: Tensor) -> Tensor:
        """x: (batch, 3) -> (batch, 2)"""
        h = torch.tanh(self.hidden(x))
        h = self.drop(h)  # cause
        return self.out(h)


def trained() -> Classifier:
    """A model after one training step."""
    net = seeded(Classifier)()
    optimizer = torch.optim.SGD(net.parameters(), lr=0.1)
    loss = F.cross_entropy(net(noise(4, 3, seed=1)), torch.tensor([0, 1, 0, 1]))
    loss.backward()
    optimizer.step()
    return net


def buggy() -> Tensor:
    """Another answer each time, for the same input."""
    net = trained()
    with torch.no_grad():
        return net(noise(1, 3, seed=2))


def fixed() -> Tensor:
    """eval() switches dropout off."""
    net = trained()
    net.eval()
    with torch.no_grad():
        return net(noise(1, 3, seed=2))


BUG = Bug(
    number=20,
    name="inference_in_train_mode",
    title="Predictions that differ from call to call",
    buggy=buggy,
    fixed=fixed,
    rules=("inference-in-train-mode",),
    teaches="no_grad() switches gradients off, eval() switches the mode: one does not do the "
    "other.",
)
