"""The functions of a file in which something ran, with the headers of what they stand in."""

from __future__ import annotations

import ast
from collections.abc import Collection, Iterator
from dataclasses import dataclass

from inspector.parsing import parse


@dataclass(frozen=True, slots=True)
class Section:
    """Lines of a file that belong together: a function, a header, or a statement.

    `name` is the qualified name of the function or class ("Branching.forward"), "<module>" for
    other statements. `first` is the number of the first line, from 1.
    """

    name: str
    first: int
    lines: tuple[str, ...]

    @property
    def last(self) -> int:
        """The number of the last line."""
        return self.first + max(len(self.lines), 1) - 1


@dataclass(frozen=True, slots=True)
class _Definition:
    name: str
    first: int
    last: int
    header_last: int
    is_class: bool


def excerpt(text: str, used: Collection[int]) -> list[Section]:
    """The sections that hold the given lines, in order; all of a text that is no Python.

    Args:
        text: of the file.
        used: numbers of lines, from 1.
    """
    lines = text.split("\n")  # not at form feeds, as Python counts
    tree = parse(text)
    if tree is None:
        return [_section("<module>", 1, len(lines), lines)]
    definitions = list(_definitions(tree))
    wanted: dict[tuple[int, int], str] = {}
    for line in used:
        around = sorted(
            (one for one in definitions if one.first <= line <= one.last),
            key=lambda one: one.last - one.first,
        )
        inner = next((one for one in around if not one.is_class), None)
        if inner is None:
            first, last = _statement(tree, line)
            wanted[first, last] = "<module>"
        else:
            wanted[inner.first, inner.last] = inner.name
        for one in around:
            if one is not inner and inner is not None and one.first < inner.first:
                wanted.setdefault((one.first, one.header_last), one.name)
    ranges = [
        (first, last)
        for first, last in wanted
        if not any(a <= first and last <= b and (a, b) != (first, last) for a, b in wanted)
    ]
    return [_section(wanted[first, last], first, last, lines) for first, last in sorted(ranges)]


def _section(name: str, first: int, last: int, lines: list[str]) -> Section:
    kept = [line.rstrip() for line in lines[first - 1 : last]]
    while kept and not kept[-1]:
        kept.pop()  # between a header and what it stands above
    return Section(name, first, tuple(kept))


def _definitions(tree: ast.Module) -> Iterator[_Definition]:
    """All functions and classes, named as `co_qualname` names them."""
    todo: list[tuple[ast.AST, str]] = [(tree, "")]
    while todo:
        node, above = todo.pop()
        for child in ast.iter_child_nodes(node):
            below = above
            if isinstance(child, (ast.FunctionDef, ast.AsyncFunctionDef, ast.ClassDef)):
                name = above + child.name
                is_class = isinstance(child, ast.ClassDef)
                below = f"{name}." if is_class else f"{name}.<locals>."
                header = max(child.lineno, _first(child.body[0]) - 1)
                last = child.end_lineno or child.lineno
                yield _Definition(name, _first(child), last, header, is_class)
            todo.append((child, below))


def _first(statement: ast.stmt) -> int:
    """The first line of a statement, its decorators included."""
    decorators: list[ast.expr] = getattr(statement, "decorator_list", [])
    return min([statement.lineno, *(one.lineno for one in decorators)])


def _statement(tree: ast.Module, line: int) -> tuple[int, int]:
    """The outermost statement around a line that is in no function."""
    for statement in tree.body:
        last = statement.end_lineno or statement.lineno
        if statement.lineno <= line <= last:
            return statement.lineno, last
    return line, line
