"""Records chosen steps of a program that says itself where its steps begin and end."""

from __future__ import annotations

import atexit
import functools
import inspect
import os
import warnings
from collections.abc import Callable, Iterable, Mapping
from pathlib import Path
from typing import Any, ParamSpec, TypeVar

from torch import nn

from inspector.capture.options import CaptureOptions
from inspector.capture.watching.span import Span
from inspector.errors import CaptureError
from inspector.language import sentence
from inspector.ranks import of_rank

P = ParamSpec("P")
R = TypeVar("R")

_PLACE = "{step}"


class ChosenSteps:
    """Recordings of some steps, each in a file of its own or all in one.

    Args:
        steps: the numbers of the steps to record, from 0.
        path: where to write. With "{step}" in its name there is a file for each step; without,
            one file holds everything from the beginning of the first step to the end of the
            last, and the steps have to follow each other. Under `torchrun` each process writes
            its own: "run.inspect" becomes "run.rank0.inspect".
        options: what to keep; `CaptureOptions()` by default.

    Raises:
        CaptureError: there are no steps, some are missing in between, or nothing can be written
            there.
    """

    def __init__(
        self,
        steps: Iterable[int],
        path: str | os.PathLike[str],
        options: CaptureOptions | None = None,
    ) -> None:
        self.steps = frozenset(steps)
        self._path = of_rank(Path(path).absolute())
        self._each = _PLACE in Path(path).name
        self._options = options or CaptureOptions()
        self._span: Span | None = None
        self._step = 0
        _check(self.steps, self._path, self._each)

    def begin(self, step: int, watch: Mapping[str, nn.Module] | None = None) -> None:
        """Step number `step` begins; `watch` are modules by the names that they shall have.

        Raises:
            CaptureError: it is to be recorded, and another recording is running.
        """
        if step not in self.steps or self._span is not None:
            return
        self._step = step
        span = Span(self._options, {"first_step": step})
        span.begin(watch)
        self._span = span
        atexit.register(self.close)  # a step that raised has no end, if nobody tells us

    def end(self, step: int, error: BaseException | None = None) -> None:
        """Step number `step` has ended, by `error` if there is one."""
        if self._each or error is not None or step + 1 not in self.steps:
            self.close(error)

    def close(self, error: BaseException | None = None) -> None:
        """There are no more steps: write what is not written yet."""
        span, self._span = self._span, None
        if span is None:
            return
        atexit.unregister(self.close)
        recording = span.end(error)
        if span.session.forked:
            return
        name = self._path.replace(_PLACE, str(self._step))
        try:
            recording.save(name)
        except OSError as problem:  # not a reason to end a training
            warnings.warn(
                sentence(
                    "The recording {file} cannot be written: {reason}.",
                    file=name,
                    reason=problem.strerror or str(problem),
                ),
                stacklevel=2,
            )


def _check(steps: frozenset[int], path: str, each: bool) -> None:
    if not steps or min(steps) < 0:
        raise CaptureError(
            sentence(
                "steps must be numbers of steps from 0, such as range(2), not {steps}.",
                steps=sorted(steps),
            )
        )
    if not each and max(steps) - min(steps) >= len(steps):
        raise CaptureError(
            sentence(
                "The steps {steps} do not follow each other, so they need a file each: write "
                '"{place}" into the path, as in "step-{place}.inspect".',
                steps=sorted(steps),
                place=_PLACE,
            )
        )
    folder = os.path.dirname(path)
    if not os.path.isdir(folder):
        raise CaptureError(
            sentence("Cannot record into {folder}: there is no such folder.", folder=folder)
        )


def recorded(
    path: str | os.PathLike[str],
    *,
    calls: Iterable[int] = (0,),
    options: CaptureOptions | None = None,
) -> Callable[[Callable[P, R]], Callable[P, R]]:
    """A decorator that records some calls of a function, and leaves the others alone.

        @inspector.recorded("step-{step}.inspect", calls=[0, 100])
        def train_step(batch): ...

    Args:
        path: where to write; see `ChosenSteps`.
        calls: which calls to record, counted from 0.
        options: what to keep; `CaptureOptions()` by default.

    Raises:
        CaptureError: nothing can be written there, or `calls` are none; the function is a
            generator or a coroutine, whose call runs nothing; when a call is to be recorded
            while another recording is running.
    """
    chosen = ChosenSteps(calls, path, options)

    def decorate(function: Callable[P, R]) -> Callable[P, R]:
        if inspect.isgeneratorfunction(function) or inspect.iscoroutinefunction(function):
            raise CaptureError(
                sentence(
                    "Cannot record calls of {name}: calling a generator or a coroutine runs "
                    "nothing yet. Decorate a function that it calls.",
                    name=function.__qualname__,
                )
            )
        made = 0

        @functools.wraps(function)
        def wrapper(*args: P.args, **kwargs: P.kwargs) -> R:
            nonlocal made
            number = made
            made += 1
            if number not in chosen.steps:
                return function(*args, **kwargs)
            return _one_call(chosen, number, function, args, kwargs)

        return wrapper

    return decorate


def _one_call(
    chosen: ChosenSteps, number: int, function: Callable[..., R], args: Any, kwargs: Any
) -> R:
    chosen.begin(number)
    try:
        result = function(*args, **kwargs)
    except BaseException as error:
        chosen.end(number, error)
        raise
    chosen.end(number)
    return result
