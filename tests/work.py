"""Work that is counted, not timed: the lines that Python runs are the same on each machine."""

from __future__ import annotations

import sys
from collections.abc import Callable
from types import FrameType
from typing import Any

Task = Callable[[], object]


def lines_run(task: Task) -> int:
    """How many calls, returns and lines of Python a task takes; each trip of a loop counts."""
    count = 0

    def trace(_frame: FrameType, _event: str, _argument: Any) -> Any:
        nonlocal count
        count += 1
        return trace

    before = sys.gettrace()
    sys.settrace(trace)
    try:
        task()
    finally:
        sys.settrace(before)
    return count


def assert_linear(task_of: Callable[[int], Task], size: int) -> None:
    """The work of a task grows at most in proportion to its size, sorting included.

    Args:
        task_of: makes a task of a size.
        size: of the smaller one of two; the larger is four times as large.
    """
    small, large = lines_run(task_of(size)), lines_run(task_of(4 * size))
    assert large <= 5 * small, f"{size}: {small} lines, {4 * size}: {large} lines"
