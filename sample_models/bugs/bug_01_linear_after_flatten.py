"""A `Linear` that was sized for images of another resolution."""

from __future__ import annotations

import torch
from torch import Tensor, nn

from sample_models.bugs._bug import Bug


class Classifier(nn.Module):
    """One convolution, then a linear layer over everything that is left of the image."""

    def __init__(self, head: nn.Module) -> None:
        super().__init__()
        self.conv = nn.Conv2d(3, 32, kernel_size=3)
        self.pool = nn.MaxPool2d(2)
        self.head = head

    def forward(self, image: Tensor) -> Tensor:
        x = self.pool(torch.relu(self.conv(image)))
        x = x.flatten(1)
        return self.head(x)  # cause


def images() -> Tensor:
    """Two images of 32 by 32: after the pooling 15 by 15 are left, and 32 * 15 * 15 = 7200."""
    return torch.zeros(2, 3, 32, 32)


def buggy() -> Tensor:
    """The head expects 32 * 14 * 14 = 6272 features, those of an image of 30 by 30."""
    return Classifier(nn.Linear(6272, 10))(images())


def fixed() -> Tensor:
    """A lazy layer takes its size from the first batch."""
    return Classifier(nn.LazyLinear(10))(images())


BUG = Bug(
    number=1,
    name="linear_after_flatten",
    title="A linear layer sized for another resolution",
    buggy=buggy,
    fixed=fixed,
    rules=("shapes-do-not-fit",),
    teaches="The size after a flatten is worked out from the input: follow it back op by op to "
    "see which of them made it.",
)
