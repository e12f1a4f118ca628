"""Parsed texts: the spot of each position, found by walking a file's tree once.

The walk keeps a list of what is left to do, so that an expression of 10,000 terms or a chain of
1,000 `elif` needs no recursion.
"""

from __future__ import annotations

import ast
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, replace

from inspector.loops.syntax import BREAK, CONTINUE, FALL, RETURN, LoopStatement, Region, Spot
from inspector.records import Source

HEADER_LENGTH = 60
_ORDERS = 4  # numbers from one node to the next: what lies between has room

_OWN_FRAME = {
    "<listcomp>": ast.ListComp,
    "<setcomp>": ast.SetComp,
    "<dictcomp>": ast.DictComp,
    "<genexpr>": ast.GeneratorExp,
}
"""The names of comprehensions that run in a frame of their own (all up to Python 3.11)."""

_COMPREHENSIONS = tuple(_OWN_FRAME.values())
_FUNCTIONS = (ast.FunctionDef, ast.AsyncFunctionDef)
_TESTING = (ast.If, ast.While, ast.IfExp, ast.BoolOp, ast.Assert)
_COMPUTING = (ast.Call, ast.Compare, ast.BinOp, ast.Subscript)
_LOOPS = (ast.For, ast.AsyncFor, ast.While)

Position = tuple[int, int, int | None, int | None]
"""Line, column, end line, end column."""


class Files:
    """The texts of a recording, each parsed when it is first asked for."""

    def __init__(self, sources: Mapping[str, str]) -> None:
        self._sources = sources
        self._files: dict[str, _File | None] = {}
        self._spots: dict[Source, Spot | None] = {}

    def spot(self, source: Source) -> Spot | None:
        """The spot of a frame's position; None where the text is unknown or does not parse."""
        if source not in self._spots:
            file = self._file(source.file)
            self._spots[source] = None if file is None else file.spot(source)
        return self._spots[source]

    def item_spot(self, source: Source, by_generator: bool) -> Spot | None:
        """Where a `for` takes its next item, if the position is that of a `for` statement.

        Args:
            source: the position.
            by_generator: whether a generator runs there. Then the position may also be that of
                what the `for` goes over.
        """
        file = self._file(source.file)
        return None if file is None else file.item_spot(source, by_generator)

    def is_generator(self, source: Source) -> bool:
        """Whether the code at a position runs when it is asked for its next item."""
        file, spot = self._file(source.file), self.spot(source)
        return file is not None and spot is not None and spot.scope in file.generators

    def _file(self, name: str) -> _File | None:
        if name not in self._files:
            text = self._sources.get(name)
            try:
                self._files[name] = None if text is None else _File(name, text)
            except (SyntaxError, ValueError, RecursionError, MemoryError):
                self._files[name] = None  # a text that Python cannot read has no loops
        return self._files[name]


@dataclass(frozen=True, slots=True)
class _Around:
    """What is around a node: its scope, and the path as in `Spot`."""

    scope: ast.AST
    path: tuple[tuple[Region, int], ...]
    depths: tuple[int, ...] = ()

    def inside(self, region: Region, index: int) -> _Around:
        """Around statement `index` of a region in here."""
        path = (*self.path, (region, index))
        depths = (*self.depths, len(self.path)) if region.loop is not None else self.depths
        return replace(self, path=path, depths=depths)

    def spot(self, order: int) -> Spot:
        return Spot(self.scope, self.path, order, self.depths)


_Task = tuple[str, ast.AST, _Around]


