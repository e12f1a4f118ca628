"""Runs a model, and what was made of it, on copies of the same inputs, and compares."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import torch
from torch import Tensor

from inspector.exported import Check
from inspector.language import sentence
from inspector.torchscript.kept import collected_warnings, random_state_kept
from inspector.torchscript.make import called_of, runnable, uncompiled, wrapped
from inspector.torchscript.wrapper import TensorCall, copied, rebuilt, tensor_call


def flat_call(model: Any, args: tuple[Any, ...], kwargs: dict[str, Any]) -> TensorCall:
    """A call taken apart into single tensors, as exporters want it."""
    return tensor_call(called_of(uncompiled(model)), args, kwargs, flat=True)


def eager_outputs(model: Any, call: TensorCall) -> list[Tensor]:
    """What the model returns for a call, which knows its outputs' labels afterwards.

    Whatever the model raises comes out. Its state and the random generators are set back.
    """
    with collected_warnings(), runnable(uncompiled(model)) as run_here:
        return outputs_of(wrapped(run_here, call), call.tensors)


def draws_random_numbers(model: Any, call: TensorCall, expected: Sequence[Tensor]) -> bool:
    """Whether the model returns something else from another random state."""
    with random_state_kept():
        torch.manual_seed(torch.initial_seed() + 1)
        again = eager_outputs(model, call)
    return same("", expected, again, exact=True).passed is False


def outputs_of(run: Callable[..., Any], tensors: Sequence[Any]) -> list[Tensor]:
    """The tensors that `run` returns for copies of these, from the same random state."""
    found: list[Tensor] = []

    def keep(_: str, tensor: Tensor) -> Tensor:
        found.append(tensor.detach())
        return tensor

    given = [copied(value) for value in tensors]
    with random_state_kept():
        rebuilt(run(*given), "", keep)
    return found


def same(name: str, expected: Sequence[Tensor], found: Sequence[Tensor], exact: bool) -> Check:
    """Whether two runs gave the same tensors.

    Args:
        name: of the check.
        expected, found: the outputs in order.
        exact: demand equal bits; else relative 1e-3 and absolute 1e-5, as exporters to other
            formats are held to.
    """
    if len(expected) != len(found):
        return Check(
            name,
            False,
            sentence(
                "{n} tensors came out, the model returns {expected}.",
                n=len(found),
                expected=len(expected),
            ),
        )
    worst = 0.0
    for place, (mine, theirs) in enumerate(zip(expected, found, strict=True)):
        if mine.shape != theirs.shape or mine.dtype != theirs.dtype:
            return Check(
                name,
                False,
                sentence(
                    "Output {place} is {kind}, the model returns {own}.",
                    place=place,
                    kind=_kind(theirs),
                    own=_kind(mine),
                ),
            )
        if _equal(mine, theirs):
            continue
        difference = _difference(mine, theirs)
        worst = max(worst, difference)
        close = torch.allclose(mine, theirs, rtol=1e-3, atol=1e-5, equal_nan=True)
        if exact or not close:
            return Check(
                name,
                False,
                sentence(
                    "Output {place} differs by up to {difference:.3g}.",
                    place=place,
                    difference=difference,
                ),
            )
    if worst:
        return Check(
            name, True, sentence("Equal to the model's output within {worst:.3g}.", worst=worst)
        )
    return Check(name, True, sentence("Equal to the model's output bit by bit."))


def _equal(a: Tensor, b: Tensor) -> bool:
    both_nan = (a != a) & (b != b)
    return bool(((a == b) | both_nan).all())


def _difference(a: Tensor, b: Tensor) -> float:
    if a.is_complex():
        a, b = torch.view_as_real(a), torch.view_as_real(b)
    gap = (a.double() - b.double()).abs()
    return float(gap[~gap.isnan()].max()) if (~gap.isnan()).any() else float("nan")


def _kind(tensor: Tensor) -> str:
    return f"{str(tensor.dtype).removeprefix('torch.')}{list(tensor.shape)}"
