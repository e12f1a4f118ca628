"""Two networks against each other: a discriminator's turn, then a generator's turn."""

from __future__ import annotations

import math

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from sample_models._sample import Annotated, Input, Sample, first_argument, noise, seeded


class Generator(nn.Module):
    """Turns random points into forged ones."""

    def __init__(self) -> None:
        super().__init__()
        self.net = nn.Sequential(nn.Linear(2, 6), nn.Tanh(), nn.Linear(6, 2))

    def forward(self, latent: Tensor) -> Tensor:
        return self.net(latent)


class Discriminator(nn.Module):
    """Says how real a point looks, above 0 for real."""

    def __init__(self) -> None:
        super().__init__()
        self.net = nn.Sequential(nn.Linear(2, 6), nn.LeakyReLU(0.2), nn.Linear(6, 1))

    def forward(self, points: Tensor) -> Tensor:
        return self.net(points)


class GANTraining:
    """Calling it goes on training where the last call stopped."""

    def __init__(self) -> None:
        self.generator = Generator()
        self.discriminator = Discriminator()
        self.generator_optimizer = torch.optim.Adam(self.generator.parameters(), lr=0.01)
        self.discriminator_optimizer = torch.optim.Adam(self.discriminator.parameters(), lr=0.01)

    def __call__(self, latent: Tensor, real: Tensor, discriminator_turns: int) -> Tensor:
        """Latent and real points, (batch, 2) -> the loss of each turn, (turns + 1,)."""
        losses = [self.discriminator_turn(latent, real) for _ in range(discriminator_turns)]
        losses.append(self.generator_turn(latent))
        return torch.stack(losses)

    def discriminator_turn(self, latent: Tensor, real: Tensor) -> Tensor:
        self.discriminator_optimizer.zero_grad()
        fake = self.generator(latent).detach()  # the forger must not learn from this turn
        real_verdict, fake_verdict = self.discriminator(real), self.discriminator(fake)
        loss = says(real_verdict, "real") + says(fake_verdict, "fake")
        loss.backward()
        self.discriminator_optimizer.step()
        return loss.detach()

    def generator_turn(self, latent: Tensor) -> Tensor:
        self.generator_optimizer.zero_grad()
        loss = says(self.discriminator(self.generator(latent)), "real")
        loss.backward()  # gradients land in the discriminator too; its zero_grad drops them
        self.generator_optimizer.step()
        return loss.detach()


def says(verdict: Tensor, wanted: str) -> Tensor:
    """How far the discriminator's verdict is from the wanted one."""
    target = torch.ones_like(verdict) if wanted == "real" else torch.zeros_like(verdict)
    return F.binary_cross_entropy_with_logits(verdict, target)


def noise_and_circle(batch: int = 6) -> tuple[Tensor, Tensor]:
    angle = torch.arange(batch) * (2 * math.pi / batch)
    return noise(batch, 2, seed=1), torch.stack([angle.cos(), angle.sin()], dim=1)


def given(
    discriminator_turns: Annotated[int, range(6), "before the generator's turn"] = 1,
    batch: Annotated[int, range(1, 13), "points of each kind"] = 6,
) -> tuple[Tensor, Tensor, int]:
    return *noise_and_circle(batch), discriminator_turns


SAMPLE = Sample(
    name="gan",
    title="A GAN: two losses, two turns",
    teaches="See where each backward ends: detach stops the discriminator's at the fake points,"
    " while the generator's runs through the discriminator into the generator.",
    inputs={
        "one turn each": Input(
            "One step of the discriminator, one of the generator.",
            lambda: (*noise_and_circle(), 1),
        ),
        "two discriminator turns": Input(
            "The discriminator steps twice before the generator's turn.",
            lambda: (*noise_and_circle(), 2),
        ),
    },
    build=seeded(GANTraining),
    loss=None,
    static=lambda train: train.generator,
    static_inputs=first_argument,
    given=given,
    file=__file__,
)
