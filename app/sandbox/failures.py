"""The exception that ended a program: as plain values, and as Python prints it."""

from __future__ import annotations

import traceback
from collections.abc import Collection, Iterator
from types import TracebackType
from typing import Any

from inspector.errors import InspectorError

_FRAMES = 3_000
"""Of a traceback: those of a recursion without a limit would fill the memory."""


class Over(BaseException):
    """The program is to end."""


class TimeLimit(Over):
    """Its time is over."""


class ProcessorLimit(TimeLimit):
    """It has kept processors busy for too long."""


class Stopped(Over, KeyboardInterrupt):
    """Somebody stopped it; to the program, as if by Ctrl-C."""


for _kind in (TimeLimit, ProcessorLimit, Stopped):
    _kind.__module__ = "builtins"  # a traceback names it without a module of ours
Stopped.__name__ = Stopped.__qualname__ = "KeyboardInterrupt"  # in the recording's failure, too


def traceback_of(error: BaseException, files: Collection[str]) -> str:
    """What Python prints of an exception, with the frames of these files alone."""
    told = traceback.TracebackException.from_exception(error, limit=-_FRAMES, compact=True)
    for one in _all_of(told, set()):
        one.stack = traceback.StackSummary.from_list(
            [frame for frame in one.stack if frame.filename in files]
        )
    return "".join(told.format())


def _all_of(
    told: traceback.TracebackException | None, seen: set[int]
) -> Iterator[traceback.TracebackException]:
    """An exception with those it came from."""
    if told is None or id(told) in seen:
        return
    seen.add(id(told))
    yield told
    for one in (told.__cause__, told.__context__, *(getattr(told, "exceptions", None) or ())):
        yield from _all_of(one, seen)


def told_of(error: BaseException | None, file: str) -> dict[str, Any]:
    """How the run ended, as plain values."""
    if isinstance(error, SystemExit) and error.code in (None, 0):
        error = None
    if error is None:
        return {"ended": "done"}
    ended = "failed"
    if isinstance(error, Over):
        ended = "stopped" if isinstance(error, Stopped) else "time"
    elif _is_memory(error):
        ended = "memory"
    return {
        "ended": ended,
        "type": type(error).__name__,
        "message": _message(error),
        "line": _line(error, file),
    }


def _message(error: BaseException) -> str:
    if isinstance(error, SyntaxError):
        return str(error.msg)
    if isinstance(error, InspectorError):
        return error.message
    try:
        return str(error)
    except Exception:
        return ""


def _is_memory(error: BaseException) -> bool:
    said = _message(error).lower()
    torch_says = isinstance(error, RuntimeError) and "alloca" in said and "memory" in said
    return isinstance(error, MemoryError) or torch_says


def _line(error: BaseException, file: str) -> int | None:
    """The line of the program at which an exception left it."""
    if isinstance(error, SyntaxError) and error.filename == file:
        return error.lineno
    line, step = None, error.__traceback__
    while isinstance(step, TracebackType):
        if step.tb_frame.f_code.co_filename == file:
            line = step.tb_lineno
        step = step.tb_next
    return line
