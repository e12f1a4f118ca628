"""Where a value of an IR graph was computed, looking through folded nodes, blocks and calls."""

from __future__ import annotations

from collections.abc import Callable, Iterable

from inspector.records import IRNode, StaticGraph
from inspector.views.irshape import CALLS, GROW


class ValueFlow:
    """Where a value was computed, looking through folded nodes, blocks and calls."""

    def __init__(self, static: StaticGraph, stands_for: Callable[[IRNode], str | None]) -> None:
        self._static = static
        self._stands_for = stands_for
        self._known: dict[str, tuple[str, ...]] = {}
        self._origins: dict[str, list[str]] = {}
        self._makers: dict[str, str] = {}
        for value in static.inputs:
            self._makers[value.name] = f"value:{value.name}"
        for node in static.nodes:
            self._register(node)

    def _register(self, node: IRNode) -> None:
        """Note for each output either its node or the values it is made of."""
        drawn = self._stands_for(node)
        for position, output in enumerate(node.outputs):
            if isinstance(drawn, str):
                self._makers[output] = drawn
            else:
                self._origins[output] = list(self._parts(node, position))
        if node.kind in GROW:
            # The list that is written to is made of what was put into it, too.
            self._origins.setdefault(node.inputs[0], []).extend(node.inputs[1:])
        self._link_block_inputs(node)

    def _parts(self, node: IRNode, position: int) -> Iterable[str]:
        outputs = self._static.block_outputs
        if node.kind == "prim::Loop":
            yield node.inputs[2 + position]  # what it is after no trip at all
            yield outputs[node.id, 0][1 + position]
        elif node.blocks:
            for index in range(node.blocks):
                values = outputs.get((node.id, index), ())
                if position < len(values):
                    yield values[position]
        else:
            yield from node.inputs

    def _link_block_inputs(self, node: IRNode) -> None:
        inner = self._static.block_inputs.get((node.id, 0), ())
        if node.kind == "prim::Loop":
            # The counter comes first; carried values are the initial ones or the last trip's.
            carried = self._static.block_outputs[node.id, 0][1:]
            for value, start, again in zip(inner[1:], node.inputs[2:], carried, strict=True):
                self._origins[value] = [start, again]
        elif node.kind in CALLS and inner:
            given = node.inputs[len(node.inputs) - len(inner) :]
            for value, outer in zip(inner, given, strict=True):
                self._origins[value] = [outer]

    def sources(self, value: str) -> tuple[str, ...]:
        """Ids of the drawn nodes that compute `value`, each once."""
        known = self._known.get(value)
        if known is None:
            found: dict[str, None] = {}
            seen = {value}
            todo = [value]
            while todo:
                current = todo.pop()
                maker = self._makers.get(current)
                if maker is not None:
                    found[maker] = None
                    continue
                for origin in reversed(self._origins.get(current, [])):
                    if origin not in seen:
                        seen.add(origin)
                        todo.append(origin)
            known = self._known[value] = tuple(found)
        return known