class _File:
    """One parsed text."""

    def __init__(self, name: str, text: str) -> None:
        self.generators: set[ast.AST] = set()
        self._name = name
        self._lines = text.splitlines()
        self._order = 0
        self._spots: dict[Position, Spot] = {}
        self._items: dict[Position, tuple[Spot, bool]] = {}
        self._statements: list[tuple[int, int, Spot]] = []
        self._by_line: dict[int, Spot | None] = {}
        self._regions: dict[ast.AST, list[Region]] = {}
        self._opened: set[int] = set()
        self._waiting: dict[ast.FunctionDef | ast.AsyncFunctionDef, None] = {}
        tree = ast.parse(text)
        body = self._block(tree, tree.body, _Around(tree, ()))
        self._walk([("enter", *part) for part in body])

    def item_spot(self, source: Source, by_generator: bool) -> Spot | None:
        spot, is_whole = self._items.get(_place(source), (None, False))
        return spot if is_whole or by_generator else None

    def spot(self, source: Source) -> Spot | None:
        self._open(source.line)
        found = self._spots.get(_place(source)) or self._of_line(source.line)
        kind = _OWN_FRAME.get(source.function.rpartition(".")[2])
        return found if found is None or kind is None else _within(found, kind)

    def _of_line(self, line: int) -> Spot | None:
        """The innermost statement on a line, for positions that are no expression's."""
        if line not in self._by_line:
            around = [one for one in self._statements if one[0] <= line <= one[1]]
            # Of those around a line, the innermost begins last.
            self._by_line[line] = max(around, key=lambda one: one[0])[2] if around else None
        return self._by_line[line]

    # -- the walk ------------------------------------------------------------------------------

    def _open(self, line: int) -> None:
        """Walk the functions around a line: those that never ran are not looked into."""
        if line in self._opened:
            return
        self._opened.add(line)
        while around := [node for node in self._waiting if node.lineno <= line <= _last(node)]:
            for node in around:
                del self._waiting[node]
                body = self._block(node, node.body, _Around(node, ()))
                self._walk([("enter", *part) for part in body])

    def _walk(self, todo: list[_Task]) -> None:
        todo.reverse()
        while todo:
            event, node, around = todo.pop()
            if event == "leave":
                self._leave(node, around)
                continue
            if isinstance(node, ast.stmt):
                self._statements.append((node.lineno, _last(node), around.spot(0)))
            elif isinstance(node, (ast.Yield, ast.YieldFrom)):
                self.generators.add(around.scope)
            todo.append(("leave", node, around))
            todo.extend(("enter", *part) for part in reversed(list(self._parts(node, around))))

    def _leave(self, node: ast.AST, around: _Around) -> None:
        """Everything in the node has run: it has its place in the order, and its exits."""
        self._order += _ORDERS
        position = _position(node)
        if position is not None:
            self._spots.setdefault(position, around.spot(self._order))
        if isinstance(node, (ast.For, ast.AsyncFor)):
            self._place_items(node, around)
        elif isinstance(node, _TESTING):
            self._place_test(node, around)
        elif isinstance(node, ast.AugAssign):
            self._again(node.target)
        elif isinstance(node, (ast.With, ast.AsyncWith)):
            for item in node.items:
                self._again(item.context_expr)
        if isinstance(node, ast.stmt):
            region, index = around.path[-1]
            region.leaves[index] = _exits(node, self._regions.get(node, []))

    def _place_test(self, node: ast.AST, around: _Around) -> None:
        """What is tested is tested right after it was computed, not at the end of the `if`."""
        test = node.values[0] if isinstance(node, ast.BoolOp) else getattr(node, "test")
        place, whole = _position(test), _position(node)
        assert place is not None
        assert whole is not None
        inside = around
        if isinstance(node, ast.While):
            inside = around.inside(self._regions[node][0], 0)
        spot = inside.spot(self._spots[place].order + 1)
        spot.is_test = any(isinstance(part, _COMPUTING) for part in ast.walk(test))
        self._spots[whole] = spot

    def _place_items(self, node: ast.For | ast.AsyncFor, around: _Around) -> None:
        """A `for` asks for an iterator once, and for an item on each trip.

        Python 3.11 places both at the whole statement, later versions at what it goes over.
        """
        whole, over = _position(node), _position(node.iter)
        assert whole is not None
        assert over is not None
        order = self._spots[over].order
        self._spots[whole] = around.spot(order + 1)
        item = around.inside(self._regions[node][0], 0).spot(order + 2)
        self._items[whole] = item, True
        self._items[over] = item, False

    def _again(self, node: ast.AST) -> None:
        """A position that is used again now, at the end of its statement."""
        spot = self._spots.get(_position(node) or (0, 0, 0, 0))
        if spot is not None:
            spot.late = replace(spot, order=self._order + 1, late=None)

    # -- the parts of a node, in the order of evaluation ----------------------------------------

    def _parts(self, node: ast.AST, around: _Around) -> Iterator[tuple[ast.AST, _Around]]:
        if isinstance(node, (*_FUNCTIONS, ast.Lambda, ast.ClassDef)):
            yield from self._new_scope(node, around)
        elif isinstance(node, _LOOPS):
            yield from self._loop(node, around)
        elif isinstance(node, _COMPREHENSIONS):
            yield from self._comprehension(node, around)
        elif isinstance(node, (ast.If, ast.IfExp)):
            yield node.test, around
            yield from self._block(node, node.body, around, branch=0)
            yield from self._block(node, node.orelse, around, branch=1)
        elif isinstance(node, (ast.Try, ast.TryStar)):
            yield from self._try(node, around)
        elif isinstance(node, (ast.With, ast.AsyncWith)):
            yield from ((item, around) for item in node.items)
            yield from self._block(node, node.body, around)
        elif isinstance(node, ast.Match):
            yield node.subject, around
            for number, case in enumerate(node.cases):
                guard = [case.guard] if case.guard is not None else []
                yield from ((part, around) for part in guard)
                yield from self._block(node, case.body, around, branch=number)
        elif isinstance(node, ast.BoolOp):
            yield node.values[0], around
            yield from self._block(node, node.values[1:], around)
        else:
            yield from ((part, around) for part in _plain_parts(node))

    def _block(
        self, node: ast.AST, body: list[ast.stmt] | list[ast.expr] | ast.expr, around: _Around,
        branch: int = -1, loop: LoopStatement | None = None, skip: int = 0,
    ) -> Iterator[tuple[ast.AST, _Around]]:  # fmt: skip
        """The statements of a new region; `skip` places are left free at its start."""
        parts = [body] if isinstance(body, ast.expr) else body
        region = Region(node, branch, loop, [FALL] * (len(parts) + skip))
        self._regions.setdefault(node, []).append(region)
        for index, part in enumerate(parts, start=skip):
            yield part, around.inside(region, index)

    def _new_scope(self, node: ast.AST, around: _Around) -> Iterator[tuple[ast.AST, _Around]]:
        """What a definition runs where it stands; a function's body waits until it is asked for."""
        outside: list[ast.AST] = [*getattr(node, "decorator_list", ()), *getattr(node, "bases", ())]
        outside += [word.value for word in getattr(node, "keywords", ())]
        if isinstance(node, (*_FUNCTIONS, ast.Lambda)):
            outside += node.args.defaults
            outside += [default for default in node.args.kw_defaults if default is not None]
        yield from ((part, around) for part in outside)
        if isinstance(node, _FUNCTIONS):
            self._waiting[node] = None
        elif isinstance(node, (ast.ClassDef, ast.Lambda)):
            yield from self._block(node, node.body, _Around(node, ()))

    def _loop(self, node: ast.AST, around: _Around) -> Iterator[tuple[ast.AST, _Around]]:
        assert isinstance(node, _LOOPS)
        kind = "while" if isinstance(node, ast.While) else "for"
        header = " ".join(self._lines[node.lineno - 1][node.col_offset :].split())
        loop = self._statement(node, kind, header.rstrip(": "))
        body = list(self._block(node, node.body, around, loop=loop, skip=1))
        inside = around.inside(self._regions[node][0], 0)
        if isinstance(node, ast.While):
            yield node.test, inside
        else:
            yield node.iter, around
            yield node.target, inside
        yield from body
        yield from self._block(node, node.orelse, around)

    def _comprehension(self, node: ast.AST, around: _Around) -> Iterator[tuple[ast.AST, _Around]]:
        """One loop, also where it goes over several things: its trips are its items."""
        assert isinstance(node, _COMPREHENSIONS)
        first, *others = node.generators
        text = f"for {ast.unparse(first.target)} in {ast.unparse(first.iter)}"
        loop = self._statement(node, "comprehension", " ".join(text.split()))
        if isinstance(node, ast.GeneratorExp):
            self.generators.add(node)
        region = Region(node, -1, loop, [FALL, FALL | CONTINUE, FALL])
        self._regions[node] = [region]
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

    def _try(self, node: ast.AST, around: _Around) -> Iterator[tuple[ast.AST, _Around]]:
        assert isinstance(node, (ast.Try, ast.TryStar))
        yield from self._block(node, node.body, around)
        for number, handler in enumerate(node.handlers):
            yield from self._block(node, handler.body, around, branch=number)
        yield from self._block(node, node.orelse, around)
        yield from self._block(node, node.finalbody, around)

    def _statement(self, node: ast.AST, kind: str, header: str) -> LoopStatement:
        line, column = getattr(node, "lineno"), getattr(node, "col_offset")
        end = getattr(node, "end_lineno", None) or line
        short = header if len(header) <= HEADER_LENGTH else header[: HEADER_LENGTH - 1] + "…"
        return LoopStatement(self._name, line, column, end, kind, short)


