"""Differences that the operands of one op explain: what the graph has built in."""

from __future__ import annotations

from dataclasses import dataclass, replace

from inspector.records import Op, Recording, StaticGraph
from inspector.truthful import reasons
from inspector.truthful.decisions import Steering
from inspector.truthful.events import Event, parting_of, parting_with_values
from inspector.truthful.pairs import Number, Values, different_number, op_numbers
from inspector.truthful.values import compared, side_of_tensor, side_of_value
from inspector.verdicts import Parting, Side

_BUILT_IN = ("prim::Constant", "prim::GetAttr")


@dataclass(frozen=True, slots=True)
class Operands:
    """Compares what an op was called with and what its node has."""

    static: StaticGraph
    recording: Recording
    values: Values
    steering: Steering
    graph: str

    def mode(self, event: Event) -> Parting | None:
        """Where train or eval mode is built in and the run was in the other."""
        op, node = event.op, event.node
        place = None if node is None else reasons.mode_operand(node)
        if op is None or node is None or place is None or place >= len(node.inputs):
            return None
        made = self.values.value(node.inputs[place], event.visit)
        training = self._training(op)
        if made is None or training is None or made.plain == training:
            return None
        modes = {True: "training mode", False: "eval mode"}
        return parting_of(
            event,
            "mode",
            reasons.mode_reason(self.graph, op, training),
            op.source,
            Side(modes[training], training),
            Side(modes[not training], not training),
        )

    def _training(self, op: Op) -> bool | None:
        """Whether an op trained: as it was told, or as its module call was."""
        switches = [number for number in op_numbers(op) if type(number.value) is bool]
        named = [number for number in switches if number.name in ("training", "use_input_stats")]
        if named:
            return bool(named[0].value)
        if op.module_call is not None:
            return self.recording.module_calls[op.module_call].training
        return bool(switches[0].value) if switches else None

    def number(self, event: Event) -> Parting | None:
        """Where the op got another number than the node has."""
        assert event.op is not None
        assert event.node is not None
        found = self._numbers(event.op, self.values.numbers(event.node, event.visit))
        if found is None:
            return None
        dynamic, other = found
        text, line, decision = self._origin(event.op, dynamic)
        kind, reason = reasons.number_reason(self.graph, event.op, dynamic, other, text, line)
        had = Side(f"{text} = {dynamic.value}" if text else str(dynamic.value), dynamic.value)
        has = Side(str(other.value), other.value)
        return replace(
            parting_of(event, kind, reason, event.op.source, had, has), decision=decision
        )

    def _numbers(self, op: Op, static: list[Number]) -> tuple[Number, Number] | None:
        """The number that differs, and that of the node."""
        mine, there = op_numbers(op), self.steering.earlier_arguments(op)
        if there is None:
            # A node also has defaults: only what the user's line passes is compared with them.
            return different_number(mine, static) if op.source == op.call_site else None
        for number, before in zip(mine, op_numbers(replace(op, arguments=there)), strict=False):
            places = (number.position, number.item), (before.position, before.item)
            if places[0] == places[1] and number.value != before.value:
                known = [each for each in static if each.value == before.value and each.built_in]
                return (number, known[0]) if known else None
        return None

    def _origin(self, op: Op, number: Number) -> tuple[str, int | None, int | None]:
        """Where a number came from: the source text, the line of the read, the decision."""
        text = self.steering.code.argument(op, number.position, number.item)
        decision = None
        if type(number.value) is not bool:
            decision = self.steering.numeric(number.value, op.id)
        if decision is not None and decision.source is not None:
            text = self.steering.code.text(decision.source) or text
            return text, decision.source.line, decision.id
        lines = [
            warning.line
            for warning in self.static.warnings
            if warning.category == "TracerWarning"
            and "to a Python" in warning.message
            and op.source is not None
            and warning.file == op.source.file
            and warning.line is not None
            and warning.line <= op.source.line
        ]
        return text, max(lines, default=None), None

    def tensor(self, event: Event) -> Parting | None:
        """Where a tensor is built in that had other values in the run."""
        op, node = event.op, event.node
        assert op is not None
        assert node is not None
        if node.kind == "prim::Constant":
            built_in = reasons.tensor_reason(self.graph, op, "", state=False)
            return parting_with_values(event, self.recording, self.values, *built_in)
        names = self.values.tensors(node)
        if len(names) != len(op.inputs):
            return None
        for name, number in zip(names, op.inputs, strict=True):
            made, value = self.values.maker(name), self.values.value(name, event.visit)
            if made is None or value is None or made[0].kind not in _BUILT_IN:
                continue
            info = self.recording.tensors[number]
            match = compared(value, info, self.recording.values.get(number), lambda _: None)
            if match.agreement != "differs":
                continue
            text = info.variable or info.name or ""
            is_state = made[0].kind == "prim::GetAttr"
            why = reasons.tensor_reason(self.graph, op, text, is_state)
            return parting_of(event, *why, op.source, side_of_tensor(info), side_of_value(value))
        return None
