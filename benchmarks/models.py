"""What the benchmarks run: models that stress a recorder, or a drawing, in different ways."""

from __future__ import annotations

from collections.abc import Callable
from typing import NamedTuple

import torch
from torch import nn
from torch.nn import functional


class Case(NamedTuple):
    """A model and what it is called with."""

    model: nn.Module
    inputs: tuple[torch.Tensor, ...]


class Residual(nn.Module):
    """Two convolutions around a shortcut; `stride` 2 halves the picture."""

    def __init__(self, channels_in: int, channels: int, stride: int) -> None:
        super().__init__()
        self.conv1 = nn.Conv2d(channels_in, channels, 3, stride, 1, bias=False)
        self.norm1 = nn.BatchNorm2d(channels)
        self.conv2 = nn.Conv2d(channels, channels, 3, 1, 1, bias=False)
        self.norm2 = nn.BatchNorm2d(channels)
        self.shortcut = nn.Conv2d(channels_in, channels, 1, stride, bias=False)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        """(N, channels_in, H, W) to (N, channels, H / stride, W / stride)."""
        y = functional.relu(self.norm1(self.conv1(x)))
        return functional.relu(self.norm2(self.conv2(y)) + self.shortcut(x))


class SmallResNet(nn.Module):
    """Few, heavy ops: the recorder's share of the time is small."""

    def __init__(self) -> None:
        super().__init__()
        self.stem = nn.Conv2d(3, 16, 3, padding=1)
        widths = (16, 16, 32, 32, 64, 64)
        self.blocks = nn.ModuleList(
            Residual(before, width, 1 if before == width else 2)
            for before, width in zip((16, *widths), widths, strict=False)
        )
        self.head = nn.Linear(64, 10)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        """(N, 3, H, W) to (N, 10)."""
        x = functional.relu(self.stem(x))
        for block in self.blocks:
            x = block(x)
        return self.head(x.mean((2, 3)))


class Block(nn.Module):
    """Pre-norm self-attention and a two-layer perceptron."""

    def __init__(self, width: int, heads: int) -> None:
        super().__init__()
        self.heads = heads
        self.norm1, self.norm2 = nn.LayerNorm(width), nn.LayerNorm(width)
        self.qkv, self.out = nn.Linear(width, 3 * width), nn.Linear(width, width)
        self.up, self.down = nn.Linear(width, 4 * width), nn.Linear(4 * width, width)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        """(N, T, width) to the same."""
        n, t, width = x.shape
        parts = self.qkv(self.norm1(x)).view(n, t, 3, self.heads, width // self.heads)
        query, key, value = parts.permute(2, 0, 3, 1, 4).unbind(0)
        weights = (query @ key.transpose(-2, -1) * (width // self.heads) ** -0.5).softmax(-1)
        x = x + self.out((weights @ value).transpose(1, 2).reshape(n, t, width))
        return x + self.down(functional.gelu(self.up(self.norm2(x))))


class Transformer(nn.Module):
    """Medium ops, many views, deep module nesting."""

    def __init__(self, width: int = 128, depth: int = 4) -> None:
        super().__init__()
        self.embedding = nn.Embedding(1000, width)
        self.blocks = nn.ModuleList(Block(width, 4) for _ in range(depth))
        self.head = nn.Linear(width, 1000)

    def forward(self, tokens: torch.Tensor) -> torch.Tensor:
        """(N, T) token numbers to (N, T, 1000)."""
        x = self.embedding(tokens)
        for block in self.blocks:
            x = block(x)
        return self.head(x)


class Cell(nn.Module):
    """h' = tanh(W x + U h)."""

    def __init__(self, width: int) -> None:
        super().__init__()
        self.from_input = nn.Linear(width, width)
        self.from_state = nn.Linear(width, width)

    def forward(self, x: torch.Tensor, state: torch.Tensor) -> torch.Tensor:
        """(N, width) twice to (N, width)."""
        return torch.tanh(self.from_input(x) + self.from_state(state))


class Recurrent(nn.Module):
    """One cell, called once a step: light ops in a long chain of module calls."""

    def __init__(self, width: int = 64) -> None:
        super().__init__()
        self.cell = Cell(width)

    def forward(self, steps: torch.Tensor) -> torch.Tensor:
        """(T, N, width) to (N, width)."""
        state = torch.zeros_like(steps[0])
        for x in steps.unbind(0):
            state = self.cell(x, state)
        return state


class Elementwise(nn.Module):
    """`ops` tiny ops in a loop: nearly all of the time is the recorder's.

    The values stay in (0, 2) however many steps there are.
    """

    def __init__(self, ops: int) -> None:
        super().__init__()
        self.pairs = ops // 2
        self.weight = nn.Parameter(torch.ones(64))

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        """(64,) to (64,)."""
        x = x * self.weight
        for _ in range(self.pairs - 1):
            x = x * 0.9
            x = x + 0.1
        return x + self.weight


class Gated(nn.Module):
    """Four ops: one perceptron gates another."""

    def __init__(self, width: int) -> None:
        super().__init__()
        self.value, self.gate = nn.Linear(width, width), nn.Linear(width, width)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        """(N, width) to (N, width)."""
        return functional.silu(self.gate(x)) * self.value(x)


class Normed(nn.Module):
    """Eleven ops: a norm and two gates, each gate with a shortcut around it."""

    def __init__(self, width: int) -> None:
        super().__init__()
        self.norm = nn.LayerNorm(width)
        self.first, self.second = Gated(width), Gated(width)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        """(N, width) to (N, width)."""
        x = x + self.first(self.norm(x))
        return x + self.second(x)


class Group(nn.Module):
    """Modules of a kind, one after the other."""

    def __init__(self, parts: list[nn.Module]) -> None:
        super().__init__()
        self.parts = nn.ModuleList(parts)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        """(N, width) to (N, width)."""
        for part in self.parts:
            x = part(x)
        return x


def tree(steps: int) -> Case:
    """About `steps` ops in modules within modules, at most ten in each."""
    width = 8
    parts: list[nn.Module] = [Normed(width) for _ in range(max(1, steps // 11))]
    while len(parts) > 1:
        parts = [Group(parts[start : start + 10]) for start in range(0, len(parts), 10)]
    return Case(parts[0], (torch.randn(2, width),))


def cnn(steps: int) -> Case:
    """A ResNet-like CNN; `steps` is not used."""
    return Case(SmallResNet(), (torch.randn(4, 3, 64, 64),))


def transformer(steps: int) -> Case:
    """4 blocks, width 128; `steps` is not used."""
    return Case(Transformer(), (torch.randint(0, 1000, (4, 64)),))


def rnn(steps: int) -> Case:
    """A cell in a loop of `steps`."""
    return Case(Recurrent(), (torch.randn(steps, 8, 64),))


def elementwise(steps: int) -> Case:
    """`steps` elementwise ops."""
    return Case(Elementwise(steps), (torch.rand(64),))


class Plan(NamedTuple):
    """How a model is measured; a warm-up runs `warm_up` steps of it.

    Each contender runs once more than it says here, for its peak memory.
    """

    title: str
    build: Callable[[int], Case]
    steps: int
    warm_up: int
    repetitions: int
    peer_repetitions: int


PLANS = {
    "cnn": Plan("small ResNet, batch 4, 64×64", cnn, 1, 1, 9, 3),
    "transformer": Plan("transformer, 4 blocks, width 128", transformer, 1, 1, 9, 3),
    "rnn": Plan("RNN cell, 200 steps", rnn, 200, 10, 7, 2),
    "elementwise": Plan("10,000 elementwise ops", elementwise, 10_000, 100, 3, 0),
}
