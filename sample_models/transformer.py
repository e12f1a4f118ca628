"""A two-block transformer, with attention written out so that every op of it is seen."""

from __future__ import annotations

import math

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from sample_models._sample import Annotated, Input, Sample, seeded


class SelfAttention(nn.Module):
    """Every token asks all others, with one question for each head."""

    def __init__(self, width: int, heads: int) -> None:
        super().__init__()
        self.heads = heads
        self.query = nn.Linear(width, width, bias=False)
        self.key = nn.Linear(width, width, bias=False)
        self.value = nn.Linear(width, width, bias=False)
        self.out = nn.Linear(width, width)

    def forward(self, x: Tensor, mask: Tensor | None) -> Tensor:
        """x: (batch, length, width), mask: (length, length), True where not to look"""
        query = self.split(self.query(x))
        key = self.split(self.key(x))
        value = self.split(self.value(x))
        scores = query @ key.transpose(-2, -1) / math.sqrt(query.shape[-1])
        if mask is not None:
            scores = scores.masked_fill(mask, float("-inf"))
        mixed = torch.softmax(scores, dim=-1) @ value
        return self.out(mixed.transpose(1, 2).flatten(2))

    def split(self, x: Tensor) -> Tensor:
        """(batch, length, width) -> (batch, heads, length, width / heads)"""
        return x.unflatten(-1, [self.heads, -1]).transpose(1, 2)


class Block(nn.Module):
    """Attention, then an MLP, each with a way around it."""

    def __init__(self, width: int, heads: int) -> None:
        super().__init__()
        self.attention_norm = nn.LayerNorm(width)
        self.attention = SelfAttention(width, heads)
        self.mlp_norm = nn.LayerNorm(width)
        self.mlp = nn.Sequential(
            nn.Linear(width, 2 * width), nn.GELU(), nn.Linear(2 * width, width)
        )

    def forward(self, x: Tensor, mask: Tensor | None) -> Tensor:
        x = x + self.attention(self.attention_norm(x), mask)
        return x + self.mlp(self.mlp_norm(x))


class Transformer(nn.Module):
    """Token and position embeddings, two blocks, a guess of each next token."""

    def __init__(self, vocabulary: int = 12, longest: int = 6, width: int = 8) -> None:
        super().__init__()
        self.embedding = nn.Embedding(vocabulary, width)
        self.position = nn.Parameter(torch.randn(longest, width))
        self.blocks = nn.ModuleList(Block(width, heads=2) for _ in range(2))
        self.norm = nn.LayerNorm(width)
        self.head = nn.Linear(width, vocabulary)

    def forward(self, tokens: Tensor, mask: Tensor | None = None) -> Tensor:
        """tokens: (batch, length) -> (batch, length, vocabulary)"""
        x = self.embedding(tokens) + self.position[: tokens.shape[1]]
        for block in self.blocks:
            x = block(x, mask)
        return self.head(self.norm(x))


def wants_zero(logits: Tensor) -> Tensor:
    """The loss of a lesson whose answer is always token 0."""
    return -F.log_softmax(logits, dim=-1)[..., 0].mean()


def sentence(length: int = 5) -> Tensor:
    return torch.tensor([[3, 1, 4, 1, 5, 9], [9, 2, 6, 5, 3, 5]])[:, :length]


def causal_mask(length: int) -> Tensor:
    """True above the diagonal: no token may look at those after it."""
    return torch.ones(length, length, dtype=torch.bool).triu(1)


def given(
    length: Annotated[int, range(1, 7), "tokens of each of the two sentences"] = 5,
    mask: Annotated[bool, "no token looks at those after it"] = True,
) -> tuple[Tensor, Tensor | None]:
    return sentence(length), causal_mask(length) if mask else None


SAMPLE = Sample(
    name="transformer",
    title="A transformer with its attention in the open",
    teaches="Find scores, softmax and the weighted sum in each block, then switch the mask on: one"
    " masked_fill appears before the softmax, and the weights above the diagonal become 0.",
    inputs={
        "no mask": Input("Every token looks at all five.", lambda: (sentence(),)),
        "causal mask": Input(
            "A token looks only at itself and those before it.",
            lambda: (sentence(), causal_mask(5)),
        ),
        "shorter, with mask": Input(
            "Three tokens a sentence: the same graph in smaller shapes.",
            lambda: (sentence(3), causal_mask(3)),
        ),
    },
    build=seeded(Transformer),
    loss=wants_zero,
    given=given,
    file=__file__,
)
