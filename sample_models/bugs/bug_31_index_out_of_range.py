"""A token that the embedding's table has no row for."""

from __future__ import annotations

import torch
from torch import Tensor, nn

from sample_models.bugs._bug import Bug

PADDING = 10
TOKENS = ((3, 1, 4, PADDING), (2, 7, PADDING, PADDING))


def buggy() -> Tensor:
    """Ten words and a padding token are eleven rows."""
    table = nn.Embedding(10, 4)
    return table(torch.tensor(TOKENS))  # cause


def fixed() -> Tensor:
    """The table counts the padding token."""
    table = nn.Embedding(11, 4, padding_idx=PADDING)
    return table(torch.tensor(TOKENS))


BUG = Bug(
    number=31,
    name="index_out_of_range",
    title="An index that the embedding does not have",
    buggy=buggy,
    fixed=fixed,
    rules=("index-out-of-range",),
    teaches="An embedding of n rows knows the indices 0 to n - 1. Special tokens are rows too.",
)
