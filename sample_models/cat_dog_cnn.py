"""A small ResNet that tells cats from dogs; the photos are striped stand-ins."""

from __future__ import annotations

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from sample_models._sample import Annotated, Input, Sample, noise, seeded


class ResidualBlock(nn.Module):
    """Two convolutions and a way around them."""

    def __init__(self, inside: int, outside: int, stride: int = 1) -> None:
        super().__init__()
        self.conv1 = nn.Conv2d(inside, outside, 3, stride=stride, padding=1, bias=False)
        self.norm1 = nn.BatchNorm2d(outside)
        self.conv2 = nn.Conv2d(outside, outside, 3, padding=1, bias=False)
        self.norm2 = nn.BatchNorm2d(outside)
        self.shortcut = (
            nn.Identity() if inside == outside else nn.Conv2d(inside, outside, 1, stride=stride)
        )

    def forward(self, x: Tensor) -> Tensor:
        out = torch.relu(self.norm1(self.conv1(x)))
        return torch.relu(self.norm2(self.conv2(out)) + self.shortcut(x))


class CatDogCNN(nn.Module):
    """A stem, two residual blocks and a Linear on the mean of each channel."""

    def __init__(self) -> None:
        super().__init__()
        self.stem = nn.Sequential(
            nn.Conv2d(3, 4, 3, padding=1, bias=False), nn.BatchNorm2d(4), nn.ReLU()
        )
        self.blocks = nn.Sequential(ResidualBlock(4, 4), ResidualBlock(4, 8, stride=2))
        self.head = nn.Linear(8, 2)

    def forward(self, photos: Tensor, mirrored_vote: bool = False) -> Tensor:
        """photos: (batch, 3, height, width) -> (batch, 2), how much each is a cat, a dog"""
        logits = self.classify(photos)
        if mirrored_vote:
            logits = (logits + self.classify(photos.flip(-1))) / 2
        return logits

    def classify(self, photos: Tensor) -> Tensor:
        features = self.blocks(self.stem(photos))
        return self.head(features.mean(dim=(2, 3)))


def cats_and_dogs(size: int = 8, grain: float = 0.5) -> Tensor:
    """Four photos, (4, 3, size, size): cats are striped upright, dogs lengthwise."""
    stripes = torch.tensor([1.0, -1.0]).repeat(size // 2).expand(3, size, size)
    cat, dog = stripes, stripes.transpose(1, 2)
    return torch.stack([cat, dog, cat, dog]) + grain * noise(4, 3, size, size, seed=1)


def wrong_answers(logits: Tensor) -> Tensor:
    """Cross entropy with the truth: cat, dog, cat, dog."""
    return F.cross_entropy(logits, torch.tensor([0, 1, 0, 1]))


def given(
    mirrored_vote: Annotated[bool, "the mirror images are asked as well"] = False,
    size: Annotated[int, range(4, 33, 4), "of a photo's side in pixels"] = 8,
    grain: Annotated[float, (0.0, 2.0), "how noisy the photos are"] = 0.5,
) -> tuple[Tensor, bool]:
    return cats_and_dogs(size, grain), mirrored_vote


SAMPLE = Sample(
    name="cat_dog_cnn",
    title="Cat or dog: a small ResNet",
    teaches="Open one residual block at a time: two edges leave its input and meet in an add, so"
    " backward has two ways around as well; batch norm counts its batches in place.",
    inputs={
        "four photos": Input("One pass over the photos.", lambda: (cats_and_dogs(),)),
        "with a mirrored vote": Input(
            "The same net runs twice, on the photos and their mirror images.",
            lambda: (cats_and_dogs(), True),
        ),
    },
    build=seeded(CatDogCNN),
    loss=wrong_answers,
    given=given,
    file=__file__,
)
