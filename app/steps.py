"""An interpretation as a walk: where a step stands, what goes into it and what comes out.

    Steps
    ├── shown      the steps to stop at, with or without constants and attribute reads
    ├── inputs     Named values, as they were made last before the step
    ├── outputs    Named values that the step makes
    ├── path       Place: the calls, branches and trips around it
    └── listing    Line: the whole graph as text, nested, with the counts of this run

Pure: from a graph and its run to plain values; no page here.
"""

from __future__ import annotations

import re
from bisect import bisect_left, bisect_right
from collections.abc import Iterator
from dataclasses import dataclass

from inspector.records import IRNode, Source, StaticGraph
from inspector.static_run import StaticRun, StaticValue
from inspector.views.irshape import CALLS

QUIET = frozenset(("prim::Constant", "prim::GetAttr"))
"""Kinds that a walk passes over unless asked to stop at them: they always give the same."""

_COMMENT = re.compile(r"(, scope: \S+)?(\s+# \S+:\d+:\d+)?$")
_LAYOUT = re.compile(r", (strides=\[[^\]]*\]|requires_grad=\d|device=[\w:]+)")
_NAMESPACE = re.compile(r"\b__torch__(\.\w+)*\.(\w+)")


@dataclass(frozen=True)
class Named:
    """A value under its name in the graph; `value` is None where it is not known."""

    name: str
    value: StaticValue | None


@dataclass(frozen=True)
class Place:
    """One thing around a step: a call, a branch or a loop's trip.

    `kind` is "call", "then", "else" or "trip"; a trip is the `number`th of `of`, from 1.
    """

    kind: str
    title: str
    line: int | None
    number: int = 0
    of: int | None = None


@dataclass(frozen=True)
class Line:
    """One line of the listing; `node` is None for the head of a block."""

    text: str
    depth: int
    node: int | None
    count: int


