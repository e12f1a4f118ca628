"""How often the lines of a block ran, where a recording counted lines."""

from __future__ import annotations

import ast

from inspector.overlay.structure import Structure, copies
from inspector.parsing import parse
from inspector.records import IRNode, Recording

_CONTROL = (ast.If, ast.For, ast.While)
_REPEATING = (ast.For, ast.While, ast.ListComp, ast.SetComp, ast.DictComp, ast.GeneratorExp)


class Lines:
    """The executed lines of one recording, seen from the blocks of a static graph."""

    def __init__(self, structure: Structure, recording: Recording) -> None:
        self._structure = structure
        self._counts = recording.lines
        self._copies = copies(structure.nodes)
        self._statements: dict[str, dict[tuple[int, int], ast.stmt]] = {
            file: _statements(text)
            for file, text in structure.static.sources.items()
            if file in recording.lines
        }

    def never_ran(self, node: int, index: int) -> bool:
        """Whether a line that the block cannot do without did not run at all."""
        owner = self._structure.nodes[node]
        if owner.source is None or owner.source.file not in self._statements:
            return False
        counts = self._counts[owner.source.file]
        first = self._first(owner, index)
        if first is not None and counts.get(first.lineno, 0) == 0:
            return True
        for child in self._structure.children.get((node, index), []):
            place = self._structure.nodes[child]
            if place.source is None or place.source.file != owner.source.file:
                continue
            # Constants of a block may carry the position of the whole statement.
            if place.kind != "prim::Constant" and counts.get(place.source.line, 0) == 0:
                return True
        return False

    def count(self, node: int, index: int) -> int | None:
        """How often the block ran in the whole recording; None where lines cannot tell.

        They tell when the block's first statement is a simple one on a line of its own, and
        no other node of the graph stands for the same code.
        """
        owner = self._structure.nodes[node]
        source = owner.source
        if source is None or source.file not in self._statements:
            return None
        if self._copies[owner.kind, source.file, source.line, source.column] != 1:
            return None
        first = self._first(owner, index)
        if first is None or not _counts_once(first) or first.lineno == source.line:
            return None
        return self._counts[source.file].get(first.lineno, 0)

    def _first(self, owner: IRNode, index: int) -> ast.stmt | None:
        """The first statement of the Python block that an IR block was made from."""
        assert owner.source is not None  # both callers saw to it
        table = self._statements[owner.source.file]
        statement = table.get((owner.source.line, owner.source.column))
        if isinstance(statement, ast.If) and owner.kind == "prim::If":
            body = statement.orelse if index else statement.body
            return body[0] if body else None
        if isinstance(statement, ast.For | ast.While) and owner.kind == "prim::Loop":
            return statement.body[0]
        return None


def _statements(text: str) -> dict[tuple[int, int], ast.stmt]:
    tree = parse(text)
    if tree is None:
        return {}
    return {
        (node.lineno, node.col_offset): node
        for node in ast.walk(tree)
        if isinstance(node, _CONTROL)
    }


def _counts_once(statement: ast.stmt) -> bool:
    """Whether one execution is one line event: Python reports a line again on coming back."""
    if statement.lineno != statement.end_lineno or isinstance(statement, _CONTROL):
        return False
    return not any(isinstance(part, _REPEATING) for part in ast.walk(statement))
