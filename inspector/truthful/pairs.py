"""The values of a run of a static graph, found for an op of a recording and a node."""

from __future__ import annotations

import ast
from collections import Counter
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from typing import Any

from inspector.overlay.indexing import VIEWS, arguments_of, split
from inspector.overlay.positions import plain
from inspector.records import IRNode, Op, Recording, StaticGraph
from inspector.static_run import StaticRun, StaticValue
from inspector.truthful.values import Match, ReadArray, compared

_CALLS = ("prim::CallMethod", "prim::CallFunction")
_BUILDERS = ("prim::ListConstruct", "prim::TupleConstruct")
_NEAR = 16
"""How many nodes before and behind the matched one can belong to the same op."""


@dataclass(frozen=True, slots=True)
class Number:
    """A number, switch or text that an op got, or that a node has.

    `position` is that of the argument, `item` that within a list or tuple there. `built_in` is
    false where the graph computed it.
    """

    value: bool | int | float | str
    position: int
    item: int | None = None
    built_in: bool = False
    name: str = ""


class Values:
    """What the nodes of a run made.

    `failure` and `notes` are those of the run. `taken` are the nodes that stand for an op.
    """

    def __init__(
        self, static: StaticGraph, run: StaticRun | None, taken: Iterable[int], read: ReadArray
    ) -> None:
        self._taken = frozenset(taken)
        self.static = static
        self._rows = {} if run is None else run.values
        self._read = read
        self._makers = {
            name: (node, place) for node in static.nodes for place, name in enumerate(node.outputs)
        }
        self._passed = _passed(static)
        self._unpacks = {n.inputs[0]: n.id for n in static.nodes if n.kind == "prim::ListUnpack"}
        self._inputs = {} if run is None else run.inputs
        self.failure = None if run is None else run.failure
        self.notes = () if run is None else run.notes

    def row(self, node: int, visit: int) -> tuple[StaticValue, ...] | None:
        """What a visit of a node made; None where that was not kept, or did not complete."""
        rows = self._rows.get(node, ())
        return rows[visit] if visit < len(rows) else None

    def maker(self, name: str) -> tuple[IRNode, int] | None:
        """The node that makes a value, calls looked through; None for inputs of blocks."""
        while name in self._passed:
            name = self._passed[name]
        return self._makers.get(name)

    def value(self, name: str, visit: int) -> StaticValue | None:
        """A value, as of the given visit of its maker, or of the last one."""
        made = self.maker(name)
        if made is None:
            while name in self._passed:
                name = self._passed[name]
            return self._inputs.get(name)
        rows = self._rows.get(made[0].id, ())
        return rows[min(visit, len(rows) - 1)][made[1]] if rows else None

    # -- an op's results --------------------------------------------------------------------

    def match(self, recording: Recording, op: Op, node: IRNode, visit: int) -> Match:
        """How the results of an op compare with what a visit of a node made."""
        row, results = self._results(node, visit), _returned(recording, op)
        if row is None or not results:
            return Match("unknown")
        if len(row) == len(results):
            found = self._worst(recording, results, row)
            if found.agreement != "differs":
                return found
        else:
            found = Match("unknown")
        return self._nearby(recording, op, node, visit) or (
            Match("unknown") if op.name == "setitem" else found
        )

    def _results(self, node: IRNode, visit: int) -> list[StaticValue] | None:
        row = self.row(node.id, visit)
        if row is None:
            return None
        unpack = self._unpacks.get(node.outputs[0]) if node.outputs else None
        if unpack is not None:
            row = self.row(unpack, visit)
        return [value for value in row or () if value.type == "Tensor"]

    def _worst(self, recording: Recording, results: Sequence[int], row: list[StaticValue]) -> Match:
        matches = [
            compared(value, recording.tensors[number], recording.values.get(number), self._read)
            for value, number in zip(row, results, strict=True)
        ]
        return max(matches, key=lambda match: match.rank)

    def _nearby(self, recording: Recording, op: Op, node: IRNode, visit: int) -> Match | None:
        """An agreement with other nodes at the place: an op can be several of them."""
        around = self.static.nodes[max(0, node.id - _NEAR) : node.id + _NEAR + 1]
        around = tuple(
            each
            for each in around
            if each.module_path == node.module_path and (each is node or each.id not in self._taken)
        )
        if op.name == "getitem" or plain(op.name) == plain(node.kind):
            same_place = _going_on(node, around)
        else:
            same_place = [each for each in around if _line(each) == _line(node)]
        rows = [value for other in same_place for value in self._results(other, visit) or ()]
        worst: Match | None = None
        for number in _returned(recording, op):
            info, array = recording.tensors[number], recording.values.get(number)
            each = [compared(value, info, array, self._read) for value in rows]
            best = min(each, key=lambda match: match.rank, default=Match("differs"))
            if best.agreement in ("differs", "unknown"):
                return None
            worst = best if worst is None or best.rank > worst.rank else worst
        return worst

    # -- an op's operands -------------------------------------------------------------------

    def numbers(self, node: IRNode, visit: int) -> list[Number]:
        """The numbers, switches and texts that a node gets, in order."""
        found: list[Number] = []
        if node.kind in VIEWS:
            made = self.maker(node.inputs[0])
            if made is not None and made[0].kind in VIEWS and _line(made[0]) == _line(node):
                found += self.numbers(made[0], visit)
        for position, name in enumerate(node.inputs):
            found += self._numbers(name, position, visit)
        return found

    def _numbers(self, name: str, position: int, visit: int) -> Iterator[Number]:
        made = self.maker(name)
        if made is not None and made[0].kind in _BUILDERS:
            for item, each in enumerate(made[0].inputs):
                for number in self._numbers(each, position, visit):
                    yield Number(number.value, position, item, number.built_in)
            return
        built_in = made is not None and made[0].kind in ("prim::Constant", "prim::GetAttr")
        value = made[0].attributes.get("value") if made is not None and built_in else None
        if value is None or str(value).startswith("Tensor("):  # a trace has numbers as tensors
            value = None
            known = self.value(name, visit)
            value = None if known is None else known.plain
            if known is not None and known.array is not None and known.array.size == 1:
                value = known.array.item() if known.shape == () else None
        if isinstance(value, list | tuple):
            for item, each in enumerate(value):
                yield Number(each, position, item, built_in)
        elif isinstance(value, bool | int | float | str):
            yield Number(value, position, None, built_in)

    def tensors(self, node: IRNode) -> list[str]:
        """The names of the tensors that a node gets, those in lists one by one."""
        found: list[str] = []
        for name in node.inputs:
            made = self.maker(name)
            if made is not None and made[0].kind in _BUILDERS:
                found += made[0].inputs
            else:
                value = self.value(name, 0)
                found += [name] if value is None or value.shape is not None else []
        return found


