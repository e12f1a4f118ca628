"""Row 24: cross_entropy takes logits and does the softmax itself."""

from __future__ import annotations

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from sample_models._sample import noise, seeded
from sample_models.bugs._bug import Bug

X = noise(4, 3, seed=1)
LABELS = torch.tensor([0, 1, 2, 1])


def buggy() -> Tensor:
    """It learns, but slowly, and the loss can never come near zero."""
    net = seeded(lambda: nn.Linear(3, 3))()
    p = torch.softmax(net(X), dim=1)  # cause
    loss = F.cross_entropy(p, LABELS)
    loss.backward()
    return loss.detach()


def fixed() -> Tensor:
    """One softmax, inside of cross_entropy."""
    net = seeded(lambda: nn.Linear(3, 3))()
    loss = F.cross_entropy(net(X), LABELS)
    loss.backward()
    return loss.detach()


BUG = Bug(
    number=24,
    name="softmax_before_cross_entropy",
    title="Softmax twice",
    buggy=buggy,
    fixed=fixed,
    rules=("softmax-twice",),
    teaches="A softmax of numbers between 0 and 1 is nearly flat, and so is its gradient.",
)