def _last(node: ast.stmt) -> int:
    return node.end_lineno or node.lineno


def _place(source: Source) -> Position:
    return source.line, source.column, source.end_line, source.end_column


def _position(node: ast.AST) -> Position | None:
    if not isinstance(node, (ast.stmt, ast.expr)):
        return None
    return node.lineno, node.col_offset, node.end_lineno, node.end_col_offset


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


_EVALUATED = (ast.expr, ast.stmt, ast.keyword, ast.withitem)


def _within(spot: Spot, kind: type[ast.AST]) -> Spot:
    """The spot in a comprehension's own frame: what is around it is another frame's."""
    for depth in reversed(spot.depths):
        region = spot.path[depth][0]
        if isinstance(region.owner, kind):
            depths = tuple(other - depth for other in spot.depths if other >= depth)
            return Spot(region.owner, spot.path[depth:], spot.order, depths)
    return spot


def _exits(node: ast.stmt, regions: list[Region]) -> int:
    """How control can leave a statement whose regions are known."""
    if isinstance(node, (ast.Return, ast.Raise)):
        return RETURN
    if isinstance(node, ast.Break):
        return BREAK
    if isinstance(node, ast.Continue):
        return CONTINUE
    ends = [region.to_the_end(0, FALL) for region in regions]
    if isinstance(node, _LOOPS):
        return _loop_exits(node, *ends)
    if isinstance(node, ast.If):
        return ends[0] | ends[1]
    if isinstance(node, (ast.With, ast.AsyncWith)):
        return ends[0]
    if isinstance(node, ast.Match):
        return sum({bit for end in ends for bit in _bits(end)} | {FALL})
    if isinstance(node, (ast.Try, ast.TryStar)):
        *tried, final = ends
        return sum({bit for end in tried for bit in _bits(end)}) if final & FALL else final
    return FALL


def _loop_exits(node: ast.stmt, body: int, otherwise: int) -> int:
    """A loop ends by itself (then its `else` runs) unless it goes on for ever, or by `break`."""
    test = getattr(node, "test", None)
    endless = isinstance(test, ast.Constant) and bool(test.value)
    by_itself = 0 if endless else otherwise
    return by_itself | (body & RETURN) | (FALL if body & BREAK else 0)


def _bits(modes: int) -> list[int]:
    return [bit for bit in (FALL, BREAK, CONTINUE, RETURN) if modes & bit]
