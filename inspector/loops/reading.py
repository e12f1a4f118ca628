"""Parsed texts: the spot of each position, found by walking a file's tree once.

The walk keeps a list of what is left to do, so that an expression of 10,000 terms or a chain of
1,000 `elif` needs no recursion.
"""

from __future__ import annotations

import ast
from collections.abc import Mapping
from dataclasses import replace

from inspector.loops.exits import exits
from inspector.loops.syntax import Spot
from inspector.loops.walking import Around, Parts
from inspector.parsing import parse
from inspector.records import Source

_ORDERS = 4  # numbers from one node to the next: what lies between has room

_OWN_FRAME = {
    "<listcomp>": ast.ListComp,
    "<setcomp>": ast.SetComp,
    "<dictcomp>": ast.DictComp,
    "<genexpr>": ast.GeneratorExp,
}
"""The names of comprehensions that run in a frame of their own (all up to Python 3.11)."""

_TESTING = (ast.If, ast.While, ast.IfExp, ast.BoolOp, ast.Assert)
_Testing = ast.If | ast.While | ast.IfExp | ast.BoolOp | ast.Assert
_COMPUTING = (ast.Call, ast.Compare, ast.BinOp, ast.Subscript)

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
            tree = None if text is None else parse(text)
            try:
                # A text that Python cannot read has no loops.
                self._files[name] = None if tree is None else _File(name, str(text), tree)
            except RecursionError:
                self._files[name] = None
        return self._files[name]


_Task = tuple[str, ast.AST, Around]


class _File:
    """One parsed text."""

    def __init__(self, name: str, text: str, tree: ast.Module) -> None:
        self._parts = Parts(name, text)
        self.generators = self._parts.generators
        self._order = 0
        self._spots: dict[Position, Spot] = {}
        self._items: dict[Position, tuple[Spot, bool]] = {}
        self._statements: list[tuple[int, int, Spot]] = []
        self._by_line: dict[int, Spot | None] = {}
        self._opened: set[int] = set()
        body = self._parts.block(tree, tree.body, Around(tree, ()))
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
        while around := [
            node for node in self._parts.waiting if node.lineno <= line <= _last(node)
        ]:
            for node in around:
                del self._parts.waiting[node]
                body = self._parts.block(node, node.body, Around(node, ()))
                self._walk([("enter", *part) for part in body])

    def _walk(self, todo: list[_Task]) -> None:
        todo.reverse()
        while todo:
            event, node, around = todo.pop()
            if event == "leave":
                self._leave(node, around)
                continue
            if isinstance(node, ast.stmt):
                spot = around.spot(self._order + 1)
                self._statements.append((node.lineno, _last(node), spot))
            elif isinstance(node, (ast.Yield, ast.YieldFrom)):
                self.generators.add(around.scope)
            todo.append(("leave", node, around))
            todo.extend(("enter", *part) for part in reversed(list(self._parts.of(node, around))))

    def _leave(self, node: ast.AST, around: Around) -> None:
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
            region.leaves[index] = exits(node, self._parts.regions.get(node, []))

    def _place_test(self, node: _Testing, around: Around) -> None:
        """What is tested is tested right after it was computed, not at the end of the `if`."""
        test = node.values[0] if isinstance(node, ast.BoolOp) else node.test
        place, whole = _position(test), _position(node)
        assert place is not None
        assert whole is not None
        inside = around
        if isinstance(node, ast.While):
            inside = around.inside(self._parts.regions[node][0], 0)
        spot = inside.spot(self._spots[place].order + 1)
        spot.is_test = any(isinstance(part, _COMPUTING) for part in ast.walk(test))
        self._spots[whole] = spot

    def _place_items(self, node: ast.For | ast.AsyncFor, around: Around) -> None:
        """A `for` asks for an iterator once, and for an item on each trip.

        Python 3.11 places both at the whole statement, later versions at what it goes over.
        """
        whole, over = _position(node), _position(node.iter)
        assert whole is not None
        assert over is not None
        order = self._spots[over].order
        self._spots[whole] = around.spot(order + 1)
        item = around.inside(self._parts.regions[node][0], 0).spot(order + 2)
        self._items[whole] = item, True
        self._items[over] = item, False

    def _again(self, node: ast.AST) -> None:
        """A position that is used again now, at the end of its statement."""
        spot = self._spots.get(_position(node) or (0, 0, 0, 0))
        if spot is not None:
            spot.late = replace(spot, order=self._order + 1, late=None)


def _last(node: ast.stmt) -> int:
    return node.end_lineno or node.lineno


def _place(source: Source) -> Position:
    return source.line, source.column, source.end_line, source.end_column


def _position(node: ast.AST) -> Position | None:
    if not isinstance(node, (ast.stmt, ast.expr)):
        return None
    return node.lineno, node.col_offset, node.end_lineno, node.end_col_offset


def _within(spot: Spot, kind: type[ast.AST]) -> Spot:
    """The spot in a comprehension's own frame: what is around it is another frame's."""
    for depth in reversed(spot.depths):
        region = spot.path[depth][0]
        if isinstance(region.owner, kind):
            depths = tuple(other - depth for other in spot.depths if other >= depth)
            return Spot(region.owner, spot.path[depth:], spot.order, depths)
    return spot
