"""Where in the code something ran, as a key that holds for both runs.

In one version of the code a place is its file, function, line and column. Between two versions
the lines of each function are aligned: a line that only moved keeps its place, one that was
written anew has none in the other version, and what ran there is *unsure*.
"""

from __future__ import annotations

import ast
import difflib
import os
from collections.abc import Hashable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property

from inspector.parsing import parse
from inspector.records import Source

Frame = tuple[Hashable, ...]

LONGEST_EXACT = 600
"""Changed lines up to which all of them are compared with all."""


@dataclass(frozen=True, slots=True)
class Place:
    """A place as a key; `sure` is false where its line has no counterpart in the other version.

    `line` is the innermost frame by itself, None where that one is not sure.
    """

    key: Hashable
    sure: bool = True
    line: Hashable = None


class Version:
    """The code of one run, seen from the other.

    Args:
        sources: file -> text, of this run.
        others: the same of the other run, or of A in the view of A itself.
        reference: whether this is A, whose lines both are told in.
    """

    def __init__(
        self, sources: Mapping[str, str], others: Mapping[str, str], *, reference: bool
    ) -> None:
        self._sources = sources
        self._others = others
        self._reference = reference
        self._files: dict[str, _File] = {}
        self._frames: dict[Source, tuple[Frame, bool]] = {}
        self._places: dict[tuple[int, ...], tuple[Place, Sequence[Source]]] = {}

    def place(self, frames: Sequence[Source]) -> Place:
        """The place of something that ran in these frames, innermost first."""
        # A recording has one object per place: what is kept beside it keeps its id.
        ids = tuple(map(id, frames))
        known = self._places.get(ids)
        if known is None:
            found = [self._frame(source) for source in frames]
            inner = found[0][0] if found and found[0][1] else None
            keys = tuple(frame for frame, _ in found)
            place = Place(keys, all(sure for _, sure in found), inner)
            known = self._places[ids] = (place, tuple(frames))
        return known[0]

    def line(self, file: str, line: int) -> tuple[Hashable, bool]:
        """The key of a line, and whether it is sure."""
        known = self._file(file)
        number = known.lines.get(line) if known.lines is not None else line
        if number is None:
            return (known.name, "new", self._reference, line), False
        return (known.name, number), True

    def _frame(self, source: Source) -> tuple[Frame, bool]:
        found = self._frames.get(source)
        if found is None:
            line, sure = self.line(source.file, source.line)
            column = source.column + self.indent(source.file, source.line)
            found = self._frames[source] = (line, source.function, column), sure
        return found

    def indent(self, file: str, line: int) -> int:
        """How many columns more a line is indented in A."""
        return self._file(file).indents.get(line, 0)

    def _file(self, file: str) -> _File:
        found = self._files.get(file)
        if found is None:
            found = self._files[file] = self._read(file)
        return found

    def _read(self, file: str) -> _File:
        other = counterpart(file, self._sources, self._others)
        mine, theirs = self._sources.get(file), self._others.get(other or "")
        name = other if other is not None and not self._reference else file
        if mine is None or theirs is None or mine == theirs:
            return _File(name, None, {})
        if self._reference:
            pairs = aligned_lines(mine, theirs)
            return _File(name, {a: a for a, _ in pairs}, {})
        pairs = aligned_lines(theirs, mine)
        indents = _indents(theirs, mine, pairs)
        return _File(name, {b: a for a, b in pairs}, indents)


@dataclass(frozen=True, slots=True)
class _File:
    """`lines`: own line -> line in A, None for all lines as they are; `indents` likewise."""

    name: str
    lines: Mapping[int, int] | None
    indents: Mapping[int, int]


def counterpart(file: str, own: Mapping[str, str], others: Mapping[str, str]) -> str | None:
    """The same file in the other run: of the same path, else the only one of the same name."""
    if file in others:
        return file
    name = os.path.basename(file)
    found = [path for path in others if os.path.basename(path) == name and path not in own]
    return found[0] if len(found) == 1 else None


