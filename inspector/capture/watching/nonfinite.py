"""Finds the first optimizer step with NaN or infinity in its loss, gradients or parameters.

`LastGood` records each step and forgets it once the next one is good: a program cannot be wound
back (its data loader, its files and its random numbers have moved on), so the last good step and
the bad one are there only if they were recorded when they ran. `Lookout` records nothing, costs
a pass over the gradients and parameters per step, and says which steps to record in another run.

Intermediate values are not asked: an attention mask is full of infinities that are meant so.
"""

from __future__ import annotations

from contextlib import ExitStack
from typing import Any

from inspector.capture.watching.finite import (
    LossGate,
    all_finite,
    gradients_of,
    parameters_of,
)
from inspector.capture.watching.window import Watch
from inspector.language import sentence
from inspector.records import Recording

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

    def __enter__(self) -> _FiniteWatch:
        with ExitStack() as entered:
            entered.enter_context(LossGate(lambda: self._meet(LOSS)))  # below a recording's own
            super().__enter__()
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
            if not self._found and not all_finite(parameters_of(optimizer)):
                self._meet(PARAMETERS)
            if self._found:
                self._settled = True
                self._bad_step()
                self._done()
                return
        self._good_step()

    def _bad_step(self) -> None:
        raise NotImplementedError

    def _good_step(self) -> None:
        raise NotImplementedError


class LastGood(_FiniteWatch):
    """Records every step, and keeps the first bad one and the good one before it."""

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self._before: Recording | None = None

    def _good_step(self) -> None:
        if self._span is not None:
            self._before = self._span.end()
        self._found = ""
        self._begin()

    def _bad_step(self) -> None:
        self._keep(None)

    def _keep(self, error: BaseException | None) -> None:
        span, self._span = self._span, None
        if span is None:
            return
        if self._found:
            span.session.note(
                sentence(
                    "Kept because {what} is not finite in optimizer step {step:,}.",
                    what=self._found,
                    step=self.steps if self._settled else self.steps + 1,
                )
            )
        self._tell(span.end(error))

    def _tell(self, last: Recording) -> None:
        if self._before is not None:
            self._telling.kept(self._before, "before")
        self._telling.kept(last, "")

    def _ended(self, error: BaseException | None) -> None:
        if self._settled or self._span is None:
            return
        if self._found or _failed(error):
            self._keep(error)
            return
        span, self._span = self._span, None
        last = span.end(error)
        if _has_nan(last):
            self._tell(last)  # the program saw it before we did, and left its loop
        else:
            self._telling.said(_all_good(self.steps))


class Lookout(_FiniteWatch):
    """Records nothing; tells of the first bad step."""

    def _begin(self) -> None:
        """Nothing is recorded."""

    def _good_step(self) -> None:
        self._found = ""

    def _bad_step(self) -> None:
        self._telling.said(
            sentence(
                "{what} is not finite in optimizer step {step:,}. To record it and the step "
                "before, if the program runs the same again: --start-at-step {before} --steps 2",
                what=self._found,
                step=self.steps,
                before=max(self.steps - 2, 0),
            )
        )

    def _ended(self, error: BaseException | None) -> None:
        if self._settled:
            return
        if self._found:
            self.steps += 1  # the one that was not finished
            self._bad_step()
        else:
            self._telling.said(_all_good(self.steps))


def _all_good(steps: int) -> str:
    return sentence(
        "Nothing was kept: each loss, gradient and parameter was finite in {count:,} optimizer "
        "steps.",
        count=steps,
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
