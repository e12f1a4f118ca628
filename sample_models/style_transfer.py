"""A style-transfer net: shrink, transform with residual blocks, grow back, compare styles."""

from __future__ import annotations

import torch
from torch import Tensor, nn

from sample_models._sample import Annotated, Input, Sample, noise, seeded


def convolution(inside: int, outside: int, stride: int = 1) -> nn.Sequential:
    # No bias: instance norm takes the mean away, so a bias would never get a gradient.
    return nn.Sequential(
        nn.Conv2d(inside, outside, 3, stride=stride, padding=1, bias=False),
        nn.InstanceNorm2d(outside, affine=True),
    )


class ResidualBlock(nn.Module):
    """Adds what two convolutions make of the image to the image."""

    def __init__(self, channels: int) -> None:
        super().__init__()
        self.first = convolution(channels, channels)
        self.second = convolution(channels, channels)

    def forward(self, x: Tensor) -> Tensor:
        return x + self.second(torch.relu(self.first(x)))


class StyleTransfer(nn.Module):
    """Fully convolutional: takes images of any size."""

    def __init__(self, channels: int = 4) -> None:
        super().__init__()
        self.shrink = convolution(3, channels, stride=2)
        self.blocks = nn.ModuleList(ResidualBlock(channels) for _ in range(2))
        self.grow = nn.Upsample(scale_factor=2.0)
        self.paint = nn.Conv2d(channels, 3, 3, padding=1)

    def forward(self, photo: Tensor) -> Tensor:
        """photo: (batch, 3, height, width) -> the same shape, values in (0, 1)"""
        x = torch.relu(self.shrink(photo))
        for block in self.blocks:
            x = block(x)
        x = self.grow(x)
        height, width = photo.shape[2], photo.shape[3]
        if x.shape[2] != height or x.shape[3] != width:  # an odd size came back one larger
            x = x[:, :, :height, :width]
        return torch.sigmoid(self.paint(x))


def style(image: Tensor) -> Tensor:
    """The Gram matrix (batch, 3, 3): which colours go together, whatever their place."""
    pixels = image.flatten(2)
    return pixels @ pixels.transpose(1, 2) / pixels.shape[2]


def style_loss(image: Tensor) -> Tensor:
    """The distance to the style of a painting in pure red, green and blue thirds."""
    return (style(image) - torch.eye(3) / 3).square().mean()


def photo(height: int, width: int) -> Tensor:
    return torch.sigmoid(noise(1, 3, height, width, seed=1))


def given(
    height: Annotated[int, range(3, 33), "in pixels; an odd size has to be cropped"] = 8,
    width: Annotated[int, range(3, 33), "in pixels; an odd size has to be cropped"] = 9,
) -> tuple[Tensor]:
    return (photo(height, width),)


SAMPLE = Sample(
    name="style_transfer",
    title="Style transfer",
    teaches="Follow the skip edges around the residual blocks, and see that an odd image size adds"
    " a crop: a branch that a shape decides and that a trace would freeze.",
    inputs={
        "even size": Input("8 by 8 pixels come back as 8 by 8.", lambda: (photo(8, 8),)),
        "odd size": Input(
            "9 by 9 pixels come back as 10 by 10 and are cropped.", lambda: (photo(9, 9),)
        ),
    },
    build=seeded(StyleTransfer),
    loss=style_loss,
    given=given,
    file=__file__,
)
