"""What the card of a selected item says: records as short labelled texts.

A card is JSON-like: title, kind, subtitle, rows of (label, text), tensors with statistics, a
source line and a note. All texts are plain; the page sets them as text, never as markup.
"""

from __future__ import annotations

import os
from collections.abc import Iterable

from inspector.language import sentence
from inspector.records import (
    Decision,
    GradNode,
    IRNode,
    ModuleCall,
    Op,
    Overlay,
    Recording,
    Source,
    StaticGraph,
    TensorInfo,
    TensorSummary,
)
from inspector.render.cardparts import (
    Card,
    bytes_text,
    call_totals,
    duration_text,
    number_text,
    stats,
)
from inspector.render.messagewords import messages_of_ops
from inspector.render.relationwords import saved_text
from inspector.render.tensorcards import INLINE, TensorCards
from inspector.views import words
from inspector.views.boxes import BoxTree
from inspector.views.index import ViewIndex, index_of
from inspector.views.names import describe
from inspector.views.relations import saved_by_op

TENSORS = 6
"""A card shows at most this many tensors; an op with 2,000 inputs says how many more."""

TENSOR_ITEMS = ("tensor", "input", "output")
"""What stands before the number of a tensor in an item's id."""


BOXES = ("loop", "trip", "expression", "repeat", "range", "nodes", "twins", "leaves")
"""What stands before the numbers in the id of a box that is no module call and no step."""

BOX_KINDS = {
    "module": sentence("module"),
    "loop": sentence("loop"),
    "trip": sentence("trip"),
    "expression": sentence("expression"),
    "repeat": sentence("repeat"),
    "range": sentence("range"),
    "step": sentence("step"),
}
"""Kinds of boxes, in words."""

PHASES = {
    "forward": sentence("forward"),
    "backward": sentence("backward"),
    "optimizer": sentence("optimizer"),
}

OUTPUT = sentence("output")
ITSELF = sentence("(the model itself)")
OPENS = sentence("Double click opens the box.")
_TRAIN, _EVAL, _YES, _NO = sentence("train"), sentence("eval"), sentence("yes"), sentence("no")
# What stands on nearly every card is made once.
_VALUE = sentence("value")
_MODULE = sentence("module")
_CALL = sentence("call")
_ORDER = sentence("order")
_DURATION = sentence("duration")
_INPUT = sentence("input")
_SAVED = sentence("saved for backward")
_FORWARD = sentence("forward op")
_GRADIENT_IN = sentence("gradient in")
_GRADIENT_OUT = sentence("gradient out")
_NODE = sentence("autograd node")
_PARAMETER = sentence("parameter")
_OP = sentence("op")
_USED_BY = sentence("used by")
_DECISION = sentence("decision")


def mode_of(call: ModuleCall) -> str:
    """The mode that a module was called in."""
    return _TRAIN if call.training else _EVAL


def _yes_or_no(answer: bool) -> str:
    return _YES if answer else _NO


