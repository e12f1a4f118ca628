"""Runs variants in turns and keeps the time of each call.

In turns, because a machine is not the same from one second to the next: what slows it down then
slows all variants down. The order moves on by one each round, so that none is always the one
after the slowest.
"""

from __future__ import annotations

import gc
import statistics
from collections.abc import Callable, Iterable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Any

import torch

from inspector.language import sentence
from inspector.torchscript.copies import copied_values, in_words, tensors_in
from inspector.torchscript.measuring.variants import Variant

Clock = Callable[[], float]

_WARM_UP = 4
"""TorchScript's executor watches the first run and optimises in the next two."""

_LOOSE = {torch.float16: 1e-2, torch.bfloat16: 1e-2}
_TOLERANCE = 1e-5


@dataclass(slots=True)
class Runner:
    """One variant in the race. Times are seconds; a `reason` means that it is out."""

    variant: Variant
    times: list[float] = field(default_factory=list)
    warm_up: int = 0
    difference: float | None = None
    equal: bool | None = None
    reason: str = ""


@dataclass(frozen=True, slots=True)
class Course:
    """What every variant has to run.

    Args:
        args, kwargs: of the model.
        reference: evaluating? -> what the model itself returns, as tensors; None if it fails.
        seconds: how long all timed calls may take together.
        max_runs: timed calls per variant at most.
        clock: gives seconds.
        wait: returns when the device is done.
    """

    args: tuple[Any, ...]
    kwargs: Mapping[str, Any]
    reference: Callable[[bool], list[torch.Tensor] | None]
    seconds: float
    max_runs: int
    clock: Clock
    wait: Callable[[], None]


def race(variants: Iterable[Variant], course: Course) -> list[Runner]:
    """Check each variant's output, warm it up, and time all of them in turns."""
    runners = [Runner(variant) for variant in variants]
    for runner in runners:
        _attempt(runner, lambda runner=runner: _start(runner, course))  # type: ignore[misc]
    limit = course.seconds / max(1, 5 * len(runners))
    for runner in runners:
        _attempt(runner, lambda runner=runner: _warm_up(runner, course, limit))  # type: ignore[misc]
    with _collector_off():
        _rounds(runners, course)
    return runners


def _attempt(runner: Runner, work: Callable[[], None]) -> None:
    if runner.reason:
        return
    try:
        work()
    except Exception as error:  # whatever the model raises comes out here
        runner.reason = sentence("It raised {error}", error=in_words(error))


def _start(runner: Runner, course: Course) -> None:
    """The first run, whose output is compared with the model's own."""
    torch.manual_seed(0)
    output = runner.variant.run(runner.variant.fresh(*_copies(course)))
    runner.warm_up = 1
    reference = course.reference(runner.variant.evaluating)
    if reference is not None:
        runner.difference, runner.equal = difference(tensors_in(output), reference)


def _copies(course: Course) -> tuple[tuple[Any, ...], dict[str, Any]]:
    return copied_values(course.args, course.kwargs)


def difference(
    found: list[torch.Tensor], expected: list[torch.Tensor]
) -> tuple[float | None, bool | None]:
    """(largest absolute difference, whether they agree); (None, False) for other shapes."""
    if [tensor.shape for tensor in found] != [tensor.shape for tensor in expected]:
        return None, False
    largest, equal = 0.0, True
    try:
        for one, other in zip(found, expected, strict=True):
            within = _LOOSE.get(other.dtype, _TOLERANCE)
            equal &= torch.allclose(one.to(other.dtype), other, within, within, equal_nan=True)
            if other.numel():
                wide = torch.complex128 if other.is_complex() else torch.float64
                gap = (one.to(wide) - other.to(wide)).abs().nan_to_num(0.0)
                largest = max(largest, float(gap.max()))
    except (RuntimeError, NotImplementedError):  # layouts without subtraction: nested, sparse
        return None, None
    return largest, equal


def _warm_up(runner: Runner, course: Course, limit: float) -> None:
    """A few untimed calls; a slow variant gets fewer, but two for the executor's sake."""
    while runner.warm_up < _WARM_UP:
        start = course.clock()
        runner.variant.run(runner.variant.fresh(*_copies(course)))
        runner.warm_up += 1
        if course.clock() - start > limit and runner.warm_up >= 2:
            return


def _rounds(runners: list[Runner], course: Course) -> None:
    start = course.clock()
    for turn in range(course.max_runs):
        standing = [runner for runner in runners if not runner.reason]
        if not standing:
            return
        first = turn % len(standing)
        for runner in (*standing[first:], *standing[:first]):
            _attempt(runner, lambda runner=runner: _timed(runner, course))  # type: ignore[misc]
            if turn and course.clock() - start > course.seconds:
                return
        if course.clock() - start > course.seconds:
            return


def _timed(runner: Runner, course: Course) -> None:
    values = runner.variant.fresh(*_copies(course))
    course.wait()
    start = course.clock()
    output = runner.variant.run(values)
    course.wait()
    runner.times.append(course.clock() - start)
    del output  # freeing it (and its autograd graph) is not part of the call


@contextmanager
def _collector_off() -> Iterator[None]:
    """No garbage collection within a timed call, as `timeit` does it."""
    was_on = gc.isenabled()
    gc.collect()
    gc.disable()
    try:
        yield
    finally:
        if was_on:
            gc.enable()


def quartiles(times: list[float]) -> tuple[float | None, float | None, float | None]:
    """(first quartile, median, third quartile); Nones for no times at all."""
    if not times:
        return None, None, None
    if len(times) == 1:
        return times[0], times[0], times[0]
    low, middle, high = statistics.quantiles(times, n=4, method="inclusive")
    return low, middle, high
