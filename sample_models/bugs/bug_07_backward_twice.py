"""Two losses over one encoder, each with a backward pass of its own."""

from __future__ import annotations

import torch
from torch import Tensor, nn

from sample_models.bugs._bug import Bug


def losses() -> tuple[Tensor, Tensor]:
    """Two losses that share what the encoder computed."""
    torch.manual_seed(0)
    encoder, left, right = nn.Linear(4, 4), nn.Linear(4, 1), nn.Linear(4, 1)
    code = torch.tanh(encoder(torch.ones(2, 4)))
    return left(code).sum(), right(code).pow(2).sum()


def buggy() -> None:
    """The first pass frees what the encoder's nodes had saved; the second one needs it."""
    loss_left, loss_right = losses()
    loss_left.backward()
    loss_right.backward()  # cause


def fixed() -> None:
    """One pass from the sum of both losses."""
    loss_left, loss_right = losses()
    (loss_left + loss_right).backward()


BUG = Bug(
    number=7,
    name="backward_twice",
    title="A second backward through a shared part",
    buggy=buggy,
    fixed=fixed,
    rules=("graph-used-twice",),
    teaches="A backward pass frees the saved tensors of the nodes it ran. Add the losses, or keep "
    "the graph of the first pass with retain_graph=True.",
)