class Cards:
    """Makes the cards of one recording and its static graph.

    Args:
        recording: what ran.
        static, overlay: the IR beside it, if there is one.
        inline: tensors of at most this many values have them all on their card.
        index: the recording's boxes, where they are known already.

    Attributes:
        tensors: makes the tensor columns, and knows their history.
    """

    def __init__(
        self,
        recording: Recording,
        static: StaticGraph | None = None,
        overlay: Overlay | None = None,
        inline: int = INLINE,
        index: ViewIndex | None = None,
    ) -> None:
        self.tensors = TensorCards(recording, inline, index)
        self._index = index
        self._recording = recording
        self._static = static
        self._overlay = overlay
        self._tree = BoxTree(recording, index)
        self._texts = {file: text.splitlines() for file, text in recording.sources.items()}
        self._decisions = {decision.op: decision for decision in recording.decisions}
        self._totals = call_totals(recording)
        self._saved = saved_by_op(recording)
        self._messages = messages_of_ops(recording)
        self._node_ops: dict[int, list[int]] = {}
        for op, node in overlay.op_to_node.items() if overlay is not None else ():
            self._node_ops.setdefault(node, []).append(op)

    def card(self, pane: str, item: str) -> Card:
        """The card of a view node, by the pane it is in and its id ("op:12")."""
        kind, _, rest = item.partition(":")
        number = int(rest.partition("@")[0].partition("/")[0]) if rest[:1].isdigit() else None
        if pane == "static":
            return self._static_card(kind, rest, number)
        if kind in BOXES:
            return self._box(item.partition("@")[0])
        if kind == "more":
            return self._more(rest)
        if number is None:
            return {"title": item}
        if kind == "op":
            return self._op(self._recording.ops[number])
        if kind == "decision":
            return self._read(self._recording.decisions[number])
        if kind == "parameters":
            return self._parameters(self._recording.ops[number])
        if kind == "grad":
            return self._grad(self._recording.grad_nodes[number])
        if kind == "call":
            return self._call(self._recording.module_calls[number])
        if kind == "step":
            return self._step(number)
        if kind in TENSOR_ITEMS:
            return self._tensor_card(self._recording.tensors[number], kind)
        return {"title": item}

    def _box(self, box: str) -> Card:
        """A loop, a trip, equal calls in a row, or a part of what is too much to be drawn."""
        found = describe(self._index or index_of(self._recording), box)
        if found is None:  # a part of many autograd nodes: its drawing says all there is
            return {"title": sentence("more autograd nodes"), "note": OPENS}
        rows = [(sentence("ops"), f"{found.size:,} ([{found.first}] … [{found.last}])")]
        if found.trips:
            rows.insert(
                0,
                (
                    sentence("trips") if found.kind == "loop" else sentence("times"),
                    str(found.trips),
                ),
            )
        if found.same > 1:
            rows.append(
                (sentence("drawn once"), sentence("{count} that are equal", count=found.same))
            )
        if not found.exact:
            rows.append(
                (
                    sentence("trips told apart"),
                    sentence("by count: their ops stand on the same places"),
                )
            )
        duration = sum(op.duration_us for op in self._recording.ops[found.first : found.last + 1])
        rows.append((_DURATION, duration_text(duration)))
        last = self._recording.ops[found.last].outputs if found.size else ()
        outputs = [self._recording.tensors[i] for i in last]
        return {
            "title": found.title,
            "kind": BOX_KINDS.get(found.kind, found.kind),
            "subtitle": found.subtitle,
            "rows": rows,
            "tensors": [
                self.tensors.value(tensor, sentence("last output")) for tensor in outputs[:2]
            ],
            "source": None if found.source is None else self._line(*found.source),
            "note": OPENS,
        }

    def _more(self, rest: str) -> Card:
        """What stands for the inputs of an op, or the outputs, that are not drawn by themselves."""
        kind, _, number = rest.partition(":")
        if kind != "op" or not number.isdigit():
            return {"title": sentence("more outputs"), "kind": sentence("output")}
        op = self._recording.ops[int(number)]
        return {
            "title": sentence("more inputs"),
            "kind": _INPUT,
            "rows": [
                (sentence("of"), f"{op.name} [{op.id}]"),
                (sentence("in all"), f"{len(op.inputs):,}"),
            ],
            "tensors": [],
            "source": self._place(op.source),
        }

    # -- the dynamic graph -----------------------------------------------------------------

    def _op(self, op: Op) -> Card:
        failure = self._recording.failure
        failed = failure is not None and failure.op == op.id
        return {
            "title": op.name,
            "kind": _DECISION if op.id in self._decisions else _OP,
            "subtitle": op.function,
            "rows": list(self._op_rows(op)),
            "tensors": self._op_tensors(op),
            "source": self._place(op.source),
            "note": f"{failure.type}: {failure.message}" if failed and failure else "",
        }

    def _op_rows(self, op: Op) -> Iterable[tuple[str, str]]:
        decision = self._decisions.get(op.id)
        if decision is not None:
            yield _VALUE, str(decision.value)
        module = words.op_module(self._recording, op)
        if op.module_call is not None:
            call = self._recording.module_calls[op.module_call]
            yield _MODULE, words.dotted((module or ITSELF, call.type))
        yield _CALL, f"{op.name}({op.arguments})"
        yield _ORDER, f"{op.id + 1} / {len(self._recording.ops)}"
        yield _DURATION, duration_text(op.duration_us)
        if op.phase != "forward":
            yield sentence("ran in"), PHASES.get(op.phase, op.phase)
        if op.id in self._messages:
            yield sentence("sends"), self._messages[op.id]
        if op.overwrites:
            yield sentence("overwrites"), ", ".join(f"%{i}" for i in op.overwrites)
        if op.id in self._saved:
            yield _SAVED, saved_text(self._recording, self._saved[op.id])
        if op.kernels:
            names = ", ".join(kernel.name for kernel in op.kernels[:8])
            yield sentence("kernels"), f"{len(op.kernels)}: {names}"

    def _op_tensors(self, op: Op) -> list[Card]:
        tensors = self._recording.tensors
        named = [(OUTPUT, tensors[i]) for i in op.outputs]
        named += [(_INPUT, tensors[i]) for i in dict.fromkeys(op.inputs)]
        found: list[Card] = []
        for role, tensor in named[:TENSORS]:
            found.append(self.tensors.value(tensor, role))
            if role == OUTPUT and tensor.grad is not None:
                found.append(self.tensors.gradient(tensor))
        if len(named) > TENSORS:
            found.append({"role": sentence("more"), "name": f"+{len(named) - TENSORS}"})
        return found

    def _read(self, read: Decision) -> Card:
        """A decision without an op: a size that was read."""
        recording = self._recording
        rows = [(_VALUE, str(read.value)), (sentence("read"), read.kind)]
        if read.module_call is not None:
            call = recording.module_calls[read.module_call]
            rows.append((_MODULE, words.dotted((call.path or ITSELF, call.type))))
        rows.append((sentence("before op"), f"{(read.before_op or 0) + 1} / {len(recording.ops)}"))
        tensor = None if read.tensor is None else recording.tensors[read.tensor]
        return {
            "title": read.kind,
            "kind": _DECISION,
            "subtitle": "" if tensor is None else words.carried(tensor),
            "rows": rows,
            "tensors": [] if tensor is None else [self.tensors.value(tensor, sentence("tensor"))],
            "source": self._place(read.source),
        }

    def _parameters(self, op: Op) -> Card:
        tensors = [self._recording.tensors[i] for i in dict.fromkeys(op.inputs)]
        used = [t for t in tensors if t.name is not None and t.producer is None]
        shown: list[Card] = []
        for tensor in used[:TENSORS]:
            shown.append(self.tensors.value(tensor, _PARAMETER))
            if tensor.grad is not None:
                shown.append(self.tensors.gradient(tensor))
        return {
            "title": ", ".join((t.name or "").rpartition(".")[2] for t in used),
            "kind": _PARAMETER,
            "subtitle": words.op_module(self._recording, op),
            "rows": [(_USED_BY, f"{op.name} [{op.id}]")],
            "tensors": shown,
            "source": self._place(op.source),
        }

    def _tensor_card(self, tensor: TensorInfo, kind: str) -> Card:
        rows: list[tuple[str, str]] = [(sentence("made by"), sentence("the caller"))]
        source = None
        if tensor.producer is not None:
            maker = self._recording.ops[tensor.producer]
            rows, source = [(sentence("made by"), f"{maker.name} [{maker.id}]")], maker.source
        rows.append((sentence("requires grad"), _yes_or_no(tensor.requires_grad)))
        rows.append((sentence("leaf"), _yes_or_no(tensor.is_leaf)))
        tensors = [self.tensors.value(tensor, _VALUE)]
        if tensor.grad is not None:
            tensors.append(self.tensors.gradient(tensor))
        return {
            "title": tensor.name or f"%{tensor.id}",
            "kind": sentence("output") if kind == "output" else sentence("tensor"),
            "subtitle": words.dotted((words.shape(tensor), bytes_text(tensor.nbytes))),
            "rows": rows,
            "tensors": tensors,
            "source": self._place(source),
        }

    def _call(self, call: ModuleCall) -> Card:
        recording = self._recording
        totals = self._totals[call.id]
        rows = [
            (sentence("path"), call.path or ITSELF),
            (sentence("mode"), mode_of(call)),
            (sentence("ops"), str(self._tree.sizes[call.id])),
            (_DURATION, duration_text(totals.duration_us)),
        ]
        last = () if totals.last_op is None else recording.ops[totals.last_op].outputs
        outputs = [recording.tensors[i] for i in last]
        return {
            "title": call.path.rpartition(".")[2] or call.type,
            "kind": sentence("module call"),
            "subtitle": call.type,
            "rows": rows,
            "tensors": [
                self.tensors.value(tensor, sentence("last output")) for tensor in outputs[:2]
            ],
            "source": self._place(call.source),
            "note": OPENS,
        }

    def _step(self, number: int) -> Card:
        step = self._recording.steps[number]
        rows = [(sentence("ops"), str(step.last_op - step.first_op))]
        if step.learning_rates:
            rates = ", ".join(number_text(rate) for rate in step.learning_rates)
            rows.append((sentence("learning rate"), rates))
        return {
            "title": f"{step.detail}.step",
            "kind": sentence("optimizer step"),
            "rows": rows,
            "tensors": [],
            "source": self._place(step.source),
            "note": OPENS,
        }

    # -- the backward graph ----------------------------------------------------------------

    def _grad(self, node: GradNode) -> Card:
        recording = self._recording
        rows = [(_ORDER, f"{node.id + 1} / {len(recording.grad_nodes)}")]
        if node.op is not None:
            rows.append((_FORWARD, f"{recording.ops[node.op].name} [{node.op}]"))
        if node.parameter is not None:
            rows.append((_PARAMETER, node.parameter))
        if node.name == "AccumulateGrad":
            word = (
                sentence("onto an old gradient") if node.accumulated else sentence("first gradient")
            )
            rows.append((sentence("accumulated"), word))
        if node.saved:
            rows.append((_SAVED, saved_text(recording, node.saved)))
        rows.append((_DURATION, duration_text(node.duration_us)))
        ways = (
            (_GRADIENT_IN, node.grad_outputs),
            (_GRADIENT_OUT, node.grad_inputs),
        )
        tensors = [self._summary(s, w, i, node.id) for w, all_ in ways for i, s in enumerate(all_)]
        op = None if node.op is None else recording.ops[node.op]
        return {
            "title": node.name,
            "kind": _NODE,
            "subtitle": sentence("backward pass {number}", number=node.pass_index),
            "rows": rows,
            "tensors": tensors[:TENSORS],
            "source": self._place(None if op is None else op.source),
        }

    # -- the static graph ------------------------------------------------------------------

    def _static_card(self, kind: str, rest: str, number: int | None) -> Card:
        if kind == "ir" and number is not None and self._static is not None:
            return self._ir(self._static.nodes[number])
        rest = rest.partition("@")[0]
        word = _INPUT if kind == "value" else sentence("output")
        return {"title": rest if kind == "value" else "return", "kind": word}

    def ops_of(self, node: IRNode) -> list[int]:
        """The recorded ops that an IR node is known to have run."""
        return self._node_ops.get(node.id, [])

    def _ir(self, node: IRNode) -> Card:
        ops = self.ops_of(node)
        tensors = self._op_tensors(self._recording.ops[ops[-1]]) if ops else []
        return {
            "title": node.kind,
            "kind": sentence("IR node"),
            "subtitle": node.text.partition(" # ")[0],
            "rows": list(self._ir_rows(node, ops)),
            "tensors": tensors,
            "source": self._place(node.source),
        }

    def _ir_rows(self, node: IRNode, ops: list[int]) -> Iterable[tuple[str, str]]:
        overlay = self._overlay
        if node.module_path:
            yield _MODULE, node.module_path
        if overlay is not None:
            count = overlay.executions.get(node.id)
            yield sentence("ran"), sentence("not known") if count is None else f"×{count}"
            if node.id in overlay.taken:
                names = [("then", "else")[min(b, 1)] for b in overlay.taken[node.id][:12]]
                yield sentence("branches taken"), ", ".join(names)
            if node.id in overlay.trips:
                yield sentence("trips"), ", ".join(map(str, overlay.trips[node.id][:12]))
        if node.types:
            yield sentence("type"), ", ".join(node.types)
        if ops:
            yield sentence("recorded ops"), ", ".join(f"[{op}]" for op in ops[:12])
        if "value" in node.attributes:
            yield _VALUE, str(node.attributes["value"])

    # -- parts -----------------------------------------------------------------------------

    def _summary(self, summary: TensorSummary | None, role: str, index: int, node: int) -> Card:
        card = stats(summary)
        size = sentence("none") if summary is None else words.values(summary.numel)
        whys = self.tensors.offers.of_summary(summary, {"grad": node})
        card.update(role=role, name=str(index), shape=size, whys=whys)
        return card

    def _place(self, source: Source | None) -> Card | None:
        if source is None:
            return None
        return self._line(source.file, source.line)

    def _line(self, file: str, line: int) -> Card:
        lines = self._texts.get(file, [])
        text = lines[line - 1].strip() if 0 < line <= len(lines) else ""
        return {"file": os.path.basename(file), "path": file, "line": line, "text": text}
