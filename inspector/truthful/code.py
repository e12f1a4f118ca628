"""What stands in the source where something was decided: the test, its statement, an argument."""

from __future__ import annotations

import ast
import functools
from collections.abc import Iterator, Mapping
from dataclasses import dataclass

from inspector.overlay.indexing import arguments_of
from inspector.parsing import parse
from inspector.quoted import code_at
from inspector.records import Op, Source

_LEAVING = (ast.Return, ast.Break, ast.Continue, ast.Raise)
_LONGEST = 60


@dataclass(frozen=True, slots=True)
class Statement:
    """An `if`, `while`, `for`, conditional expression or `assert` of the source.

    `text` is its test, or what a loop runs over; `line` that of the test. `first` and `last`
    bound the statement, which begins at `begin` (line and column). `leaves` is true where one
    of its ways leaves the code behind it.
    """

    kind: str
    text: str
    line: int
    first: int
    last: int
    function: tuple[int, int]
    leaves: bool
    begin: tuple[int, int]

    @property
    def is_loop(self) -> bool:
        """Whether it repeats something."""
        return self.kind in ("while", "for")

    def is_at(self, source: Source) -> bool:
        """Whether a place is the whole statement: that is where Python asks and iterates."""
        return self.begin == (source.line, source.column) and source.end_line == self.last

    def guards(self, line: int) -> bool:
        """Whether it depends on this statement if a line of the same function runs."""
        if self.first <= line <= self.last:
            return True
        return self.leaves and self.last < line <= self.function[1]


class Code:
    """The sources of one run."""

    def __init__(self, sources: Mapping[str, str]) -> None:
        self._sources = sources

    def tested(self, source: Source | None) -> Statement | None:
        """The innermost statement whose test (or range) holds a place."""
        if source is None:
            return None
        found = None
        for statement, test in _statements(self._sources.get(source.file, "")):
            if statement.is_at(source) or _holds(test, source):
                found = statement
        return found

    def around(self, file: str, line: int) -> list[Statement]:
        """The statements on which it depends if a line runs, innermost first."""
        statements = [each for each, _ in _statements(self._sources.get(file, ""))]
        found = [each for each in statements if each.guards(line)]
        return sorted(found, key=lambda each: (each.last < line, -each.first))

    def text(self, source: Source | None) -> str:
        """The source text of a place within one line; "" where there is none."""
        if source is None or source.end_line != source.line or source.end_column is None:
            return ""
        return code_at(self._sources, source)

    def read(self, source: Source | None) -> str:
        """What was read at a place: the test of a whole statement, else the text there."""
        statement = self.tested(source)
        if statement is not None and source is not None and statement.is_at(source):
            return statement.text
        return shortened(self.text(source))

    def argument(self, op: Op, position: int, item: int | None) -> str:
        """What the source has for an argument of an op.

        Args:
            op: the op.
            position: of the argument among those of `Op.arguments`.
            item: of a tuple or list passed there, the element; None for the whole.

        Returns:
            The text; "" for a literal and where it cannot be told.
        """
        if op.source is None or op.source != op.call_site:
            return ""  # the op is in code that the user's line calls
        node = _call_at(self._sources.get(op.source.file, ""), op.source)
        given = _operands(node)
        missing = len([a for a in arguments_of(op) if not _is_named(a)]) - len(given)
        position -= missing if missing == 1 and isinstance(node, ast.Call) else 0
        if not 0 <= position < len(given):
            return ""
        found = given[position]
        if item is not None:
            if not isinstance(found, ast.Tuple | ast.List) or item >= len(found.elts):
                return ""
            found = found.elts[item]
        return "" if _is_literal(found) else shortened(ast.unparse(found))


def shortened(text: str) -> str:
    """A text of bounded length."""
    return text if len(text) <= _LONGEST else text[: _LONGEST - 1] + "…"


@functools.lru_cache(maxsize=64)
def _parsed(text: str) -> ast.Module:
    return parse(text) or ast.Module([], [])  # a cell with magic commands, an archive's code


@functools.lru_cache(maxsize=64)
def _statements(text: str) -> list[tuple[Statement, ast.expr]]:
    """All statements with their tests, outer ones before inner ones."""
    return list(_found(_parsed(text), (1, 1 << 30)))


def _found(node: ast.AST, function: tuple[int, int]) -> Iterator[tuple[Statement, ast.expr]]:
    if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef | ast.Lambda):
        function = _span(node)
    for kind, test in _tests(node):
        whole = test if isinstance(node, ast.comprehension) else node  # that has no place
        first, last = _span(whole)
        yield (
            Statement(
                kind=kind,
                text=shortened(ast.unparse(test)),
                line=test.lineno,
                first=first,
                last=last,
                function=function,
                leaves=any(isinstance(inner, _LEAVING) for inner in ast.walk(node)),
                begin=(first, getattr(whole, "col_offset", 0)),
            ),
            test,
        )
    for child in ast.iter_child_nodes(node):
        yield from _found(child, function)


def _span(node: ast.AST) -> tuple[int, int]:
    first: int = getattr(node, "lineno", 0)
    return first, getattr(node, "end_lineno", None) or first


def _tests(node: ast.AST) -> Iterator[tuple[str, ast.expr]]:
    if isinstance(node, ast.If | ast.IfExp):
        yield "if", node.test
    elif isinstance(node, ast.While):
        yield "while", node.test
    elif isinstance(node, ast.For | ast.AsyncFor | ast.comprehension):
        yield "for", node.iter
    elif isinstance(node, ast.Assert):
        yield "assert", node.test


def _holds(node: ast.expr, source: Source) -> bool:
    begin, end = (node.lineno, node.col_offset), (node.end_lineno or 0, node.end_col_offset or 0)
    return begin <= (source.line, source.column) < end


def _call_at(text: str, source: Source) -> ast.AST | None:
    """The outermost expression at exactly this place that calls something."""
    wanted = source.line, source.column, source.end_line, source.end_column
    for node in ast.walk(_parsed(text)):
        if isinstance(node, ast.Call | ast.BinOp | ast.Compare | ast.Subscript):
            place = node.lineno, node.col_offset, node.end_lineno, node.end_col_offset
            if place == wanted:
                return node
    return None


def _operands(node: ast.AST | None) -> list[ast.expr]:
    if isinstance(node, ast.Call):
        return node.args
    if isinstance(node, ast.BinOp):
        return [node.left, node.right]
    if isinstance(node, ast.Compare):
        return [node.left, *node.comparators]
    if isinstance(node, ast.Subscript):
        return [node.value, node.slice]
    return []


def _is_named(argument: str) -> bool:
    return argument.partition("=")[0].isidentifier() and "=" in argument


def _is_literal(node: ast.expr) -> bool:
    try:
        ast.literal_eval(node)
    except (ValueError, TypeError, SyntaxError):
        return False
    return True
