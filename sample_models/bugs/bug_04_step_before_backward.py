"""A GAN whose discriminator is updated between the generator's forward and its backward."""

from __future__ import annotations

import torch
from torch import Tensor, nn
from torch.nn.functional import softplus

from sample_models.bugs._bug import Bug


class Gan:
    """Two small networks, each with an optimizer of its own."""

    def __init__(self) -> None:
        torch.manual_seed(0)
        self.generator = nn.Linear(2, 4)
        self.discriminator = nn.Sequential(nn.Linear(4, 8), nn.ReLU(), nn.Linear(8, 1))
        self.generator_optimizer = torch.optim.SGD(self.generator.parameters(), lr=0.1)
        self.discriminator_optimizer = torch.optim.SGD(self.discriminator.parameters(), lr=0.1)

    def discriminator_loss(self, real: Tensor, fake: Tensor) -> Tensor:
        """Small where real data scores high and fake data low."""
        return (
            softplus(-self.discriminator(real)).mean()
            + softplus(self.discriminator(fake.detach())).mean()
        )

    def generator_loss(self, fake: Tensor) -> Tensor:
        """Small where the fake data fools the discriminator."""
        return softplus(-self.discriminator(fake)).mean()


def buggy() -> None:
    """Both losses first, then both updates: the second backward needs weights that are gone."""
    gan = Gan()
    real, fake = torch.ones(3, 4), gan.generator(torch.ones(3, 2))
    loss_d, loss_g = gan.discriminator_loss(real, fake), gan.generator_loss(fake)
    gan.discriminator_optimizer.zero_grad()
    loss_d.backward()
    gan.discriminator_optimizer.step()  # cause
    gan.generator_optimizer.zero_grad()
    loss_g.backward()
    gan.generator_optimizer.step()


def fixed() -> None:
    """The generator's loss is computed after the discriminator's update."""
    gan = Gan()
    real, fake = torch.ones(3, 4), gan.generator(torch.ones(3, 2))
    loss_d = gan.discriminator_loss(real, fake)
    gan.discriminator_optimizer.zero_grad()
    loss_d.backward()
    gan.discriminator_optimizer.step()
    loss_g = gan.generator_loss(fake)
    gan.generator_optimizer.zero_grad()
    loss_g.backward()
    gan.generator_optimizer.step()


BUG = Bug(
    number=4,
    name="step_before_backward",
    title="An optimizer step between a forward and its backward",
    buggy=buggy,
    fixed=fixed,
    rules=("saved-tensor-overwritten",),
    teaches="An optimizer writes into the parameters. A graph that was built with the old values "
    "cannot be run backward after that.",
)
