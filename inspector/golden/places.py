"""The code and the places of a golden text: sections of files, frames and stacks."""

from __future__ import annotations

import re

from inspector.records import LineBranch, Source

LAST_LINE = 1_000_000
"""Of a file: a golden that names a later one is damaged."""

_FRAME = re.compile(r"(.+)\+(-?\d+):(\d+)(?:-(?:(\d+):)?(\d+))?(?:\((.*)\))?")
_BRANCH = re.compile(r"(\w+) \+(\d+): (\d+) in, (\d+) past")

Stack = tuple[Source, ...]


class Places:
    """Takes the lines of code, and tells frames by them.

    Attributes:
        branches: which way the statements of the code went.
    """

    def __init__(self) -> None:
        self.branches: list[LineBranch] = []
        self._sections: dict[str, tuple[str, int]] = {}
        self._next = 0
        self._last = ""
        self._texts: dict[str, dict[int, str]] = {}
        # One object per place and per stack: passes know them by their identity.
        self._frames: dict[str, Source] = {}
        self._stacks: dict[Stack, Stack] = {}

    def open(self, label: str, file: str, first: int) -> None:
        """Begin a section: the lines from `first` on, from 1, of a file.

        Raises:
            ValueError: no file has so many lines.
        """
        if not 0 <= first <= LAST_LINE:
            raise ValueError(f"line {first}")
        self._last, self._next = label, first
        self._sections[label] = file, first
        self._texts.setdefault(file, {})

    def take(self, line: str) -> None:
        """A line of the section that was begun last: of its code, or of how a statement went."""
        file, first = self._sections[self._last]
        if line.startswith("|"):
            self._texts[file][self._next] = line[2:]
            self._next += 1
        else:
            kind, at, taken, past = matched(_BRANCH, line).groups()
            self.branches.append(LineBranch(file, first + int(at), kind, int(taken), int(past)))

    def sources(self) -> dict[str, str]:
        """The files whose code is known; lines that are not are empty."""
        return {
            file: "\n".join(lines.get(number, "") for number in range(1, max(lines) + 1)) + "\n"
            for file, lines in self._texts.items()
            if lines
        }

    def stack(self, field: str, outer: Stack) -> Stack:
        """The frames that a field tells, innermost first, within those around it."""
        told = field.removeprefix("@ ")
        if told.startswith("*"):
            told, outer = told[1:].strip(), ()
        own = tuple(self._frame(frame) for frame in told.split(" < ") if frame)
        stack = own + outer
        return self._stacks.setdefault(stack, stack)

    def source(self, field: str) -> Source | None:
        """The innermost frame that a field tells."""
        stack = self.stack(field, ())
        return stack[0] if stack else None

    def _frame(self, told: str) -> Source:
        known = self._frames.get(told)
        if known is None:
            label, at, column, end, end_column, function = matched(_FRAME, told).groups()
            file, first = self._sections[label]
            known = self._frames[told] = Source(
                file,
                first + int(at),
                int(column),
                function or label.partition("#")[0],
                None if end_column is None else first + int(end or at),
                None if end_column is None else int(end_column),
            )
        return known


def matched(pattern: re.Pattern[str], text: str) -> re.Match[str]:
    """The match of the whole text.

    Raises:
        ValueError: there is none.
    """
    found = pattern.fullmatch(text)
    if found is None:
        raise ValueError(f"{text!r} is not understood")
    return found
