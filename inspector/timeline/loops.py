"""Loops around a line, and how often the same place in the code ran an op."""

from __future__ import annotations

import ast
import re
import warnings
from collections import defaultdict
from dataclasses import dataclass
from functools import cached_property

from inspector.records import Recording, Source


@dataclass(frozen=True, slots=True)
class Loop:
    """A `for` or `while` of the user's code: where it begins, and its first line as written."""

    file: str
    line: int
    text: str


class Loops:
    """Loops of the recorded files, and visits of ops to places in them.

    Args:
        recording: what ran.
    """

    def __init__(self, recording: Recording) -> None:
        self._recording = recording
        self._files: dict[str, list[tuple[int, int, Loop]]] = {}

    def around(self, source: Source | None) -> tuple[Loop, ...]:
        """The loops that a line is in, the innermost first."""
        if source is None:
            return ()
        if source.file not in self._files:
            self._files[source.file] = _loops_of(
                source.file, self._recording.sources.get(source.file, "")
            )
        inside = [
            (first, loop)
            for first, last, loop in self._files[source.file]
            if first <= source.line <= last
        ]
        return tuple(loop for _, loop in sorted(inside, key=lambda pair: -pair[0]))

    def visit(self, op: int) -> tuple[int, int]:
        """(which time it was, how often in all) that an op of this place in the code ran.

        The place is the position in the source together with the stack of calls around it
        and the function of torch. Times count from 1.
        """
        number = self._visits[op]
        return number, self._totals[self._keys[op]]

    @cached_property
    def _keys(self) -> list[int]:
        """For each op a number of its place."""
        numbers: dict[object, int] = {}
        stacks: dict[int, int] = {}
        found: list[int] = []
        for op in self._recording.ops:
            stack = stacks.get(id(op.stack))
            if stack is None:
                stack = stacks[id(op.stack)] = numbers.setdefault(op.stack, len(numbers))
            key = (stack, op.source, op.function, op.call_site)
            found.append(numbers.setdefault(key, len(numbers)))
        return found

    @cached_property
    def _totals(self) -> dict[int, int]:
        found: dict[int, int] = defaultdict(int)
        for key in self._keys:
            found[key] += 1
        return found

    @cached_property
    def _visits(self) -> list[int]:
        so_far: dict[int, int] = defaultdict(int)
        found: list[int] = []
        for key in self._keys:
            so_far[key] += 1
            found.append(so_far[key])
        return found


def _loops_of(file: str, text: str) -> list[tuple[int, int, Loop]]:
    """(first line, last line, loop) of each loop."""
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # of the user's code, told when it ran
            tree = ast.parse(text)
    except (SyntaxError, ValueError, RecursionError, MemoryError):
        return []  # the text at the time of the run may be a notebook's, or be gone
    lines = split_lines(text)
    found: list[tuple[int, int, Loop]] = []
    todo: list[ast.AST] = [tree]
    while todo:
        node = todo.pop()
        todo += ast.iter_child_nodes(node)
        if isinstance(node, (ast.For, ast.While, ast.AsyncFor)):
            loop = Loop(file, node.lineno, lines[node.lineno - 1].strip())
            found.append((node.lineno, node.end_lineno or node.lineno, loop))
    return found


def split_lines(text: str) -> list[str]:
    """The lines as Python counts them: other separators of `str.splitlines` are no line ends."""
    return re.split(r"\r\n?|\n", text)
