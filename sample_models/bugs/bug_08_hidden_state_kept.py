"""A hidden state that is carried from batch to batch with its whole history."""

from __future__ import annotations

import torch
from torch import Tensor, nn

from sample_models.bugs._bug import Bug


class Reader(nn.Module):
    """A recurrent cell with a score."""

    def __init__(self) -> None:
        super().__init__()
        torch.manual_seed(0)
        self.cell = nn.Linear(6, 3)
        self.score = nn.Linear(3, 1)

    def forward(self, x: Tensor, hidden: Tensor) -> tuple[Tensor, Tensor]:
        joined = torch.cat([x, hidden], dim=1)  # cause
        hidden = torch.tanh(self.cell(joined))
        return self.score(hidden), hidden


def train(*, detach: bool) -> None:
    """Three batches of a long sequence, with an update after each."""
    model = Reader()
    optimizer = torch.optim.SGD(model.parameters(), lr=0.1)
    hidden = torch.zeros(2, 3)
    for _ in range(3):
        score, hidden = model(torch.ones(2, 3), hidden)
        loss = score.pow(2).mean()
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
        if detach:
            hidden = hidden.detach()


def buggy() -> None:
    """The second batch's graph goes on into that of the first, which is gone."""
    train(detach=False)


def fixed() -> None:
    """`detach` keeps the numbers and drops the history."""
    train(detach=True)


BUG = Bug(
    number=8,
    name="hidden_state_kept",
    title="Hidden state carried across batches",
    buggy=buggy,
    fixed=fixed,
    rules=("graph-kept-across-steps",),
    teaches="A tensor that outlives its step brings its graph along. Detach what is carried over.",
)
