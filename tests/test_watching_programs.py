"""Programs of many shapes, some of whose steps are recorded: they compute the same.

Oracle: the same program alone.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any

import pytest
import torch
from torch import nn
from torch.utils.checkpoint import checkpoint
from watched import Counting, Kept, state

from inspector.capture import CaptureOptions
from inspector.capture.watching.nonfinite import LastGood
from inspector.capture.watching.window import Window
from inspector.check import self_check


class Doubled(torch.autograd.Function):
    """An op of the program's own."""

    @staticmethod
    def forward(ctx: Any, x: torch.Tensor) -> torch.Tensor:
        return x * 2

    @staticmethod
    def backward(ctx: Any, grad: torch.Tensor) -> torch.Tensor:
        return grad * 2


class Block(nn.Module):
    """With a checkpoint, hooks of its own, and a child that raises now and then."""

    def __init__(self) -> None:
        super().__init__()
        self.a, self.b = nn.Linear(3, 3), nn.Linear(3, 3)
        self.a.register_forward_hook(lambda module, given, made: made.tanh())
        self.a.register_full_backward_pre_hook(lambda module, outer: None)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        try:
            self.b(torch.ones(7))
        except RuntimeError:
            x = (x + 1).requires_grad_()
        return Doubled.apply(checkpoint(self.b, self.a(x), use_reentrant=False))


def closures() -> list[float]:
    torch.manual_seed(1)
    net = nn.Sequential(Block(), Block())
    optimizer = torch.optim.LBFGS(net.parameters(), lr=0.1, max_iter=2)
    data = torch.randn(4, 3)

    def closure() -> torch.Tensor:
        optimizer.zero_grad()
        loss: torch.Tensor = net(data).square().mean()
        loss.backward()
        return loss

    return [optimizer.step(closure).item() for _ in range(3)]


def two_optimizers_in_a_generator() -> list[float]:
    torch.manual_seed(2)
    nets = [Block(), Block()]
    optimizers = [torch.optim.AdamW(net.parameters(), lr=0.1) for net in nets]

    def steps() -> Iterator[float]:
        with Counting():
            for _ in range(2):
                for net, optimizer in zip(nets, optimizers, strict=True):
                    with torch.autocast("cpu", dtype=torch.bfloat16):
                        loss = net(torch.randn(2, 3)).float().square().mean()
                    optimizer.zero_grad(set_to_none=False)
                    loss.backward()
                    nn.utils.clip_grad_norm_(net.parameters(), 1.0)
                    optimizer.step()
                    yield loss.item()

    return [*steps(), torch.rand(1).item()]


def a_step_that_raises() -> list[float]:
    torch.manual_seed(3)
    net = Block()
    optimizer = torch.optim.SGD(net.parameters(), lr=0.1)
    losses = []
    for step in range(4):
        try:
            loss = net(torch.randn(2, 3)).sum()
            loss.backward()
            if step == 1:
                next(net.parameters()).grad = None
                optimizer.step(lambda: 1 / 0)
            optimizer.step()
        except ZeroDivisionError:
            optimizer.zero_grad()
        losses.append(loss.item())
    return losses


@pytest.mark.parametrize("program", [closures, two_optimizers_in_a_generator, a_step_that_raises])
@pytest.mark.parametrize("only", [(), ("*a",), ("1.b", "b")])
@pytest.mark.parametrize("kind", ["first", "middle", "last good", "kernels"])
def test_any_program_is_the_same_when_some_of_it_is_recorded(
    kind: str, only: tuple[str, ...], program: Callable[[], list[float]]
) -> None:
    alone, before, kept = program(), state(), Kept()
    options = CaptureOptions(only=only, kernels=kind == "kernels")
    if kind == "last good":
        watch: Any = LastGood(options, {}, kept.telling)
    else:
        watch = Window(options, {}, kept.telling, start=int(kind != "first"), length=2)
    with watch:
        assert program() == alone
    assert state() == before
    assert all("Nothing was kept" in said for said in kept.said)
    for recording in kept.recordings.values():
        self_check(recording)
        for op in recording.ops if only else ():
            assert op.module_call is not None
