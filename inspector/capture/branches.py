"""Which way each `if`, `elif`, `while` and `for` went: source text and counts -> `LineBranch`.

    text of a file ── ast ──> BranchStatement   where its header, body and alternative stand
    a finished run ─────────> Flow              what was counted in one code object
    both ───────────────────> LineBranch        how often into the body, how often past it

Pure, and of the standard library only. The counts come from `tracing` or `monitoring`.
What cannot be told is left out: conditions that are constants (`while True`), and some bodies
that stand on the line of their header.
"""

from __future__ import annotations

import ast
import functools
from collections import defaultdict
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from types import CodeType
from typing import Protocol

from inspector.parsing import parse
from inspector.records import LineBranch

Place = tuple[int, int]
"""(line, column in bytes), as in `ast` and `co_positions`."""

Position = tuple[int | None, int | None, int | None, int | None]
"""(line, end line, column, end column) of an instruction, from `co_positions`."""


@dataclass(frozen=True, slots=True)
class BranchStatement:
    """Where one branching statement stands.

    `header` are the lines of the statement up to the end of its condition, `start` and `end`
    bound the body. `inline` says that the body begins on the header's last line; `simple`
    that it is a `for` all on one line that is only left when it is exhausted; `leaves` how
    such a body ends ("return", "raise", ...). `other` are the lines that run next when the
    body does not, where these are known. `guarded` says that it stands in a `try` or `with`.
    """

    kind: str
    scope: Place  # not a column: (first line, last line) in which its code object begins
    scope_name: str
    header: range
    start: Place
    end: Place
    inline: bool = False
    simple: bool = False
    leaves: str = ""
    other: range | None = None
    guarded: bool = False
    is_async: bool = False

    def owns(self, code: CodeType) -> bool:
        """Whether `code` is the function, class or module that the statement stands in."""
        first, last = self.scope
        return code.co_name == self.scope_name and first <= code.co_firstlineno <= last

    def in_body(self, position: Position) -> bool | None:
        """Whether an instruction belongs to the body; None where that is unknown."""
        line, _, column, _ = position
        if line is None:
            return None
        if not self.inline or line not in self.header:
            return self.start[0] <= line <= self.end[0]
        return None if column is None else self.start <= (line, column) < self.end


class Flow(Protocol):
    """What was counted in one code object."""

    code: CodeType

    def line_counts(self) -> Mapping[int, int]:
        """Line -> how often it ran."""

    def ways(self, statement: BranchStatement) -> tuple[int, int] | None:
        """How often into the body and past it; None where it cannot be told."""


def line_counts(flows: Iterable[Flow]) -> dict[str, dict[int, int]]:
    """File -> line -> how often it ran, both in order."""
    merged: dict[str, dict[int, int]] = {}
    for flow in flows:
        counts = merged.setdefault(flow.code.co_filename, defaultdict(int))
        for line, count in flow.line_counts().items():
            counts[line] += count
    return {file: dict(sorted(counts.items())) for file, counts in sorted(merged.items()) if counts}


def line_branches(flows: Iterable[Flow], texts: Mapping[str, str]) -> tuple[LineBranch, ...]:
    """The branches of all files in order of file and line; those never reached are left out.

    Args:
        flows: what was counted; several of one code object (a module run twice) add up.
        texts: file -> its text at the time of the run. Files without one have no branches.
    """
    by_file: dict[str, list[Flow]] = {}
    for flow in flows:
        by_file.setdefault(flow.code.co_filename, []).append(flow)
    return tuple(
        branch
        for file in sorted(by_file)
        if texts.get(file)
        for branch in _branches_of_file(file, texts[file], by_file[file])
    )


def _branches_of_file(file: str, text: str, flows: Sequence[Flow]) -> Iterator[LineBranch]:
    for statement in sorted(branch_statements(text), key=lambda found: found.header.start):
        ways = [flow.ways(statement) for flow in flows if statement.owns(flow.code)]
        known = [way for way in ways if way is not None]
        taken, not_taken = sum(way[0] for way in known), sum(way[1] for way in known)
        if len(known) == len(ways) and taken + not_taken:
            yield LineBranch(file, statement.header.start, statement.kind, taken, not_taken)


@functools.lru_cache(maxsize=256)
def branch_statements(text: str) -> tuple[BranchStatement, ...]:
    """The branching statements of a file; none where it cannot be parsed."""
    tree = parse(text)
    if tree is None:
        return ()
    reader = _Reader()
    reader.block(tree.body, _Scope("<module>", (0, 1)))
    return tuple(reader.found)


@dataclass(frozen=True, slots=True)
class _Scope:
    name: str
    first: Place
    guarded: bool = False


