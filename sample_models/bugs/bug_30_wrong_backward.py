"""Row 30: a backward of one's own that has the right shape and the wrong numbers."""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor

from sample_models._sample import noise
from sample_models.bugs._bug import Bug


class WrongCube(torch.autograd.Function):
    """x³, whose derivative is taken for 2x."""

    @staticmethod
    def forward(ctx: Any, x: Tensor) -> Tensor:
        ctx.save_for_backward(x)
        return x**3

    @staticmethod
    def backward(ctx: Any, grad: Tensor) -> Tensor:
        (x,) = ctx.saved_tensors
        return grad * 2 * x


class RightCube(torch.autograd.Function):
    """x³ with its derivative 3x²."""

    @staticmethod
    def forward(ctx: Any, x: Tensor) -> Tensor:
        ctx.save_for_backward(x)
        return x**3

    @staticmethod
    def backward(ctx: Any, grad: Tensor) -> Tensor:
        (x,) = ctx.saved_tensors
        return grad * 3 * x**2


def arguments() -> tuple[Tensor]:
    """What both are called with."""
    return (noise(4, seed=1).requires_grad_(),)


def wrong(x: Tensor) -> Tensor:
    """x: (n,) -> scalar"""
    y = torch.tanh(x)
    z = WrongCube.apply(y)  # cause
    return z.sum()


def right(x: Tensor) -> Tensor:
    """x: (n,) -> scalar"""
    y = torch.tanh(x)
    z = RightCube.apply(y)
    return z.sum()


def buggy() -> Tensor:
    """No message: PyTorch checks the shape of a gradient, not its values."""
    (x,) = arguments()
    wrong(x).backward()
    return x.grad


def fixed() -> Tensor:
    """The gradient is that of the forward."""
    (x,) = arguments()
    right(x).backward()
    return x.grad


BUG = Bug(
    number=30,
    name="wrong_backward",
    title="A derivative that is not one",
    buggy=buggy,
    fixed=fixed,
    rules=("wrong-backward",),
    teaches="A small push on the input, by hand, tells what the gradient should have been.",
)
