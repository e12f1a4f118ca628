"""Counts lines and jumps with `sys.monitoring` (Python 3.12 and later).

A tool of its own beside debuggers and coverage, which it does not touch. Events are set only
in code that the caller picks; all other code tells once that it starts, and then no more.
"""

from __future__ import annotations

import contextlib
import dis
import itertools
import sys
import threading
from collections import defaultdict
from collections.abc import Callable, Iterator, Sequence
from functools import cached_property
from types import CodeType, FrameType
from typing import Any

from inspector.capture.branches import BranchStatement, Position

_TOOLS = (3, 4, 2, 5, 1, 0)
"""Tool ids in the order in which they are tried: those without a meaning of their own first."""


def available() -> bool:
    """Whether this Python has `sys.monitoring`."""
    return hasattr(sys, "monitoring")


class MonitoredFlow:
    """What one code object did: `lines` counts lines, `jumps` (offset, destination)."""

    def __init__(self, code: CodeType) -> None:
        self.code = code
        self.lines: dict[int, int] = defaultdict(int)
        self.jumps: dict[tuple[int, int], int] = defaultdict(int)

    def line_counts(self) -> dict[int, int]:
        """Line -> how often it ran."""
        return self.lines

    def ways(self, statement: BranchStatement) -> tuple[int, int] | None:
        """How often into the body and past it; None where it cannot be told."""
        if statement.is_async:
            return None  # it ends by an exception, not by a jump
        taken = not_taken = 0
        for (offset, destination), count in self.jumps.items():
            position = _position(self._instructions[offset])
            inside = statement.in_body(position)
            if position[0] not in statement.header or inside:
                continue
            if inside is None:
                return None
            into = self._leads_into(statement, destination)
            if into is not None:
                taken, not_taken = taken + count * into, not_taken + count * (not into)
        return taken, not_taken

    @cached_property
    def _instructions(self) -> dict[int, dis.Instruction]:
        return {instruction.offset: instruction for instruction in dis.get_instructions(self.code)}

    @cached_property
    def _next(self) -> dict[int, int]:
        offsets = list(self._instructions)
        return dict(itertools.pairwise(offsets))

    def _leads_into(self, statement: BranchStatement, offset: int) -> bool | None:
        """Where the code from `offset` on leaves the header; None when it jumps again first."""
        seen: set[int] = set()
        while offset not in seen:
            seen.add(offset)
            instruction = self._instructions[offset]
            line = _position(instruction)[0]
            if line is not None and statement.in_body(_position(instruction)):
                return True
            if line is not None and line not in statement.header:
                return False
            name = instruction.opname
            if name.startswith("RETURN_"):
                return False
            if name.startswith("JUMP_"):
                target = int(instruction.argval)
                if target < offset:
                    return self._back_to(statement, target)
                offset = target
            elif name.startswith("POP_JUMP_") or name == "FOR_ITER":
                return None
            else:
                offset = self._next[offset]
        return None

    def _back_to(self, statement: BranchStatement, target: int) -> bool | None:
        """The same for a jump backwards: by a `while` whose test is repeated below its body, by
        the loop of a comprehension in the header, or by an outer loop.
        """
        instruction = self._instructions[target]
        position = _position(instruction)
        if statement.in_body(position):
            return True
        inner = instruction.opname == "FOR_ITER" and position[0] in statement.header
        return None if inner else False


def _position(instruction: dis.Instruction) -> Position:
    found = instruction.positions
    if found is None:
        return None, None, None, None
    return found.lineno, found.end_lineno, found.col_offset, found.end_col_offset


class LineMonitor:
    """Counts while started; see `tracing.LineTracer`, which has the same methods."""

    def __init__(self, is_user: Callable[[CodeType], bool]) -> None:
        self._is_user = is_user
        self._monitoring: Any = getattr(sys, "monitoring", None)
        self._flows: dict[int, MonitoredFlow] = {}
        self._tool: int | None = None
        self._thread = threading.get_ident()
        self._counting = True
        self.interrupted = False

    @property
    def flows(self) -> list[MonitoredFlow]:
        """What was counted, one entry per code object that was entered."""
        return list(self._flows.values())

    def start(self, here: Sequence[FrameType] | None = None) -> bool:
        """Install, for this thread; count in `here` as well. False when no tool id is free."""
        monitoring = self._monitoring
        free = [tool for tool in _TOOLS if monitoring.get_tool(tool) is None]
        if not free:
            return False
        self._tool = tool = free[0]
        monitoring.use_tool_id(tool, "inspector")
        events = monitoring.events
        for event in (events.PY_START, events.PY_RESUME):
            monitoring.register_callback(tool, event, self._enter)
        monitoring.register_callback(tool, events.LINE, self._line)
        for event in self._branch_events:
            monitoring.register_callback(tool, event, self._jump)
        monitoring.restart_events()  # an earlier recording switched starts off that it had seen
        monitoring.set_events(tool, events.PY_START | events.PY_RESUME)
        for frame in here or ():
            self._enter(frame.f_code, 0)
        return True

    def stop(self) -> None:
        """Take everything away again."""
        monitoring, tool = self._monitoring, self._tool
        if tool is None:
            return
        self._tool = None
        events = monitoring.events
        monitoring.set_events(tool, 0)
        for flow in self._flows.values():
            monitoring.set_local_events(tool, flow.code, 0)
        for event in (events.PY_START, events.PY_RESUME, events.LINE, *self._branch_events):
            monitoring.register_callback(tool, event, None)
        monitoring.free_tool_id(tool)

    @contextlib.contextmanager
    def paused(self) -> Iterator[None]:
        """Not counting for a while."""
        before, self._counting = self._counting, False
        try:
            yield
        finally:
            self._counting = before

    @cached_property
    def _branch_events(self) -> tuple[int, ...]:
        events = self._monitoring.events
        if hasattr(events, "BRANCH_LEFT"):  # 3.14 and later
            return events.BRANCH_LEFT, events.BRANCH_RIGHT
        return (events.BRANCH,)

    def _enter(self, code: CodeType, offset: int) -> Any:
        if id(code) not in self._flows and self._is_user(code):
            self._flows[id(code)] = MonitoredFlow(code)
            wanted = self._monitoring.events.LINE
            for event in self._branch_events:
                wanted |= event
            self._monitoring.set_local_events(self._tool, code, wanted)
        return self._monitoring.DISABLE

    def _line(self, code: CodeType, line: int) -> None:
        if self._counting and threading.get_ident() == self._thread:
            self._flows[id(code)].lines[line] += 1

    def _jump(self, code: CodeType, offset: int, destination: int) -> None:
        if self._counting and threading.get_ident() == self._thread:
            self._flows[id(code)].jumps[offset, destination] += 1
