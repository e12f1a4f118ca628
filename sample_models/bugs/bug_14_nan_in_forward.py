"""Row 14: log(0) is -inf, and 0 · -inf is NaN."""

from __future__ import annotations

import torch
from torch import Tensor, nn

from sample_models._sample import noise, seeded
from sample_models.bugs._bug import Bug

X = noise(4, 3, seed=1)


def buggy() -> Tensor:
    """The entropy of probabilities of which some are exactly 0."""
    net = seeded(lambda: nn.Linear(3, 2))()
    p = torch.softmax(net(X) * 500, dim=1)  # so sure that the other class gets 0
    log_p = torch.log(p)  # cause
    entropy = -(p * log_p).sum(dim=1)
    loss = entropy.mean()
    loss.backward()
    return loss.detach()


def fixed() -> Tensor:
    """log_softmax works on the logits and stays finite."""
    net = seeded(lambda: nn.Linear(3, 2))()
    logits = net(X) * 500
    log_p = torch.log_softmax(logits, dim=1)
    entropy = -(log_p.exp() * log_p).sum(dim=1)
    loss = entropy.mean()
    loss.backward()
    return loss.detach()


BUG = Bug(
    number=14,
    name="nan_in_forward",
    title="The loss is NaN",
    buggy=buggy,
    fixed=fixed,
    rules=("nonfinite-value",),
    teaches="One value out of range is enough: every op after it hands the NaN on.",
)
