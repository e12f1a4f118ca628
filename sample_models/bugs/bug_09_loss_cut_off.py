"""A loss that is computed from `argmax`: there is no way back to the parameters."""

from __future__ import annotations

import torch
from torch import Tensor, nn
from torch.nn.functional import cross_entropy

from sample_models.bugs._bug import Bug


def logits() -> Tensor:
    """Scores of three classes for four samples."""
    torch.manual_seed(0)
    return nn.Linear(5, 3)(torch.ones(4, 5))


def buggy() -> Tensor:
    """The share of wrong answers is what we want to be small, but it is a staircase."""
    target = torch.tensor([0, 1, 2, 1])
    predicted = logits().argmax(dim=1)  # cause
    loss = (predicted != target).float().mean()
    loss.backward()
    return loss


def fixed() -> Tensor:
    """Cross-entropy is smooth in the scores."""
    target = torch.tensor([0, 1, 2, 1])
    loss = cross_entropy(logits(), target)
    loss.backward()
    return loss


BUG = Bug(
    number=9,
    name="loss_cut_off",
    title="A loss that is cut from the graph",
    buggy=buggy,
    fixed=fixed,
    rules=("loss-without-graph",),
    teaches="Gradients pass only ops that are differentiable and that ran with autograd on: not "
    "argmax, not item, not NumPy, not no_grad.",
)