def op_numbers(op: Op) -> list[Number]:
    """The numbers, switches and texts among the arguments of an op, in order."""
    found: list[Number] = []
    for position, text in enumerate(arguments_of(op)):
        name, named, rest = text.partition("=")
        if named and name.isidentifier():
            text = rest
        else:
            name = ""
        parts = split(text[1:-1]) if text[:1] in ("(", "[") else None
        for item, part in enumerate([text] if parts is None else parts):
            for piece in part.split(":"):  # of a slice
                value = _literal(piece)
                if value is not None:
                    place = None if parts is None else item
                    found.append(Number(value, position, place, False, name))
    return found


def _literal(text: str) -> bool | int | float | str | None:
    try:
        value: Any = ast.literal_eval(text.strip())
    except (ValueError, TypeError, SyntaxError):
        return {"inf": float("inf"), "-inf": float("-inf")}.get(text)
    return value if isinstance(value, bool | int | float | str) else None


def different_number(dynamic: list[Number], static: list[Number]) -> tuple[Number, Number] | None:
    """The first number that only the op got, with that which the node has instead.

    A node has more of them than the op was called with: defaults. So each side must have
    something that the other has not.
    """
    theirs = Counter((type(n.value) is bool, n.value) for n in static)
    mine = Counter((type(n.value) is bool, n.value) for n in dynamic)
    only_dynamic = _surplus(dynamic, theirs)
    only_static = _surplus(static, mine)
    for number in only_dynamic:
        for other in only_static:
            if (type(number.value) is bool) == (type(other.value) is bool) and (
                isinstance(number.value, str) == isinstance(other.value, str)
            ):
                return number, other
    return None


def _surplus(numbers: list[Number], others: Counter[tuple[bool, Any]]) -> list[Number]:
    left = Counter(others)
    found = []
    for number in numbers:
        key = type(number.value) is bool, number.value
        if left[key] > 0:
            left[key] -= 1
        else:
            found.append(number)
    return found


def _going_on(node: IRNode, around: Sequence[IRNode]) -> list[IRNode]:
    """What goes on from a node within the same op: a view of the view, a mean of the loss."""
    lines, chain = _lines(node), {*node.outputs}
    found = [node]
    for other in around:
        follows = other.id > node.id and other.inputs and other.inputs[0] in chain
        if follows and not lines.isdisjoint(_lines(other)):
            chain.update(other.outputs)
            found.append(other)
    return found


def _returned(recording: Recording, op: Op) -> Sequence[int]:
    """The tensors that an op returned, without those that it only wrote into."""
    written = [n for n in op.outputs if recording.tensors[n].alias_of in op.overwrites]
    return [n for n in op.outputs if n not in written] or written


def _passed(static: StaticGraph) -> dict[str, str]:
    """Values within calls that are the arguments of the call."""
    passed: dict[str, str] = {}
    for node in static.nodes:
        if node.kind in _CALLS and node.blocks:
            inner = static.block_inputs.get((node.id, 0), ())
            given = node.inputs[len(node.inputs) - len(inner) :]
            passed.update(zip(inner, given, strict=False))
    return passed


def _line(node: IRNode) -> tuple[str, int] | None:
    return None if node.source is None else (node.source.file, node.source.line)


def _lines(node: IRNode) -> set[tuple[str, int]]:
    """The lines of all frames of a node."""
    frames = (frame.rsplit(":", 2) for frame in node.attributes.get("stack", ()))
    place = _line(node)
    return {(file, int(line)) for file, line, _ in frames} | ({place} if place else set())
