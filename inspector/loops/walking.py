"""The parts of a piece of code in the order in which Python evaluates them, in their regions."""

from __future__ import annotations

import ast
import io
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, replace

from inspector.loops.syntax import CONTINUE, FALL, LoopStatement, Region, Spot

HEADER_LENGTH = 60

FUNCTIONS = (ast.FunctionDef, ast.AsyncFunctionDef)
LOOPS = (ast.For, ast.AsyncFor, ast.While)
COMPREHENSIONS = (ast.ListComp, ast.SetComp, ast.DictComp, ast.GeneratorExp)
_EVALUATED = (ast.expr, ast.stmt, ast.keyword, ast.withitem)

Part = tuple[ast.AST, "Around"]


@dataclass(frozen=True, slots=True)
class Around:
    """What is around a node: its scope, and the path as in `Spot`."""

    scope: ast.AST
    path: tuple[tuple[Region, int], ...]
    depths: tuple[int, ...] = ()

    def inside(self, region: Region, index: int) -> Around:
        """Around statement `index` of a region in here."""
        path = (*self.path, (region, index))
        depths = (*self.depths, len(self.path)) if region.loop is not None else self.depths
        return replace(self, path=path, depths=depths)

    def spot(self, order: int) -> Spot:
        """The place, as the one with this number in the order of evaluation."""
        return Spot(self.scope, self.path, order, self.depths)


