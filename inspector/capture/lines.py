"""How often each line of the user's own functions ran.

Uses `sys.settrace`, on this thread, and only inside functions of user files: other functions
pay one call of a function that declines. A tracer that is already there (a debugger,
coverage) is left alone; the recording then says that lines were not counted.
"""

from __future__ import annotations

import contextlib
import sys
from collections import Counter
from collections.abc import Callable, Iterator
from types import CodeType, FrameType, TracebackType
from typing import Any

from inspector.capture.tape import Tape

LocalTrace = Callable[[FrameType, str, Any], Any]


class LineRecorder:
    """Counts lines while entered.

    Args:
        tape: tells which code is the user's, and takes the note when counting is impossible.
        here: a frame to count in as well, for a `with` block: tracing by itself starts only
            with the next function call.
    """

    def __init__(self, tape: Tape, here: FrameType | None = None) -> None:
        self._tape = tape
        self._here = here
        self._local: dict[CodeType, LocalTrace] = {}
        self._counts: dict[CodeType, Counter[int]] = {}
        self._installed = False

    def __enter__(self) -> LineRecorder:
        if sys.gettrace() is not None:
            self._tape.note(
                "Lines were not counted: another tracer (a debugger or coverage) is installed."
            )
            return self
        self._installed = True
        here = self._here
        if here is not None and here.f_trace is None and self._tape.positions.is_user(here.f_code):
            here.f_trace = self._local_for(here.f_code)
        sys.settrace(self._global)
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        if not self._installed:
            return
        if sys.gettrace() == self._global:
            sys.settrace(None)
        if self._here is not None and self._here.f_trace in self._local.values():
            self._here.f_trace = None
        self._here = None

    @contextlib.contextmanager
    def paused(self) -> Iterator[None]:
        """Not tracing for a while."""
        ours = self._installed and sys.gettrace() == self._global
        if ours:
            sys.settrace(None)
        try:
            yield
        finally:
            if ours:
                sys.settrace(self._global)

    def counts(self) -> dict[str, dict[int, int]]:
        """File -> line -> how often it ran."""
        merged: dict[str, Counter[int]] = {}
        for code, lines in self._counts.items():
            merged.setdefault(code.co_filename, Counter()).update(lines)
        return {file: dict(sorted(lines.items())) for file, lines in sorted(merged.items())}

    def _global(self, frame: FrameType, event: str, arg: Any) -> LocalTrace | None:
        code = frame.f_code
        known = self._local.get(code)
        if known is not None:
            return known
        return self._local_for(code) if self._tape.positions.is_user(code) else None

    def _local_for(self, code: CodeType) -> LocalTrace:
        counts = self._counts.setdefault(code, Counter())

        def local(frame: FrameType, event: str, arg: Any) -> LocalTrace:
            if event == "line":
                counts[frame.f_lineno] += 1
            return local

        self._local[code] = local
        return local
