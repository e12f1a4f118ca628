"""Finds the first optimizer step with NaN or infinity in its loss, gradients or parameters.

`LastGood` records each step and forgets it once the next one is good: a program cannot be wound
back (its data loader, its files and its random numbers have moved on), so the last good step and
the bad one are there only if they were recorded when they ran. `Lookout` records nothing, costs
a pass over the gradients and parameters per step, and says which steps to record in another run.

What modules give is asked for NaN only (`outputs.py`), and ends nothing: it may be meant so. It
says where the NaN of a bad step came from, and is told where none reached a loss, as in evaluation.
"""

from __future__ import annotations

from contextlib import ExitStack
from dataclasses import replace
from typing import Any

from inspector.capture.warned import WarningRecorder
from inspector.capture.watching.finite import (
    LossGate,
    all_finite,
    gradients_of,
    parameters_of,
)
from inspector.capture.watching.outputs import OutputWatch
from inspector.capture.watching.window import Watch
from inspector.language import counted, sentence, sentences
from inspector.records import Recording

BEFORE = "before"
"""The part that is the last good step, and what its recording's meta says of itself under `PART`:
a file that only has such a name may be anybody's."""
PART = "part"

LOSS = sentence("the loss")
GRADIENTS = sentence("a gradient")
PARAMETERS = sentence("a parameter after the update")


class _FiniteWatch(Watch):
    """Asks after each step whether it was good."""

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self._asking = ExitStack()
        self._found = ""  # what is not finite in this step
        self._settled = False
        self._outputs = OutputWatch(lambda: self.hooks.at_home)
        self._nan_step = 0  # in which a module gave the first NaN

    def __enter__(self) -> _FiniteWatch:
        with ExitStack() as entered:
            entered.enter_context(WarningRecorder())  # the gate is a frame between two of torch
            entered.enter_context(LossGate(lambda: self._meet(LOSS)))  # below a recording's own
            super().__enter__()
            entered.callback(self._outputs.end)
            if self._start == 0:
                self._outputs.begin()
            self._asking = entered.pop_all()
        return self

    def __exit__(self, kind: object, error: BaseException | None, place: object) -> None:
        super().__exit__(kind, error, place)
        self._asking.close()

    def _meet(self, what: str) -> None:
        if not self._settled and self.hooks.at_home:
            self._found = self._found or what

    def _before_step(self, optimizer: Any) -> None:
        if not self._settled and not self._found and not all_finite(gradients_of(optimizer)):
            self._meet(GRADIENTS)

    def _after_step(self, optimizer: Any) -> None:
        if self._settled or self.steps < self._start:
            return
        if self.steps > self._start or self._start == 0:
            self._ask_outputs(self.steps)
            if not self._found and not all_finite(parameters_of(optimizer)):
                self._meet(PARAMETERS)
            if self._found:
                self._settled = True
                self._bad_step()
                self._outputs.end()
                self._done()
                return
        else:
            self._outputs.begin()
        self._good_step()

    def _ask_outputs(self, step: int) -> None:
        if not self._nan_step and self._outputs.settle():
            self._nan_step = step

    def _where(self) -> str:
        """Which module gave the first NaN; "" where none did."""
        if not self._nan_step:
            return ""
        return sentence(
            "NaN first came out of the module {module}, in optimizer step {step:,}.",
            module=self._outputs.found,
            step=self._nan_step,
        )

    def _bad_step(self) -> None:
        raise NotImplementedError

    def _good_step(self) -> None:
        raise NotImplementedError


class LastGood(_FiniteWatch):
    """Records every step, and keeps the first bad one and the good one before it."""

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self._before: Recording | None = None
        self._with_nan: Recording | None = None  # in what a module gave, and nowhere else

    def _good_step(self) -> None:
        if self._span is not None:
            if self._nan_step == self.steps:
                self._span.session.note(self._where())
            self._before = self._span.end()
            if self._nan_step == self.steps:
                self._with_nan = self._before
        self._found = ""
        self._begin()

    def _bad_step(self) -> None:
        self._keep(None)

    def _keep(self, error: BaseException | None) -> None:
        span, self._span = self._span, None
        if span is None:
            return
        found = ""
        if self._found:
            found = sentence(
                "Kept because {what} is not finite in optimizer step {step:,}.",
                what=self._found,
                step=self.steps if self._settled else self.steps + 1,
            )
        why = [reason for reason in (found, self._where()) if reason]
        for reason in why:
            span.session.note(reason)
        self._tell(span.end(error))
        if why:
            self._telling.said(sentences(*why))

    def _tell(self, last: Recording) -> None:
        if self._before is not None:
            meta = {**self._before.meta, PART: BEFORE}
            self._telling.kept(replace(self._before, meta=meta), BEFORE)
        self._telling.kept(last, "")

    def _ended(self, error: BaseException | None) -> None:
        if self._settled or self._span is None:
            return
        self._ask_outputs(self.steps + 1)
        if self._found or _failed(error) or self._nan_step == self.steps + 1:
            self._keep(error)
            return
        span, self._span = self._span, None
        last = span.end(error)
        if _has_nan(last):
            self._tell(last)  # the program saw it before we did, and left its loop
        elif self._with_nan is not None:
            self._telling.kept(self._with_nan, "")
            self._telling.said(sentences(self._where(), _reached_nothing(self.steps)))
        else:
            self._telling.said(sentences(sentence("Nothing was kept."), _all_good(self.steps)))


class Lookout(_FiniteWatch):
    """Records nothing; tells of the first bad step."""

    def _begin(self) -> None:
        """Nothing is recorded."""

    def _good_step(self) -> None:
        self._found = ""

    def _bad_step(self) -> None:
        found = sentence(
            "{what} is not finite in optimizer step {step:,}.", what=self._found, step=self.steps
        )
        record = sentence(
            "To record it and the step before, if the program runs the same again: "
            "--start-at-step {before} --steps 2",
            before=max(self.steps - 2, 0),
        )
        self._telling.said(sentences(found, self._where(), record))

    def _ended(self, error: BaseException | None) -> None:
        if self._settled:
            return
        self._ask_outputs(self.steps + 1)
        if self._found:
            self.steps += 1  # the one that was not finished
            self._bad_step()
        elif self._nan_step:
            record = sentence(
                "To record it, if the program runs the same again: --start-at-step {before} "
                "--steps 1",
                before=self._nan_step - 1,
            )
            self._telling.said(sentences(self._where(), _reached_nothing(self.steps), record))
        else:
            self._telling.said(_all_good(self.steps))


def _all_good(steps: int) -> str:
    return counted(
        "Each loss, gradient and parameter was finite in {count} optimizer step.",
        "Each loss, gradient and parameter was finite in {count} optimizer steps.",
        steps,
    )


def _reached_nothing(steps: int) -> str:
    return counted(
        "It may be meant so: each loss, gradient and parameter was finite in {count} optimizer "
        "step.",
        "It may be meant so: each loss, gradient and parameter was finite in {count} optimizer "
        "steps.",
        steps,
    )


def _failed(error: BaseException | None) -> bool:
    """Whether a program ended otherwise than it was meant to."""
    if isinstance(error, SystemExit):
        return error.code not in (None, 0)
    return error is not None


def _has_nan(recording: Recording) -> bool:
    """Whether an op made NaN."""
    return any(
        tensor.summary is not None and tensor.summary.nan_count
        for tensor in recording.tensors.values()
        if tensor.producer is not None
    )
