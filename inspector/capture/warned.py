"""Warnings that the program issues, with the line and the tensor that they are about.

A warning is shown at the line that called into torch. While a recording runs a frame of ours
stands between the two, and Python would show, filter and count the warning as one of ours: it is
issued again at the line it belongs to.
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
    """Notes warnings on the tape while entered. Those that filters suppress are not seen."""

    def __init__(self, tape: Tape) -> None:
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
        frame, given, ours = _program(issuer, message.filename)
        if frame is None or issuer.f_code is _ISSUED_AGAIN:
            self._show(message)
            return
        if self._tape.recording_here:
            self._note(message, frame, given)
        if ours is None:
            self._show(message)
            return
        ours.pop(_REGISTRY, None)  # else Python would show it only once for all lines
        names = frame.f_globals
        registry = names.setdefault(_REGISTRY, {})
        warnings.warn_explicit(
            message.message, message.category, frame.f_code.co_filename, frame.f_lineno,
            names.get("__name__"), registry, names,
        )  # fmt: skip

    def _note(self, message: Any, frame: FrameType, given: tuple[Any, ...]) -> None:
        tape = self._tape
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


_ISSUED_AGAIN = WarningRecorder._shown.__code__


def _program(
    frame: FrameType | None, shown_in: str
) -> tuple[FrameType | None, tuple[Any, ...], dict[str, Any] | None]:
    """The program's frame that a warning belongs to, what it called torch with, and the module
    of ours that Python takes for the place (None where it found the program's own).
    """
    given: tuple[Any, ...] = ()
    ours: dict[str, Any] | None = None
    dispatched = False
    while frame is not None:
        file = frame.f_code.co_filename
        if file.startswith(_OURS):
            if file != __file__:
                given = frame.f_locals.get("args", given)
            if file == shown_in:
                ours = frame.f_globals
        elif file == _OVERRIDES:
            dispatched = True
        elif dispatched:
            dispatched = False  # a torch function in Python, which called itself again through us
        elif ours is not None or not shown_in.startswith(_OURS):
            break
        frame = frame.f_back
    return frame, given, ours
