"""Records a program from one optimizer step to another, and leaves it alone before and after."""

from __future__ import annotations

import sys
from collections.abc import Callable, Mapping
from contextlib import AbstractContextManager, ExitStack, nullcontext
from dataclasses import dataclass
from typing import Any

from inspector.capture.options import CaptureOptions
from inspector.capture.tables import fill_tables
from inspector.capture.watching.hooks import LastingHooks
from inspector.capture.watching.span import Span, note_first_step
from inspector.language import counted, sentence
from inspector.records import Recording

NEXT_ASKED = 500
"""Ops from one call of `Window.tell` to the next."""


@dataclass(frozen=True)
class Telling:
    """What a watch tells while a program runs.

    Args:
        progress: called with (ops recorded so far, optimizer steps so far, whether a recording
            is running), often: at each step, and every few hundred ops.
        kept: called with each recording that is finished, and what it is of: "" the one that
            was asked for, "before" the last good step before it.
        said: called with a sentence for the user.
    """

    progress: Callable[[int, int, bool], None]
    kept: Callable[[Recording, str], None]
    said: Callable[[str], None]


class Watch:
    """A context around a program that counts its optimizer steps; see the subclasses.

    Args:
        options: what to keep.
        meta: what the recordings say of themselves.
        telling: where results and progress go.
        start: after how many steps to begin.
        stop: end the program when there is nothing more to record, as by `sys.exit()`.
        held: gives a context in which a signal may not end the process: a recording is begun
            or finished in it.
    """

    def __init__(
        self,
        options: CaptureOptions,
        meta: Mapping[str, Any],
        telling: Telling,
        *,
        start: int = 0,
        stop: bool = False,
        held: Callable[[], AbstractContextManager[object]] = nullcontext,
    ) -> None:
        self._options = options
        self._meta = dict(meta)
        self._telling = telling
        self._start = start
        self._stop = stop
        self._held = held
        self._span: Span | None = None
        self._broken = False
        self.hooks = LastingHooks(self._ready, self._stepped)
        self.steps = 0
        self.over = False
        """Whether the program has ended."""

    @property
    def forked(self) -> bool:
        """Whether this process is a child that the recorded one has forked."""
        return not self.hooks.at_home

    def __enter__(self) -> Watch:
        with ExitStack() as entered:
            fill_tables()  # sets filters of warnings: in the program's midst they are shown again
            entered.enter_context(self.hooks)
            if self._start == 0:
                self._begin()
            entered.pop_all()  # nothing stays where another recording is running
        return self

    def __exit__(self, kind: object, error: BaseException | None, place: object) -> None:
        self.over = True
        self.hooks.__exit__()
        if self.forked:
            if self._span is not None:
                self._span.drop()  # the parent's recording is the one that is kept
            return
        self._ended(error)

    def _begin(self) -> None:
        self._span = Span(self._options, self._meta, self.hooks, self._at_ops)
        note_first_step(self._span.session, self.steps)
        self._span.begin()

    def _at_ops(self, ops: int) -> int:
        self._telling.progress(ops, self.steps, True)
        return ops + NEXT_ASKED

    def _stepped(self, optimizer: Any, args: Any, kwargs: Any) -> None:
        self.steps += 1
        ops = 0 if self._span is None else self._span.session.op_count
        self._telling.progress(ops, self.steps, self._span is not None)
        self._guarded(self._after_step, optimizer)

    def _ready(self, optimizer: Any, args: Any, kwargs: Any) -> None:
        self._guarded(self._before_step, optimizer)

    def _guarded(self, act: Callable[[Any], None], optimizer: Any) -> None:
        if self._broken:
            return
        try:
            with self._held():
                act(optimizer)
        except Exception as error:  # ours, not the program's: it must not become its failure
            span, self._span = self._span, None
            self._broken = True
            if span is not None:
                span.drop()
            self._telling.said(
                sentence(
                    "Nothing is recorded from optimizer step {step} on: {error}",
                    step=self.steps,
                    error=str(error),
                )
            )

    def shortfall(self) -> tuple[str, ...]:
        """Why less was recorded than was asked for, in sentences; asked when it is over."""
        if self.hooks.in_backward and not self.steps:
            return (
                counted(
                    "The program's optimizer step ran inside of a backward pass, where a recording "
                    "can neither begin nor end: it was not counted.",
                    "The program's {count} optimizer steps ran inside of backward passes, where a "
                    "recording can neither begin nor end: they were not counted.",
                    self.hooks.in_backward,
                ),
            )
        if self.steps < self._start:
            return (
                counted(
                    "Nothing was recorded: the program ended after {count} optimizer step, and "
                    "recording was to begin after {start:,}.",
                    "Nothing was recorded: the program ended after {count} optimizer steps, and "
                    "recording was to begin after {start:,}.",
                    self.steps,
                    start=self._start,
                ),
            )
        return ()

    def _before_step(self, optimizer: Any) -> None:
        """An optimizer is about to use its gradients."""

    def _after_step(self, optimizer: Any) -> None:
        """A step has ended."""

    def _ended(self, error: BaseException | None) -> None:
        """The program has ended, by `error` if there is one."""

    def _done(self) -> None:
        """Everything is recorded that was asked for.

        Raises:
            SystemExit: the program is to end now.
        """
        if self._stop:
            sys.exit(0)


class Window(Watch):
    """Records from step `start` on, `length` steps or to the end."""

    def __init__(self, *args: Any, length: int | None = None, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self._length = length

    def _after_step(self, optimizer: Any) -> None:
        if self._span is None:
            if self.steps == self._start:
                self._begin()
        elif self._length is not None and self.steps == self._start + self._length:
            self._finish(None)
            self._done()

    def _finish(self, error: BaseException | None) -> None:
        span, self._span = self._span, None
        if span is not None:
            self._telling.kept(span.end(error), "")

    def _ended(self, error: BaseException | None) -> None:
        self._finish(error)