class Parts:
    """Takes the nodes of one text apart.

    Args:
        name: the file's.
        text: its text.

    Attributes:
        regions: of each node that has some, in order.
        waiting: functions that were defined; their bodies were not looked into yet.
        generators: scopes that run when they are asked for their next item.
    """

    def __init__(self, name: str, text: str) -> None:
        self._name = name
        self._lines = io.StringIO(text, newline=None).read().split("\n")
        self.regions: dict[ast.AST, list[Region]] = {}
        self.waiting: dict[ast.FunctionDef | ast.AsyncFunctionDef, None] = {}
        self.generators: set[ast.AST] = set()

    def of(self, node: ast.AST, around: Around) -> Iterator[tuple[ast.AST, Around]]:
        """The parts of a node, in the order of evaluation, each with what is around it."""
        if isinstance(node, (*FUNCTIONS, ast.Lambda, ast.ClassDef)):
            yield from self._new_scope(node, around)
        elif isinstance(node, LOOPS):
            yield from self._loop(node, around)
        elif isinstance(node, COMPREHENSIONS):
            yield from self._comprehension(node, around)
        elif isinstance(node, (ast.If, ast.IfExp)):
            yield node.test, around
            yield from self.block(node, node.body, around, branch=0)
            yield from self.block(node, node.orelse, around, branch=1)
        elif isinstance(node, (ast.Try, ast.TryStar)):
            yield from self._try(node, around)
        elif isinstance(node, (ast.With, ast.AsyncWith)):
            yield from ((item, around) for item in node.items)
            yield from self.block(node, node.body, around)
        elif isinstance(node, ast.Match):
            yield node.subject, around
            for number, case in enumerate(node.cases):
                guard = [case.guard] if case.guard is not None else []
                yield from ((part, around) for part in guard)
                yield from self.block(node, case.body, around, branch=number)
        elif isinstance(node, ast.BoolOp):
            yield node.values[0], around
            yield from self.block(node, node.values[1:], around)
        else:
            yield from ((part, around) for part in _plain_parts(node))

    def block(
        self, node: ast.AST, body: list[ast.stmt] | list[ast.expr] | ast.expr, around: Around,
        branch: int = -1, loop: LoopStatement | None = None, skip: int = 0,
    ) -> Iterator[tuple[ast.AST, Around]]:  # fmt: skip
        """The statements of a new region; `skip` places are left free at its start."""
        parts = [body] if isinstance(body, ast.expr) else body
        region = Region(node, branch, loop, [FALL] * (len(parts) + skip))
        self.regions.setdefault(node, []).append(region)
        for index, part in enumerate(parts, start=skip):
            yield part, around.inside(region, index)

    def _new_scope(self, node: ast.AST, around: Around) -> Iterator[tuple[ast.AST, Around]]:
        """What a definition runs where it stands; a function's body waits until it is asked for."""
        outside: list[ast.AST] = [*getattr(node, "decorator_list", ()), *getattr(node, "bases", ())]
        outside += [word.value for word in getattr(node, "keywords", ())]
        if isinstance(node, (*FUNCTIONS, ast.Lambda)):
            outside += node.args.defaults
            outside += [default for default in node.args.kw_defaults if default is not None]
        yield from ((part, around) for part in outside)
        if isinstance(node, FUNCTIONS):
            self.waiting[node] = None
        elif isinstance(node, (ast.ClassDef, ast.Lambda)):
            yield from self.block(node, node.body, Around(node, ()))

    def _loop(self, node: ast.AST, around: Around) -> Iterator[tuple[ast.AST, Around]]:
        assert isinstance(node, LOOPS)
        kind = "while" if isinstance(node, ast.While) else "for"
        last = node.test if isinstance(node, ast.While) else node.iter
        loop = self._statement(node, kind, self._written(node, last))
        body = list(self.block(node, node.body, around, loop=loop, skip=1))
        inside = around.inside(self.regions[node][0], 0)
        if isinstance(node, ast.While):
            yield node.test, inside
        else:
            yield node.iter, around
            yield node.target, inside
        yield from body
        yield from self.block(node, node.orelse, around)

    def _comprehension(self, node: ast.AST, around: Around) -> Iterator[tuple[ast.AST, Around]]:
        """One loop, also where it goes over several things: its trips are its items."""
        assert isinstance(node, COMPREHENSIONS)
        first, *others = node.generators
        text = f"for {self._written(first.target, first.iter)}"
        loop = self._statement(node, "comprehension", text)
        if isinstance(node, ast.GeneratorExp):
            self.generators.add(node)
        region = Region(node, -1, loop, [FALL, FALL | CONTINUE, FALL])
        self.regions[node] = [region]
        yield first.iter, around
        yield first.target, around.inside(region, 0)
        for condition in first.ifs:
            yield condition, around.inside(region, 1)
        for other in others:
            for part in (other.iter, other.target, *other.ifs):
                yield part, around.inside(region, 1)
        for name in ("key", "value", "elt"):
            if hasattr(node, name):
                yield getattr(node, name), around.inside(region, 2)

    def _try(self, node: ast.AST, around: Around) -> Iterator[tuple[ast.AST, Around]]:
        assert isinstance(node, (ast.Try, ast.TryStar))
        yield from self.block(node, node.body, around)
        for number, handler in enumerate(node.handlers):
            yield from self.block(node, handler.body, around, branch=number)
        yield from self.block(node, node.orelse, around)
        yield from self.block(node, node.finalbody, around)

    def _written(self, first: ast.stmt | ast.expr, last: ast.expr) -> str:
        """The text from the start of one node to the end of another, in one line."""
        end = last.end_lineno or last.lineno
        lines = [line.encode() for line in self._lines[first.lineno - 1 : end]]
        lines[-1] = lines[-1][: last.end_col_offset]
        lines[0] = lines[0][first.col_offset :]
        return " ".join(b" ".join(lines).decode(errors="replace").split())

    def _statement(self, node: ast.stmt | ast.expr, kind: str, header: str) -> LoopStatement:
        line, column = node.lineno, node.col_offset
        end = getattr(node, "end_lineno", None) or line
        short = header if len(header) <= HEADER_LENGTH else header[: HEADER_LENGTH - 1] + "…"
        return LoopStatement(self._name, line, column, end, kind, short)


def _plain_parts(node: ast.AST) -> Iterable[ast.AST]:
    """The parts of a node without control flow, in the order in which Python evaluates them."""
    if isinstance(node, ast.Assign):
        return (node.value, *node.targets)
    if isinstance(node, (ast.AnnAssign, ast.NamedExpr)):
        return [part for part in (node.value, node.target) if part is not None]
    if isinstance(node, ast.Dict):
        pairs = zip(node.keys, node.values, strict=True)
        return [part for pair in pairs for part in pair if part is not None]
    return (part for part in ast.iter_child_nodes(node) if isinstance(part, _EVALUATED))
