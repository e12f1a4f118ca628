"""Replays a scripted graph with the recording as its oracle.

The walk goes through the nodes as TorchScript would. What a node computes with numbers, lists
and shapes is computed here (`values.py`); what it computes with tensors is taken from the ops
of the recording: their order, their shapes, and the Python values that were read from them.
So a condition is usually known. Where it is not, the next op in line tells which block ran,
unless it could as well belong to a later visit; then lines may tell; else it stays unknown,
and the node is `lost`: its inside is counted later from what ops and lines say in sum.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from inspector.overlay.guide import Guide
from inspector.overlay.lines import Lines
from inspector.overlay.positions import Slot
from inspector.overlay.stream import OpStream, Tally
from inspector.overlay.structure import Emitters, Structure
from inspector.overlay.values import (
    LIST_WRITES,
    UNKNOWN,
    ListValue,
    ModuleValue,
    TensorValue,
    change_list,
    evaluate,
    is_tensor,
    of_type,
    read_attribute,
    recorded,
)
from inspector.records import IRNode, Op, Recording


@dataclass(slots=True)
class Run:
    """One run of the scripted code: its ops with the slots they belong to, in order.

    `inputs` are the values known of the graph's inputs, `training` the mode of each module
    that was called. `only` is true when this run is all that ran of the code: the counts of
    lines are its own then. `guide`, where there is one, knows the branches and trips.
    """

    ops: Sequence[tuple[Op, Slot]]
    inputs: Mapping[str, Any]
    training: Mapping[str, bool]
    only: bool
    guide: Guide | None = None


class _Stopped(Exception):
    """The recorded run ended here, with an exception."""


class Replay:
    """One walk through the graph. `tally` is added to."""

    def __init__(
        self, structure: Structure, recording: Recording, run: Run, lines: Lines, tally: Tally
    ) -> None:
        self._structure = structure
        self._run = run
        self._lines = lines
        self._tally = tally
        self._tensors = recording.tensors
        self._failure = recording.failure
        self._read = {item.op: item.value for item in recording.decisions}
        self._values: dict[str, Any] = dict(run.inputs)
        self._attributes: dict[tuple[str, str], Any] = {}
        self._stream = OpStream(run.ops, structure, tally)
        self._emitters = Emitters(structure, self._stream.slots)
        self._visit: dict[str, Callable[[IRNode], None]] = {
            "prim::If": self._if,
            "prim::Loop": self._loop,
            "prim::CallMethod": self._call,
            "prim::CallFunction": self._call,
            "prim::GetAttr": self._get_attribute,
            "prim::SetAttr": self._set_attribute,
            "prim::ListConstruct": self._list,
            "prim::TupleConstruct": self._tuple,
            "prim::TupleUnpack": self._unpack,
            "prim::ListUnpack": self._unpack,
        }

    def walk(self) -> None:
        """Replay the whole graph once."""
        static = self._structure.static
        inputs = static.block_inputs.get((None, 0), ())
        if len(inputs) > len(static.inputs):
            self._values[inputs[0]] = ModuleValue("")
        try:
            self._block(None, 0)
        except _Stopped:
            return

    # -- nodes ------------------------------------------------------------------------------

    def _block(self, owner: int | None, index: int) -> None:
        nodes = self._structure.nodes
        executions, visit = self._tally.executions, self._visit
        for number in self._structure.children.get((owner, index), ()):
            node = nodes[number]
            executions[number] += 1
            visit.get(node.kind, self._plain)(node)

    def _plain(self, node: IRNode) -> None:
        op = self._stream.match(node.id)
        if node.kind == "prim::Constant":
            result = read_attribute(node.attributes.get("value"))
            self._set(node, [result if result is not None else of_type(node.types[0])])
        elif op is not None:
            self._set_from(node, op)
            if self._failure is not None and self._failure.op == op.id:
                raise _Stopped
        elif self._ended(node):
            raise _Stopped
        elif change_list(node.kind, self._operands(node)):
            self._set(node, self._operands(node)[:1])
        elif len(node.outputs) == 1:
            result = evaluate(node.kind, self._operands(node))
            self._set(node, [of_type(node.types[0]) if result is UNKNOWN else result])
        else:
            self._set(node, [])

    def _ended(self, node: IRNode) -> bool:
        """Whether the run broke off here: the node raises, or is an op and no op is left."""
        if self._failure is None:
            return False
        if node.kind == "prim::RaiseException":
            return True
        if self._stream.upcoming() is not None or not self._emitters.emits(node.id):
            return False
        self._tally.executions[node.id] -= 1  # the run did not get here
        return True

    def _call(self, node: IRNode) -> None:
        op = self._stream.match(node.id)
        failed = op is not None and self._failure is not None and self._failure.op == op.id
        if op is None and self._ended(node):
            raise _Stopped
        if node.blocks:
            static = self._structure.static
            names = static.block_inputs[node.id, 0]
            given = node.inputs[len(node.inputs) - len(names) :]
            for name, value in zip(names, given, strict=True):
                self._values[name] = self._values.get(value, UNKNOWN)
            self._block(node.id, 0)
            self._set(node, [self._value(name) for name in static.block_outputs[node.id, 0]])
        else:
            self._set(node, [])
        if op is not None:
            self._set_from(node, op)
        if failed:
            raise _Stopped

    def _get_attribute(self, node: IRNode) -> None:
        if "module" in node.attributes:
            self._set(node, [ModuleValue(node.attributes["module"])])
            return
        owner, name = self._value(node.inputs[0]), node.attributes["name"]
        path = owner.path if isinstance(owner, ModuleValue) else None
        if path is not None and (path, name) in self._attributes:
            result = self._attributes[path, name]
        elif name == "training" and path is not None and path in self._run.training:
            result = self._run.training[path]
        elif "value" in node.attributes:
            result = read_attribute(node.attributes["value"])
        else:
            result = of_type(node.types[0])
        self._set(node, [result])

    def _set_attribute(self, node: IRNode) -> None:
        owner = self._value(node.inputs[0])
        if isinstance(owner, ModuleValue):
            key = (owner.path, node.attributes["name"])
            self._attributes[key] = self._value(node.inputs[1])

    def _list(self, node: IRNode) -> None:
        self._set(node, [ListValue(self._operands(node))])

    def _tuple(self, node: IRNode) -> None:
        self._set(node, [tuple(self._operands(node))])

    def _unpack(self, node: IRNode) -> None:
        packed = self._value(node.inputs[0])
        items = packed.items if isinstance(packed, ListValue) else packed
        self._set(node, items if isinstance(items, list | tuple) else [])

    # -- control flow -----------------------------------------------------------------------

    def _if(self, node: IRNode) -> None:
        chosen = self._branch(node)
        if chosen is None:
            self._lose(node)
            return
        self._tally.taken.setdefault(node.id, []).append(chosen)
        self._block(node.id, chosen)
        outputs = self._structure.static.block_outputs[node.id, chosen]
        self._set(node, [self._value(name) for name in outputs])

    def _branch(self, node: IRNode) -> int | None:
        known = self._run.guide.block(node.id) if self._run.guide else None
        if known is not None:
            return known
        condition = self._value(node.inputs[0])
        if isinstance(condition, bool | int | float):
            return 0 if condition else 1
        if self._failure is None:
            for index in (0, 1):
                if self._structure.is_raise(node.id, index):
                    return 1 - index
        spans = [self._structure.block_span(node.id, index) for index in (0, 1)]
        slot = self._stream.upcoming()
        if slot is not None:
            inside = [self._structure.has(slot, span) for span in spans]
            if any(inside):
                if all(inside) or self._emitters.mistakable(node.id, slot):
                    return None
                return inside.index(True)
        silent = [not self._emitters.certain_block(node.id, index) for index in (0, 1)]
        if silent[0] != silent[1]:
            return silent.index(True)
        return self._branch_by_lines(node)

    def _branch_by_lines(self, node: IRNode) -> int | None:
        absent = [self._lines.never_ran(node.id, index) for index in (0, 1)]
        if absent[0] == absent[1]:
            return None
        return absent.index(False)

    def _loop(self, node: IRNode) -> None:
        static = self._structure.static
        most = self._value(node.inputs[0])
        condition = self._value(node.inputs[1])
        carried = [self._value(name) for name in node.inputs[2:]]
        names = static.block_inputs[node.id, 0]
        counted = self._trips_by_lines(node)
        known = self._run.guide.trips(node.id) if self._run.guide else None
        trip = 0
        while True:
            if known is not None:
                goes_on: bool | None = trip < known
            else:
                goes_on = self._goes_on(node, most, condition, trip, counted)
            if goes_on is None:
                self._lose(node)
                return
            if not goes_on:
                break
            self._values.update(zip(names, [trip, *carried], strict=True))
            self._block(node.id, 0)
            condition, *carried = map(self._value, static.block_outputs[node.id, 0])
            trip += 1
        self._tally.trips.setdefault(node.id, []).append(trip)
        self._set(node, carried)

    def _goes_on(
        self, node: IRNode, most: Any, condition: Any, trip: int, counted: int | None
    ) -> bool | None:
        if condition is not UNKNOWN and not condition:
            return False
        if isinstance(most, int) and trip >= most:
            return False
        if condition is not UNKNOWN and most is not UNKNOWN:
            return True
        if counted is not None:
            return trip < counted
        if not self._emitters.certain_block(node.id, 0):
            return None
        slot = self._stream.upcoming()
        if slot is None or not self._structure.has(slot, self._structure.block_span(node.id, 0)):
            return False
        return None if self._emitters.mistakable(node.id, slot) else True

    def _trips_by_lines(self, node: IRNode) -> int | None:
        """The trips of a loop that is reached once only, where lines were counted."""
        if not self._run.only or self._structure.loops_around(node.id):
            return None
        return self._lines.count(node.id, 0)

    def _lose(self, node: IRNode) -> None:
        """Give up on what happens inside a node; go on after it with nothing known of it."""
        self._tally.lost.add(node.id)
        for number in self._structure.span(node.id):
            inner = self._structure.nodes[number]
            if inner.kind in LIST_WRITES:
                changed = self._value(inner.inputs[0])
                if isinstance(changed, ListValue):
                    changed.items = None
            elif inner.kind == "prim::SetAttr":
                self._forget_attribute(inner)
        self._set(node, [])
        self._stream.drain(self._structure.span(node.id))

    def _forget_attribute(self, node: IRNode) -> None:
        for path in {inner.module_path for inner in self._structure.nodes}:
            self._attributes[path, node.attributes["name"]] = UNKNOWN

    # -- values -----------------------------------------------------------------------------

    def _value(self, name: str) -> Any:
        return self._values.get(name, UNKNOWN)

    def _operands(self, node: IRNode) -> list[Any]:
        return [self._values.get(name, UNKNOWN) for name in node.inputs]

    def _set(self, node: IRNode, results: Sequence[Any]) -> None:
        """Set the outputs; those without a result are known by their type alone."""
        if len(results) != len(node.outputs):
            results = [of_type(type_) for type_ in node.types]
        for name, type_, result in zip(node.outputs, node.types, results, strict=True):
            self._values[name] = of_type(type_) if result is UNKNOWN else result

    def _set_from(self, node: IRNode, op: Op) -> None:
        """Set the outputs of a node from the op that it was: shapes, or the value read."""
        if op.id in self._read and len(node.outputs) == 1:
            self._values[node.outputs[0]] = _typed(self._read[op.id], node.types[0])
            return
        made = [recorded(self._tensors.get(number)) for number in op.outputs]
        tensors = [
            name for name, type_ in zip(node.outputs, node.types, strict=True) if is_tensor(type_)
        ]
        if len(tensors) != len(node.outputs):
            self._set(node, [])
        if len(made) == len(tensors):
            self._values.update(zip(tensors, made, strict=True))
        else:
            self._values.update((name, TensorValue()) for name in tensors)


def _typed(value: bool | int | float | str, type_: str) -> Any:
    """A value read in Python, as the node's type has it."""
    if isinstance(value, str) or type_ not in ("bool", "int", "float", "Scalar"):
        return of_type(type_)
    return bool(value) if type_ == "bool" else value
