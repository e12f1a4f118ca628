"""Runs that saved pages are made of."""

from __future__ import annotations

import functools
from dataclasses import replace

import torch
from torch import nn

import inspector
from inspector.records import Recording

HOSTILE = "</script><script>window.broken = 1</script><!--<img src=x onerror=window.broken=1>"


class Tower(nn.Module):
    """Stages that differ, so that none stands for another: too many to be drawn open."""

    def __init__(self, stages: int) -> None:
        super().__init__()
        layers = [nn.Linear(8, 8), nn.ReLU(), nn.Linear(8, 8), nn.Tanh(), nn.LayerNorm(8)]
        self.stages = nn.ModuleList(
            nn.Sequential(*(layers[: 2 + at % 4] * (1 + at % 3))) for at in range(stages)
        )

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        for stage in self.stages:
            x = stage(x)
        return x


@functools.cache
def tower(stages: int = 24) -> Recording:
    """A run with closed boxes, and its backward pass."""
    torch.manual_seed(0)
    return inspector.record(Tower(stages), torch.ones(2, 8), loss="sum")


@functools.cache
def branching() -> Recording:
    """y = tanh(x) if x.mean() > 0 else relu(x), then a log of zero: a NaN gradient of inf."""

    def model(x: torch.Tensor) -> torch.Tensor:
        if x.mean() > 0:
            x = torch.tanh(x)
        return torch.log(x - x)

    return inspector.record(model, torch.ones(3, requires_grad=True), loss="sum")


def hostile() -> Recording:
    """Names, sources and values that would be markup, were they not told as text."""
    found = branching()
    file = next(iter(found.sources))
    tensors = {number: replace(one, variable=HOSTILE) for number, one in found.tensors.items()}
    ops = tuple(replace(op, name=HOSTILE, arguments=HOSTILE + "\ud800") for op in found.ops)
    sources = {file: HOSTILE + "\n" + found.sources[file]}
    meta = {**found.meta, "model": HOSTILE}
    return replace(found, ops=ops, tensors=tensors, sources=sources, meta=meta)
