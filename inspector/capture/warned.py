"""Warnings that the program issues, with the line and the tensor that they are about.

A warning is shown at the line that called into torch. While a recording runs, frames of ours
stand between the two, and Python would show, filter and count the warning at another line: it is
issued again at the one it belongs to.
"""

from __future__ import annotations

import os
import sys
import warnings
from types import FrameType
from typing import Any

import torch

from inspector.capture.gates import Replaced, Replacement
from inspector.capture.summary import undisturbed
from inspector.capture.tape import RawWarning, Tape

_OURS = os.path.join(os.path.dirname(os.path.abspath(__file__)), "")
_OVERRIDES = torch.overrides.__file__
_SHOWS = "_showwarnmsg"
"""What Python shows each warning with, in C code too: `showwarning` is what programs replace."""
_REGISTRY = "__warningregistry__"

MAX_WARNINGS = 1_000
"""Warnings noted of one run, equal ones at one place counted once."""


class WarningRecorder:
    """Notes warnings on the tape while entered, and shows them at their lines; without a tape it
    does the latter only. Those that filters suppress are not seen.
    """

    def __init__(self, tape: Tape | None = None) -> None:
        self._tape = tape
        self._show: Any = getattr(warnings, _SHOWS, None)  # not a part of Python's promises
        replaced = (Replacement(warnings, _SHOWS, self._shown),) if callable(self._show) else ()
        self._replaced = Replaced(replaced)

    def __enter__(self) -> WarningRecorder:
        self._replaced.__enter__()
        return self

    def __exit__(self, *error: object) -> None:
        self._replaced.__exit__(*error)

    def _shown(self, message: Any) -> None:
        """Stands for the function that Python shows a warning with."""
        issuer = sys._getframe(1)
        found = None if issuer.f_code is _ISSUED_AGAIN else _program(issuer, message)
        if found is None:
            self._show(message)
            return
        frame, given, shown = found
        if self._tape is not None and self._tape.recording_here:
            _note(self._tape, message, frame, given)
        if frame is shown:
            self._show(message)
            return
        _forget(message, shown)
        names = frame.f_globals
        registry = names.setdefault(_REGISTRY, {})
        warnings.warn_explicit(
            message.message, message.category, frame.f_code.co_filename, frame.f_lineno,
            names.get("__name__"), registry, names,
        )  # fmt: skip


_ISSUED_AGAIN = WarningRecorder._shown.__code__


def _note(tape: Tape, message: Any, frame: FrameType, given: tuple[Any, ...]) -> None:
    site = tape.site(frame)
    key = (message.category.__name__, str(message.message), site)
    if key in tape.warnings or len(tape.warnings) >= MAX_WARNINGS:
        return
    tensor = None
    if given and isinstance(given[0], torch.Tensor):
        with undisturbed():
            found = tape.tensors.find(given[0])
        tensor = None if found is None else found[1]
    tape.warnings[key] = RawWarning(*key, len(tape.ops), tensor)


def _forget(message: Any, shown: FrameType) -> None:
    """Else Python would show a warning of this line only once for all that led to it."""
    registry = shown.f_globals.get(_REGISTRY, {})
    for line in (message.lineno, 0):  # 0 where filters show it once per module
        registry.pop((str(message.message), message.category, line), None)


def _program(
    issuer: FrameType, message: Any
) -> tuple[FrameType, tuple[Any, ...], FrameType] | None:
    """The frame that a warning belongs to, what it called torch with, and the frame that Python
    counted out to: it counts ours, and those that led to ours, on the way.
    """
    before = 0  # how many frames Python passed
    shown: FrameType | None = issuer
    while shown is not None and (message.filename, message.lineno) != _place(shown):
        shown, before = shown.f_back, before + 1
    if shown is None:  # issued with a place of its own
        before = 0
    given: tuple[Any, ...] = ()
    dispatched = False
    frame: FrameType | None = issuer
    while frame is not None:
        file = frame.f_code.co_filename
        if file.startswith(_OURS):
            if file != __file__:
                given = frame.f_locals.get("args", given)
        elif file == _OVERRIDES:
            dispatched = True
        elif dispatched:
            dispatched = False  # a torch function in Python, which called itself again through us
        elif before <= 0:
            return frame, given, shown or frame
        else:
            before -= 1
        frame = frame.f_back
    return None


def _place(frame: FrameType) -> tuple[str, int]:
    return frame.f_code.co_filename, frame.f_lineno
