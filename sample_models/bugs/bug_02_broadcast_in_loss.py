"""Row 02: a column of predictions minus a row of targets is a square."""

from __future__ import annotations

from torch import Tensor, nn

from sample_models._sample import noise, seeded
from sample_models.bugs._bug import Bug

X = noise(4, 3, seed=1)
Y = X.sum(dim=1)  # (4,): one number for each row of X


def buggy() -> Tensor:
    """Learns the mean of all targets, for every row: no message, only a loss that stays high."""
    net = seeded(lambda: nn.Linear(3, 1))()
    prediction = net(X)  # (4, 1)
    error = prediction - Y  # cause
    loss = error.square().mean()  # of (4, 4): each prediction against each target
    loss.backward()
    return loss.detach()


def fixed() -> Tensor:
    """Both are (4,)."""
    net = seeded(lambda: nn.Linear(3, 1))()
    prediction = net(X).squeeze(1)
    error = prediction - Y
    loss = error.square().mean()
    loss.backward()
    return loss.detach()


BUG = Bug(
    number=2,
    name="broadcast_in_loss",
    title="A loss over pairs that do not belong together",
    buggy=buggy,
    fixed=fixed,
    rules=("broadcast-to-square",),
    teaches="(4, 1) - (4,) is (4, 4): PyTorch lines shapes up from the right and stretches both.",
)