class _Reader:
    """Walks statements, block by block, so that each knows what follows it."""

    def __init__(self) -> None:
        self.found: list[BranchStatement] = []

    def block(self, block: Sequence[ast.stmt], scope: _Scope, elif_: bool = False) -> None:
        for i, node in enumerate(block):
            if isinstance(node, (ast.If, ast.While, ast.For, ast.AsyncFor)):
                self._branch(node, scope, block[i + 1 :], elif_)
            elif isinstance(node, (ast.FunctionDef, ast.AsyncFunctionDef, ast.ClassDef)):
                # A decorated function begins at its first decorator, or, for 3.11 and some
                # tools that rewrite code, at its own line.
                self.block(node.body, _Scope(node.name, (_first_line(node), node.lineno)))
            else:
                guarded = isinstance(node, (ast.Try, ast.TryStar, ast.With, ast.AsyncWith))
                inner = _Scope(scope.name, scope.first, scope.guarded or guarded)
                for nested in _blocks(node):
                    self.block(nested, inner)

    def _branch(
        self,
        node: ast.If | ast.While | ast.For | ast.AsyncFor,
        scope: _Scope,
        following: Sequence[ast.stmt],
        elif_: bool,
    ) -> None:
        test = node.test if isinstance(node, (ast.If, ast.While)) else None
        if not (test is not None and _is_constant(test)) and _runs(node.body):
            self.found.append(_statement(node, scope, following, elif_))
        self.block(node.body, scope)
        nested = node.orelse
        # An `elif` is an `if` in the `else` block that begins left of where one could stand.
        chained = (
            isinstance(node, ast.If)
            and len(nested) == 1
            and isinstance(nested[0], ast.If)
            and nested[0].col_offset == node.col_offset
        )
        self.block(nested, scope, chained)


def _statement(
    node: ast.If | ast.While | ast.For | ast.AsyncFor,
    scope: _Scope,
    following: Sequence[ast.stmt],
    elif_: bool,
) -> BranchStatement:
    last = node.test if isinstance(node, (ast.If, ast.While)) else node.iter
    header = range(node.lineno, _end(last)[0] + 1)
    start, end = (_first_line(node.body[0]), node.body[0].col_offset), _end(node.body[-1])
    inline = start[0] <= header[-1]
    rest = node.orelse or ([] if isinstance(node, (ast.While, ast.For)) else following)
    kinds = {ast.If: "elif" if elif_ else "if", ast.While: "while"}
    return BranchStatement(
        kind=kinds.get(type(node), "for"),
        scope=scope.first,
        scope_name=scope.name,
        header=header,
        start=start,
        end=end,
        inline=inline,
        simple=isinstance(node, ast.For)
        and len(header) == 1
        and end[0] == header[0]
        and all(isinstance(part, (ast.Expr, ast.Assign, ast.AugAssign)) for part in node.body),
        leaves=_leaves(node.body[-1], bool(node.orelse)),
        other=range(_first_line(rest[0]), _end(rest[-1])[0] + 1) if _runs(rest) else None,
        guarded=scope.guarded,
        is_async=isinstance(node, ast.AsyncFor),
    )


def _leaves(last: ast.stmt, has_else: bool) -> str:
    """How a body on the header's line goes on elsewhere than on the line after it."""
    if has_else:
        return "else"
    names: dict[type[ast.stmt], str] = {
        ast.Return: "return", ast.Raise: "raise", ast.Break: "jump", ast.Continue: "jump",
    }  # fmt: skip
    return names.get(type(last), "")


def _blocks(node: ast.stmt) -> Iterator[list[ast.stmt]]:
    for name in ("body", "orelse", "finalbody"):
        nested = getattr(node, name, None)
        if nested:
            yield nested
    for part in (*getattr(node, "handlers", ()), *getattr(node, "cases", ())):
        yield part.body


def _first_line(node: ast.stmt) -> int:
    decorators = getattr(node, "decorator_list", ())
    return min(node.lineno, *(int(part.lineno) for part in decorators), node.lineno)


def _end(node: ast.stmt | ast.expr) -> Place:
    return node.end_lineno or node.lineno, node.end_col_offset or 0


def _runs(block: Sequence[ast.stmt]) -> bool:
    """Whether any statement of a block has code: `global` and a bare `x: int` have none."""
    return any(
        not isinstance(node, (ast.Global, ast.Nonlocal))
        and not (isinstance(node, ast.AnnAssign) and node.value is None)
        for node in block
    )


def _is_constant(test: ast.expr) -> bool:
    """Whether the compiler may decide: then the test need not be there at all."""
    if isinstance(test, ast.UnaryOp):
        return _is_constant(test.operand)
    if isinstance(test, ast.BoolOp):
        return any(_is_constant(value) for value in test.values)
    varies = (ast.Call, ast.Attribute, ast.Await, ast.Yield, ast.YieldFrom, ast.NamedExpr)
    return not any(
        isinstance(node, varies) or (isinstance(node, ast.Name) and node.id != "__debug__")
        for node in ast.walk(test)
    )
