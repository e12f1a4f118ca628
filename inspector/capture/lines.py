"""How often each line of the user's own functions ran, and which way its branches went.

On this thread, and only inside functions of user files. `monitoring` counts from Python 3.12
on, `tracing` below; `branches` makes sense of what they counted.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from contextlib import AbstractContextManager
from types import FrameType

from inspector.capture.branches import line_branches, line_counts
from inspector.capture.monitoring import LineMonitor, available
from inspector.capture.tape import Tape
from inspector.capture.terminated import Terminated
from inspector.capture.tracing import LineTracer
from inspector.language import sentence
from inspector.records import LineBranch


class LineRecorder:
    """Counts lines while entered.

    Args:
        tape: tells which code is the user's, and takes the note when counting is impossible.
        here: frames to count in as well, such as that of a `with` block: tracing by itself
            starts only with the next function call.
    """

    def __init__(self, tape: Tape, here: Sequence[FrameType] = ()) -> None:
        self._tape = tape
        self._here = here
        counter = LineMonitor if available() else LineTracer
        self._counter: LineMonitor | LineTracer = counter(tape.positions.is_user)

    def __enter__(self) -> LineRecorder:
        if self._counter.start(self._here) is False:
            self._tape.note(
                sentence(
                    "Lines were not counted: debuggers and profilers use all tools that "
                    "sys.monitoring has room for."
                )
            )
        self._here = ()
        if isinstance(self._counter, LineTracer):
            self._tape.trace = self._counter.alone
        return self

    def __exit__(self, kind: object, error: object, place: object) -> None:
        self._tape.trace = None
        self._counter.stop()
        if self._counter.interrupted and not isinstance(error, Terminated):  # we may have muted it
            self._tape.note(
                sentence(
                    "Lines were counted only until the program set a tracer of its own, or took "
                    "one away, with sys.settrace."
                )
            )

    def paused(self) -> AbstractContextManager[None]:
        """Not counting for a while."""
        return self._counter.paused()

    def counts(self) -> dict[str, dict[int, int]]:
        """File -> line -> how often it ran."""
        return line_counts(self._counter.flows)

    def branches(self, texts: Mapping[str, str]) -> tuple[LineBranch, ...]:
        """Which way each branching statement went; `texts` are the files' texts."""
        return line_branches(self._counter.flows, texts)
