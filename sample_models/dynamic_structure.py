"""A network that changes its structure from call to call: blocks are switched on and off."""

from __future__ import annotations

import torch
from torch import Tensor, nn

from sample_models._sample import Annotated, Input, Sample, noise, seeded


class Block(nn.Module):
    """One residual block."""

    def __init__(self, width: int) -> None:
        super().__init__()
        self.norm = nn.LayerNorm(width)
        self.linear = nn.Linear(width, width)

    def forward(self, x: Tensor) -> Tensor:
        return x + torch.tanh(self.linear(self.norm(x)))


class SwitchedBlocks(nn.Module):
    """Blocks that each call switches on or off."""

    def __init__(self, width: int = 4, depth: int = 3) -> None:
        super().__init__()
        self.blocks = nn.ModuleList(Block(width) for _ in range(depth))
        self.head = nn.Linear(width, 2)

    def forward(self, x: Tensor, switches: list[bool]) -> Tensor:
        """x: (batch, 4), switches: one a block -> (batch, 2)"""
        for index, block in enumerate(self.blocks):
            if switches[index]:
                x = block(x)
        return self.head(x)


def batch() -> Tensor:
    return noise(2, 4, seed=1)


def given(
    first: Annotated[bool, "block runs"] = True,
    second: Annotated[bool, "block runs"] = False,
    third: Annotated[bool, "block runs"] = True,
) -> tuple[Tensor, list[bool]]:
    return batch(), [first, second, third]


SAMPLE = Sample(
    name="dynamic_structure",
    title="Blocks switched on and off",
    teaches="The tensor is the same each time and decides nothing: plain Python bools choose the"
    " structure, so blocks come and go without a single decision being recorded.",
    inputs={
        "all on": Input("All three blocks run.", lambda: (batch(), [True, True, True])),
        "middle off": Input("The second block is skipped.", lambda: (batch(), [True, False, True])),
        "all off": Input("Only the head is left.", lambda: (batch(), [False, False, False])),
    },
    build=seeded(SwitchedBlocks),
    given=given,
    file=__file__,
)
