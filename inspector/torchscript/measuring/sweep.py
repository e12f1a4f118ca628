"""How long the variants of a model take for batches of several sizes."""

from __future__ import annotations

import time
from collections.abc import Sequence
from dataclasses import replace
from typing import Any

import torch

from inspector.errors import TimingError
from inspector.language import sentence
from inspector.stages import BatchPoint, BatchTiming
from inspector.torchscript.measuring.machine import machine, waiting
from inspector.torchscript.measuring.race import Clock, Course, Runner, quartiles, race
from inspector.torchscript.measuring.timing import (
    MAX_RUNS,
    Reference,
    check_order,
    is_count,
    known,
    made_variants,
    subject_of,
    to_us,
)
from inspector.torchscript.measuring.variants import TITLES
from inspector.torchscript.read import name_of


def sweep_batch(
    model: Any,
    *args: Any,
    sizes: Sequence[int] = (1, 2, 4, 8, 16, 32),
    variants: Sequence[str] = ("no_grad", "script", "trace", "frozen"),
    batched: Sequence[int] | None = None,
    seconds: float = 6.0,
    compile_limit: float = 120.0,
    max_runs: int = MAX_RUNS,
    clock: Clock = time.perf_counter,
) -> BatchTiming:
    """Time variants for several batch sizes.

    Each variant is made once, for the inputs given (as a deployed model would be), and then
    called with batches of each size: rows of the given inputs, repeated in turn.

    Args:
        model: a module or a function.
        args: what to call it with; dimension 0 of the `batched` ones is the batch.
        sizes: of the batches.
        variants: see `measure`.
        batched: positions of the arguments that hold a row per sample. None takes all tensors
            whose dimension 0 is as long as the first tensor's.
        seconds: how long the timed calls of all sizes may take together.
        compile_limit, max_runs, clock: see `measure`.

    Returns:
        A point per variant and size; where a variant fails, or returns something else than the
        model does, the point has the reason in place of a time.

    Raises:
        TimingError: no such variant, no argument with a batch, or a size below 1; and as for
            `measure`.
    """
    names = known(variants)
    check_order(model, seconds, max_runs)
    places = _batched(args, batched)
    if not all(is_count(size) for size in sizes):
        raise TimingError(
            sentence("Batch sizes count samples: they must be whole numbers, 1 or more.")
        )
    points: list[BatchPoint] = []
    with subject_of(model, args, {}, compile_limit) as (subject, notes):
        made, failed = made_variants(names, subject, clock)
        points += (
            BatchPoint(row.variant, row.title, size, reason=row.reason)
            for size in sizes
            for row in failed.values()
        )
        for size in sizes:
            resized = replace(subject, args=_resized(args, places, size))
            course = Course(
                resized.args,
                {},
                Reference(resized),
                seconds / max(1, len(sizes)),
                max_runs,
                clock,
                waiting(args),
            )
            points += (_point(runner, size) for runner in race(made.values(), course))
    return BatchTiming(
        model=name_of(model),
        points=tuple(sorted(points, key=lambda p: (names.index(p.variant), p.size))),
        sizes=tuple(sizes),
        machine=machine(args),
        batched=tuple(places),
        notes=tuple(notes),
    )


def _point(runner: Runner, size: int) -> BatchPoint:
    low, middle, high = quartiles(runner.times)
    name, reason = runner.variant.name, runner.reason
    if not reason and runner.equal is False:
        reason = sentence("It returns something else than the model does for this size.")
    if reason:
        low = middle = high = None
    return BatchPoint(
        variant=name,
        title=TITLES[name],
        size=size,
        median=to_us(middle),
        first_quartile=to_us(low),
        third_quartile=to_us(high),
        runs=len(runner.times),
        equal=runner.equal,
        reason=reason,
    )


def _batched(args: tuple[Any, ...], asked: Sequence[int] | None) -> list[int]:
    has_rows = [isinstance(arg, torch.Tensor) and arg.dim() > 0 and len(arg) > 0 for arg in args]
    if asked is None:
        first = next((len(arg) for arg, good in zip(args, has_rows, strict=True) if good), 0)
        places = [i for i, good in enumerate(has_rows) if good and len(args[i]) == first]
    else:
        places = list(asked)
    if not places or not all(0 <= place < len(args) and has_rows[place] for place in places):
        raise TimingError(
            sentence(
                "A batch needs an argument that is a tensor with a row per sample; name the "
                "positions of those in `batched`."
            )
        )
    return places


def _resized(args: tuple[Any, ...], places: Sequence[int], size: int) -> tuple[Any, ...]:
    """The arguments with batches of `size` rows: those given, repeated in turn."""
    return tuple(
        arg[torch.arange(size, device=arg.device) % len(arg)] if place in places else arg
        for place, arg in enumerate(args)
    )