def aligned_lines(a: str, b: str) -> list[tuple[int, int]]:
    """Pairs of equal lines (of A, of B) by number from 1: function by function, then the rest."""
    one, other = _Text(a), _Text(b)
    found: dict[int, int] = {}
    for name in sorted(one.functions.keys() & other.functions.keys()):
        found.update(_equal_lines(one, one.functions[name], other, other.functions[name]))
    rest_a = [line for line in range(1, len(one.lines) + 1) if line not in one.inside]
    rest_b = [line for line in range(1, len(other.lines) + 1) if line not in other.inside]
    found.update(_equal_lines(one, rest_a, other, rest_b))
    return sorted(found.items())


def _equal_lines(
    a: _Text, lines_a: list[int], b: _Text, lines_b: list[int]
) -> Iterator[tuple[int, int]]:
    """Pairs of lines: what both begin and end with, and the best match of what is between."""
    texts_a = [a.lines[line - 1].strip() for line in lines_a]
    texts_b = [b.lines[line - 1].strip() for line in lines_b]
    shorter = min(len(texts_a), len(texts_b))
    head = next((n for n in range(shorter) if texts_a[n] != texts_b[n]), shorter)
    rest = shorter - head
    tail = next((n for n in range(rest) if texts_a[-1 - n] != texts_b[-1 - n]), rest)
    for step in range(head):
        yield lines_a[step], lines_b[step]
    between_a, between_b = (texts[head : len(texts) - tail] for texts in (texts_a, texts_b))
    # Its time is quadratic, and worse where lines repeat: those are left out in long texts.
    junk = max(len(between_a), len(between_b)) > LONGEST_EXACT
    matcher = difflib.SequenceMatcher(None, between_a, between_b, autojunk=junk)
    for block in matcher.get_matching_blocks():
        for step in range(block.size):
            yield lines_a[head + block.a + step], lines_b[head + block.b + step]
    for step in range(1, tail + 1):
        yield lines_a[-step], lines_b[-step]


def _indents(a: str, b: str, pairs: Iterable[tuple[int, int]]) -> dict[int, int]:
    """By line of B: how many columns more its counterpart is indented."""
    lines_a, lines_b = a.splitlines(), b.splitlines()
    found = {}
    for line_a, line_b in pairs:
        shift = _indent(lines_a[line_a - 1]) - _indent(lines_b[line_b - 1])
        if shift:
            found[line_b] = shift
    return found


def _indent(line: str) -> int:
    return len(line) - len(line.lstrip())


class _Text:
    """A file's lines, and which of them belong to which function (the innermost one)."""

    def __init__(self, text: str) -> None:
        self.lines = text.splitlines()
        self._text = text

    @cached_property
    def functions(self) -> dict[str, list[int]]:
        """Qualified name, with a number for each further one of that name -> its lines."""
        found: dict[str, list[int]] = {}
        for name, first, last in self._definitions():
            number = sum(known == name or known.startswith(f"{name}#") for known in found)
            key = f"{name}#{number}" if number else name
            found[key] = list(range(first, min(last, len(self.lines)) + 1))
        inner: dict[int, str] = {}
        for name, lines in sorted(found.items(), key=lambda item: -len(item[1])):
            inner.update(dict.fromkeys(lines, name))
        return {
            name: [line for line in lines if inner[line] == name] for name, lines in found.items()
        }

    @cached_property
    def inside(self) -> frozenset[int]:
        """Lines that belong to a function."""
        return frozenset(line for lines in self.functions.values() for line in lines)

    def _definitions(self) -> Iterator[tuple[str, int, int]]:
        tree = parse(self._text)
        if tree is None:
            return  # no Python: its lines are aligned as a whole
        todo: list[tuple[ast.AST, str]] = [(tree, "")]
        while todo:
            node, above = todo.pop()
            for child in ast.iter_child_nodes(node):
                name = above
                if isinstance(child, (ast.FunctionDef, ast.AsyncFunctionDef, ast.ClassDef)):
                    name = f"{above}.{child.name}" if above else child.name
                    if not isinstance(child, ast.ClassDef):
                        first = min([child.lineno, *(d.lineno for d in child.decorator_list)])
                        yield name, first, child.end_lineno or child.lineno
                todo.append((child, name))