class Steps:
    """The steps of one run of one graph; steps count from 0."""

    def __init__(self, static: StaticGraph, run: StaticRun) -> None:
        self.static = static
        self.run = run
        self._at: dict[int, list[int]] = {}
        for number, step in enumerate(run.steps):
            self._at.setdefault(step.node, []).append(number)
        self._maker = {
            name: (node.id, place)
            for node in static.nodes
            for place, name in enumerate(node.outputs)
        }
        self._block = {
            name: (block, place)
            for block, names in static.block_inputs.items()
            for place, name in enumerate(names)
        }
        self.all = tuple(range(len(run.steps)))
        loud = [n for n in self.all if static.nodes[run.steps[n].node].kind not in QUIET]
        self._loud = tuple(loud) or self.all
        self.listing = tuple(self._lines())

    def shown(self, *, everything: bool) -> tuple[int, ...]:
        """The steps to stop at."""
        return self.all if everything else self._loud

    def node(self, step: int) -> IRNode:
        """The node that a step executes."""
        return self.static.nodes[self.run.steps[step].node]

    def visit(self, step: int) -> int:
        """How often the node had been executed before, from 0."""
        return bisect_left(self._at[self.run.steps[step].node], step)

    def outputs(self, step: int) -> list[Named]:
        """What the step makes. A branch or call makes it after what runs inside."""
        node = self.node(step)
        rows = self.run.values.get(node.id, ())
        visit = self.visit(step)
        made = rows[visit] if visit < len(rows) else (None,) * len(node.outputs)
        return [Named(name, value) for name, value in zip(node.outputs, made, strict=True)]

    def inputs(self, step: int) -> list[Named]:
        """What goes into the step, each value as it was when it was made."""
        names = dict.fromkeys(self.node(step).inputs)
        return [Named(name, self._value(name, step)) for name in names]

    def place_of(self, step: int) -> Source | None:
        """The line of the user's code that the step belongs to: its own, or that of its call."""
        node: IRNode | None = self.node(step)
        while node is not None:
            if node.source is not None and node.source.file in self.static.sources:
                return node.source
            node = self._owner(node)
        return None

    def is_users(self, step: int) -> bool:
        """Whether the step's own node stands on a line of the user's code."""
        source = self.node(step).source
        return source is not None and source.file in self.static.sources

    def path(self, step: int) -> list[Place]:
        """The calls, branches and trips around a step, outermost first."""
        trips = list(self.run.steps[step].trips)
        found: list[Place] = []
        node = self.node(step)
        while node.parent is not None:
            owner, block = self.static.nodes[node.parent[0]], node.parent[1]
            line = None if owner.source is None else owner.source.line
            if owner.kind == "prim::If":
                found.append(Place("else" if block else "then", "if", line))
            elif owner.kind == "prim::Loop":
                number = trips.pop() + 1
                found.append(Place("trip", "loop", line, number, self._trips_of(owner, step)))
            else:
                found.append(Place("call", self._callee(owner), line))
            node = owner
        return found[::-1]

    def taken(self, step: int) -> int | None:
        """The block that this visit of a `prim::If` takes."""
        return _item(self.run.taken.get(self.node(step).id, ()), self.visit(step))

    def trips(self, step: int) -> int | None:
        """The trips of this visit of a `prim::Loop`."""
        return _item(self.run.trips.get(self.node(step).id, ()), self.visit(step))

    def next_of_kind(self, step: int, kind: str, *, around: bool = True) -> int | None:
        """The next step that executes such a node; `around`: after the last comes the first."""
        found = [n for n in self.all if self.node(n).kind == kind]
        first = found[0] if found and around else None
        return next((n for n in found if n > step), first)

    def next_trip(self, step: int) -> int | None:
        """The first step of the next trip of any loop."""
        steps = self.run.steps
        for number in range(step + 1, len(steps)):
            now, before = steps[number].trips, steps[number - 1].trips
            if now and now != before and len(now) >= len(before):
                return number
        return None

    def next_visit(self, step: int, node: int) -> int | None:
        """The next execution of a node, or its first one where there is none after the step."""
        visits = self._at.get(node, [])
        if not visits:
            return None
        return visits[bisect_right(visits, step) % len(visits)]

    def kinds(self) -> dict[str, int]:
        """How often each kind of node was executed, the most frequent first."""
        counts: dict[str, int] = {}
        for node, visits in self._at.items():
            kind = self.static.nodes[node].kind
            counts[kind] = counts.get(kind, 0) + len(visits)
        return dict(sorted(counts.items(), key=lambda item: (-item[1], item[0])))

    def _value(self, name: str, step: int) -> StaticValue | None:
        """The last value made under a name before a step."""
        seen: set[tuple[str, int]] = set()
        while (name, step) not in seen:
            seen.add((name, step))
            if name in self._maker:
                node, place = self._maker[name]
                visit = bisect_left(self._at.get(node, []), step) - 1
                rows = self.run.values.get(node, ())
                return rows[visit][place] if 0 <= visit < len(rows) else None
            if name not in self._block:
                return self.run.inputs.get(name)
            (owner, block), place = self._block[name]
            if owner is None:
                return self.run.inputs.get(name)
            outer = self._into_block(owner, block, place, step)
            if isinstance(outer, StaticValue):
                return outer
            if outer is None:
                return None
            name, step = outer
        return None

    def _into_block(
        self, owner: int, block: int, place: int, step: int
    ) -> StaticValue | tuple[str, int] | None:
        """Where a block's input comes from: a value, or a name as of a step."""
        node = self.static.nodes[owner]
        begun = self._at.get(owner, [])
        entered = bisect_left(begun, step) - 1
        if entered < 0:
            return None
        if node.kind != "prim::Loop":
            # A call of a function has the function itself before the arguments.
            extra = max(0, len(node.inputs) - len(self.static.block_inputs[(owner, block)]))
            given = node.inputs[extra:]
            return (given[place], begun[entered]) if place < len(given) else None
        return self._carried(node, place, begun[entered], step)

    def _carried(
        self, loop: IRNode, place: int, begun: int, step: int
    ) -> StaticValue | tuple[str, int]:
        """Where an input of a loop's body comes from: the counter, or what is carried."""
        trip = self.run.steps[step].trips[len(self.run.steps[begun].trips)]
        outputs = self.static.block_outputs[(loop.id, 0)]
        while place and trip:
            handed_on = outputs[place]
            block, again = self._block.get(handed_on, (None, 0))
            if block != (loop.id, 0):
                # What a trip hands on was made before the first step of the trip after it.
                return handed_on, self._start_of_trip(begun, trip, step)
            place, trip = again, trip - 1
        if place == 0:
            return StaticValue(type="int", text=str(trip), plain=trip)
        return loop.inputs[place + 1], begun

    def _start_of_trip(self, begun: int, trip: int, step: int) -> int:
        depth = len(self.run.steps[begun].trips)
        low, high = begun + 1, step
        while low < high:
            middle = (low + high) // 2
            if self.run.steps[middle].trips[depth] >= trip:
                high = middle
            else:
                low = middle + 1
        return low

    def _owner(self, node: IRNode) -> IRNode | None:
        return None if node.parent is None else self.static.nodes[node.parent[0]]

    def _trips_of(self, loop: IRNode, step: int) -> int | None:
        visit = bisect_left(self._at.get(loop.id, []), step) - 1
        return _item(self.run.trips.get(loop.id, ()), visit)

    def _callee(self, call: IRNode) -> str:
        own = str(call.attributes.get("function") or "").rpartition(".")[2]
        inside = self.static.nodes[call.id + 1 : call.id + 2] if call.blocks else ()
        path = next((n.module_path for n in inside if n.module_path != call.module_path), "")
        return own or path or str(call.attributes.get("name") or call.kind)

    # -- the listing -----------------------------------------------------------------------

    def _lines(self) -> Iterator[Line]:
        children: dict[tuple[int | None, int], list[IRNode]] = {}
        for node in self.static.nodes:
            children.setdefault(node.parent or (None, 0), []).append(node)
        # Depth first by hand: a graph may be nested deeper than Python's stack.
        waiting: list[tuple[IRNode | Line, int]] = [
            (node, 0) for node in reversed(children.get((None, 0), []))
        ]
        while waiting:
            item, depth = waiting.pop()
            if isinstance(item, Line):
                yield item
                continue
            count = self.run.executions.get(item.id, 0)
            yield Line(line_of(item), depth, item.id, count)
            for block in reversed(range(item.blocks)):
                inside = children.get((item.id, block), [])
                waiting += [(child, depth + 2) for child in reversed(inside)]
                waiting.append((self._head(item, block, depth + 1), depth + 1))

    def _head(self, node: IRNode, block: int, depth: int) -> Line:
        taken = self.run.taken.get(node.id, ())
        if node.kind == "prim::If":
            return Line("else:" if block else "then:", depth, None, taken.count(block))
        if node.kind == "prim::Loop":
            return Line("body:", depth, None, sum(self.run.trips.get(node.id, ())))
        title = self._callee(node) if node.kind in CALLS else f"block {block}"
        return Line(f"{title}:", depth, None, self.run.executions.get(node.id, 0))


def line_of(node: IRNode) -> str:
    """A node's line of IR, without its place, namespaces and what a trace knows of layouts."""
    return _NAMESPACE.sub(r"\2", _LAYOUT.sub("", _COMMENT.sub("", node.text)))


def _item(row: tuple[int, ...], place: int) -> int | None:
    return row[place] if 0 <= place < len(row) else None
