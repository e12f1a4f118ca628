"""A recording that begins and ends anywhere in a program."""

from __future__ import annotations

import contextlib
import sys
from collections.abc import Callable, Mapping
from types import FrameType
from typing import Any

from torch import nn

from inspector.capture.options import CaptureOptions
from inspector.capture.session import Session
from inspector.capture.steps import StepHooks
from inspector.language import counted
from inspector.records import Recording


class Span:
    """Begun by `begin`, ended by `end`: as a `with recording()` whose ends are far apart.

    Args:
        options: what to keep.
        meta: what the recording says of itself.
        step_hooks: see `Session.running`.
        at_ops: see `Session.ask_at`.
    """

    def __init__(
        self,
        options: CaptureOptions,
        meta: Mapping[str, Any],
        step_hooks: StepHooks | None = None,
        at_ops: Callable[[int], int] | None = None,
    ) -> None:
        self.session = Session(options, None)
        self.session.meta = dict(meta)
        if at_ops is not None:
            self.session.ask_at(at_ops)
        self._hooks = step_hooks
        self._open = contextlib.ExitStack()

    def begin(self, watch: Mapping[str, nn.Module] | None = None) -> Span:
        """Record from here on.

        Args:
            watch: modules by the names that they shall have.

        Raises:
            CaptureError: another recording is running.
        """
        self.session.watch(watch or {})
        frames = _frames(sys._getframe(1))
        self._open.enter_context(self.session.running(frames, midway=True, step_hooks=self._hooks))
        return self

    def end(self, error: BaseException | None = None) -> Recording:
        """Record no more.

        Args:
            error: what the program raised, if that is why.

        Returns:
            The recording. In a child that the program forked meanwhile it is an empty one.
        """
        self._leave(error)
        return self.session.recording

    def drop(self) -> None:
        """Record no more, and make no recording."""
        self.session.drop()
        self._leave(None)

    def _leave(self, error: BaseException | None) -> None:
        kind, place = type(error) if error else None, error.__traceback__ if error else None
        self._open.__exit__(kind, error, place)


def note_first_step(session: Session, step: int) -> None:
    """Say in a recording that it is of a program that had made `step` optimizer steps."""
    session.meta["first_step"] = step
    if step:
        session.note(
            counted(
                "The program had made {count} optimizer step before.",
                "The program had made {count} optimizer steps before.",
                step,
            )
        )


def _frames(frame: FrameType | None) -> tuple[FrameType, ...]:
    found = []
    while frame is not None:
        found.append(frame)
        frame = frame.f_back
    return tuple(found)
