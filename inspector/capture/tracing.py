"""Counts lines and what followed them with `sys.settrace`, beside a tracer that is there already.

Only inside functions that the caller picks: others pay one call of a function that declines.
A debugger or coverage goes on as if it were alone: it gets every event, what its local trace
functions return and set on frames is honoured, and it is the current tracer again afterwards.
"""

from __future__ import annotations

import contextlib
import dis
import sys
from collections import defaultdict
from collections.abc import Callable, Iterator, Sequence
from types import CodeType, FrameType
from typing import Any

from inspector.capture.branches import BranchStatement, Position
from inspector.capture.frames import is_installed

Trace = Callable[[FrameType, str, Any], Any]

_SUSPENDABLE = 0x20 | 0x80 | 0x200  # CO_GENERATOR, CO_COROUTINE, CO_ASYNC_GENERATOR
_ASYNC = {dis.opmap[name] for name in ("GET_ANEXT", "SEND")}
_QUIET = {dis.opmap[name] for name in ("FOR_ITER", "SEND")}
"""Instructions that end normally by a StopIteration, which tracers are told of all the same."""


class TracedFlow:
    """What one code object did, by the line that ran before in the same frame.

    `steps` counts (line before, line), `returns` and `raises` (line, offset of the instruction),
    `stops` lines where an asynchronous iterator told that it was exhausted. Line 0 stands for
    none: a frame's beginning, or after an exception.
    """

    def __init__(self, code: CodeType) -> None:
        self.code = code
        self.is_installed = is_installed(code.co_filename)
        self.steps: dict[tuple[int, int], int] = defaultdict(int)
        self.returns: dict[tuple[int, int], int] = defaultdict(int)
        self.raises: dict[tuple[int, int], int] = defaultdict(int)
        self.stops: dict[int, int] = defaultdict(int)

    def line_counts(self) -> dict[int, int]:
        """Line -> how often it ran."""
        counts: dict[int, int] = defaultdict(int)
        for (_, line), count in self.steps.items():
            counts[line] += count
        return counts

    def ways(self, statement: BranchStatement) -> tuple[int, int] | None:
        """How often into the body and past it; None where it cannot be told."""
        if statement.inline and not _can_be_told(statement):
            return None
        taken = not_taken = 0
        for into, count in self._leavings(statement):
            taken, not_taken = taken + count * into, not_taken + count * (not into)
        return taken, not_taken

    def _leavings(self, statement: BranchStatement) -> Iterator[tuple[bool, int]]:
        """(whether into the body, how often) of every way out of the header."""
        header = statement.header
        for (before, line), count in self.steps.items():
            if before not in header:
                continue
            if line not in header:
                yield _leads_into(statement, line), count
            elif statement.inline and statement.simple:
                yield True, count  # a jump backwards to the line: one trip is over
        positions: list[Position] = list(self.code.co_positions())
        for (before, offset), count in self.returns.items():
            if before in header and not self._is_yield(offset):
                by_else = statement.inline and statement.leaves == "else"
                yield by_else or statement.in_body(positions[offset // 2]) is True, count
        for (before, offset), count in self.raises.items():
            if before in header and statement.in_body(positions[offset // 2]):
                yield True, count
        if statement.is_async:
            for before, count in self.stops.items():
                if before in header:
                    yield False, count

    def _is_yield(self, offset: int) -> bool:
        return dis.opname[self.code.co_code[offset]] == "YIELD_VALUE"


def _can_be_told(statement: BranchStatement) -> bool:
    """Whether a body on the header's line shows in where the run goes on."""
    if statement.simple:
        return True
    if statement.kind in ("while", "for"):
        return False
    if statement.leaves == "raise" or (statement.leaves == "return" and not statement.guarded):
        return True
    return statement.leaves != "" and statement.other is not None


def _leads_into(statement: BranchStatement, line: int) -> bool:
    if not statement.inline:
        return statement.start[0] <= line <= statement.end[0]
    if statement.simple or statement.leaves == "raise" or statement.other is None:
        return False
    return line not in statement.other


class LineTracer:
    """Counts while started.

    Args:
        is_user: which code to count in; asked once per code object.
    """

    def __init__(self, is_user: Callable[[CodeType], bool]) -> None:
        self._is_user = is_user
        self._flows: dict[int, TracedFlow | None] = {}
        self._declined: set[int] = set()  # not counted in, and of no interest to another tracer
        self._foreign: set[int] = set()  # of installed packages
        self._kept: list[CodeType] = []  # so that no id() of a code object is used again
        self._previous: Any = None  # a trace function
        self._installed: Trace | None = None  # one object, so that `is` finds it again
        self._running = False
        self._importing = False
        self.interrupted = False
        """Whether the program installed or removed a tracer meanwhile: counting ended there."""

    @property
    def flows(self) -> list[TracedFlow]:
        """What was counted, one entry per code object that was entered."""
        return [flow for flow in self._flows.values() if flow is not None]

    def start(self, here: Sequence[FrameType] = ()) -> None:
        """Install, on this thread; count in `here` as well, frames that run already."""
        self._previous = sys.gettrace()
        self._installed = self._global
        self._running = True
        self._importing = False
        for frame in here:
            code = frame.f_code
            flow = self._flows[id(code)] if id(code) in self._flows else self._flow(code)
            if flow is not None:
                frame.f_trace = self._local(flow, frame, _theirs(frame.f_trace), 0)
        sys.settrace(self._installed)

    def stop(self) -> None:
        """Put things back as they were, unless the program changed them itself."""
        self._running = False
        self._declined.clear()
        if sys.gettrace() is self._installed:
            sys.settrace(self._previous)
        else:
            self.interrupted = True
        self._installed = None
        frame: FrameType | None = sys._getframe(1)
        while frame is not None:  # one that runs on would count for nobody
            _release(frame)
            frame = frame.f_back

    @property
    def alone(self) -> Trace | None:
        """What is installed, unless another tracer is beside us: it may want to see all."""
        return self._installed if self._previous is None else None

    @contextlib.contextmanager
    def paused(self) -> Iterator[None]:
        """Not counting for a while; the tracer that was there before is."""
        ours = self._running and sys.gettrace() is self._installed
        if ours:
            sys.settrace(self._previous)
        try:
            yield
        finally:
            if ours and sys.gettrace() == self._previous:
                sys.settrace(self._installed)

    def _global(self, frame: FrameType, event: str, arg: Any) -> Any:
        number = id(frame.f_code)
        if number in self._declined or (self._importing and number in self._foreign):
            return None
        previous = self._previous
        if not self._running:  # put back by the program, or the recording ended on another thread
            if sys.gettrace() == self._global:
                sys.settrace(previous)
            return None if previous is None else previous(frame, event, arg)
        code = frame.f_code
        flow = self._flows[id(code)] if id(code) in self._flows else self._flow(code)
        before = frame.f_lineno if code.co_flags & _SUSPENDABLE else 0
        if previous is None:
            if flow is None:
                self._declined.add(id(code))
                return None
            if flow.is_installed:
                self._foreign.add(number)
                if self._importing:
                    return None
                if code.co_name == "<module>":
                    self._importing = True
                    return self._imports
            return _local(flow, before)
        theirs = previous(frame, event, arg)
        if sys.gettrace() == previous:  # coverage's tracer installs itself again when called
            sys.settrace(self._installed)
        if flow is None:
            return theirs
        if theirs is None:
            theirs = _theirs(frame.f_trace)
        return self._local(flow, frame, theirs, before)

    def _imports(self, frame: FrameType, event: str, arg: Any) -> Trace:
        """The local trace function of an installed module that is imported.

        Nothing of installed packages is counted meanwhile: the import of a large one runs
        millions of lines, and counting them took as long again as running them.
        """
        if event == "return":
            self._importing = False
        return self._imports

    def _flow(self, code: CodeType) -> TracedFlow | None:
        self._kept.append(code)
        flow = TracedFlow(code) if self._is_user(code) else None
        return self._flows.setdefault(id(code), flow)

    def _local(self, flow: TracedFlow, frame: FrameType, theirs: Any, before: int) -> Trace:
        local = _local(flow, before)
        if self._previous is None and theirs is None:
            return local
        return _Both(local, theirs, frame)


def _local(flow: TracedFlow, before: int) -> Trace:
    """The local trace function of one frame: one increment per line."""
    steps = flow.steps

    def count(frame: FrameType, event: str, arg: Any) -> Trace:
        nonlocal before
        if event == "line":
            line = frame.f_lineno
            steps[before, line] += 1
            before = line
        elif event == "return":
            flow.returns[before, frame.f_lasti] += 1
        elif event == "exception" and not _is_quiet(frame, arg[0]):
            if _is_async_stop(frame, arg[0]):
                flow.stops[before] += 1
            else:
                flow.raises[before, frame.f_lasti] += 1
            before = 0
        return count

    return count


def _is_quiet(frame: FrameType, kind: type[BaseException]) -> bool:
    return issubclass(kind, StopIteration) and frame.f_code.co_code[frame.f_lasti] in _QUIET


def _is_async_stop(frame: FrameType, kind: type[BaseException]) -> bool:
    return issubclass(kind, StopAsyncIteration) and frame.f_code.co_code[frame.f_lasti] in _ASYNC


class _Both:
    """The local trace function of a frame that another tracer may trace as well.

    False where the other one does not: `bdb` asks so whether a frame is traced.
    """

    def __init__(self, ours: Trace, theirs: Trace | None, frame: FrameType) -> None:
        self.ours = ours
        self.theirs = theirs
        self.wants_lines = frame.f_trace_lines
        frame.f_trace_lines = True

    def __bool__(self) -> bool:
        return self.theirs is not None

    def __call__(self, frame: FrameType, event: str, arg: Any) -> _Both:
        if event != "opcode":
            self.ours(frame, event, arg)
        if self.theirs is not None and (event != "line" or self.wants_lines):
            self._tell(self.theirs, frame, event, arg)
        return self

    def _tell(self, theirs: Trace, frame: FrameType, event: str, arg: Any) -> None:
        outer = frame.f_back
        beside = None if outer is None else outer.f_trace
        frame.f_trace_lines = self.wants_lines
        try:
            result = theirs(frame, event, arg)
        finally:
            self.wants_lines = frame.f_trace_lines
            frame.f_trace_lines = True
        # As the interpreter has it: None keeps what is set, and what is set may have changed.
        if result is not None:
            self.theirs = result
        elif frame.f_trace is not self:
            self.theirs = _theirs(frame.f_trace)
        # A debugger that steps out of a function sets the trace function of its caller.
        if outer is not None and isinstance(beside, _Both) and outer.f_trace is not beside:
            beside.theirs = outer.f_trace
            outer.f_trace = beside


def _theirs(local: Any) -> Trace | None:
    """The other tracer's part of a frame's trace function."""
    if isinstance(local, _Both):
        return local.theirs
    return None if _is_ours(local) else local


def _is_ours(local: Any) -> bool:
    return getattr(local, "__code__", None) in _OURS


_OURS = (
    next(const for const in _local.__code__.co_consts if isinstance(const, CodeType)),
    LineTracer._imports.__code__,
)


def _release(frame: FrameType) -> None:
    local = frame.f_trace
    if isinstance(local, _Both):
        frame.f_trace = local.theirs
        frame.f_trace_lines = local.wants_lines
    elif _is_ours(local):
        frame.f_trace = None
