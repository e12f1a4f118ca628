"""The dynamic graph: what ran for this input."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import replace

from inspector.graph import DataFlow
from inspector.records import Decision, Op, Recording, TensorInfo
from inspector.views import words
from inspector.views.boxes import BoxTree, title, visible_id
from inspector.views.hubs import SHARED, split_hubs
from inspector.views.model import GraphView, ViewBox, ViewEdge, ViewNode


def dynamic_view(recording: Recording, opened: frozenset[str]) -> GraphView:
    """The picture of a recording's ops, with the boxes in `opened` open.

    Args:
        recording: what ran.
        opened: ids of open boxes ("call:3", "step:0"); see `default_open`.
    """
    return _DynamicView(recording, opened).view()


class _DynamicView:
    def __init__(self, recording: Recording, opened: frozenset[str]) -> None:
        self._recording = recording
        self._opened = opened
        self._tree = BoxTree(recording)
        self._flow = DataFlow(recording)
        self._decisions = {
            decision.op: decision for decision in recording.decisions if decision.op is not None
        }
        self._reads = _size_reads(recording)
        self._names = {int(i): str(name) for i, name in recording.meta.get("input_names", ())}
        self._given = frozenset(recording.inputs)
        self._loss_from = int(recording.meta.get("loss_from", len(recording.ops)))
        self._nodes: dict[str, ViewNode] = {}
        self._boxes: dict[str, ViewBox] = {}
        self._edges: dict[tuple[str, str, str], list[str]] = {}
        self._folded: dict[str, list[int]] = {}
        self._where: list[tuple[str, str | None]] = [
            visible_id(f"op:{op.id}", self._tree.of_op(op.id), opened) for op in recording.ops
        ]

    def view(self) -> GraphView:
        for op in self._recording.ops:
            self._add_reads(op.id)
            self._add_op(op)
        self._add_reads(len(self._recording.ops))
        for op in self._recording.ops:
            self._add_inputs(op)
        self._add_read_edges()
        self._add_control()
        self._add_steps()
        self._add_outputs()
        self._fold()
        hidden = sum(len(ops) for ops in self._folded.values())
        edges = [
            ViewEdge(source, target, _labels(labels), kind)
            for (source, target, kind), labels in self._edges.items()
        ]
        nodes, edges = split_hubs(self._nodes, edges)
        return GraphView(
            name="Dynamic graph",
            nodes=tuple(nodes),
            edges=tuple(edges),
            boxes=tuple(self._boxes.values()),
            hidden={"ops in closed boxes": hidden} if hidden else {},
        )

    def _add_op(self, op: Op) -> None:
        drawn, box = self._where[op.id]
        self._open_boxes(op)
        if drawn != f"op:{op.id}":
            self._folded.setdefault(drawn, []).append(op.id)
            self._nodes.setdefault(drawn, ViewNode(drawn, "box", drawn, box=box))
            return
        decision = self._decisions.get(op.id)
        self._nodes[drawn] = ViewNode(
            id=drawn,
            kind="op" if decision is None else "decision",
            title=op.name if decision is None else words.value(decision.value),
            subtitle=self._subtitle(op),
            box=box,
            flags=tuple(self._flags(op)),
            ops=(op.id,),
            source=words.op_line(op),
        )

    def _add_reads(self, before: int) -> None:
        """The size reads that happened just before an op; those in closed boxes are not drawn."""
        for read, count in self._reads.get(before, ()):
            drawn, box = self._where_read(read)
            if drawn == f"decision:{read.id}":
                self._nodes[drawn] = ViewNode(
                    id=drawn,
                    kind="decision",
                    title=words.value(read.value),
                    subtitle=read.kind,
                    badge=f"×{count}" if count > 1 else "",
                    box=box,
                    source=words.line(read.source),
                )

    def _where_read(self, read: Decision) -> tuple[str, str | None]:
        return visible_id(f"decision:{read.id}", self._tree.of_read(read), self._opened)

    def _open_boxes(self, op: Op) -> None:
        parent: str | None = None
        for box in self._tree.of_op(op.id):
            if box not in self._opened:
                return
            if box not in self._boxes:
                self._boxes[box] = self._tree.box(box, parent)
            parent = box

    def _subtitle(self, op: Op) -> str:
        decision = self._decisions.get(op.id)
        if decision is not None:
            return decision.kind
        call = None if op.module_call is None else self._recording.module_calls[op.module_call]
        alone = call is not None and not self._tree.is_box(call.id) and call.id != self._tree.root
        parts = [title(call)] if alone and call is not None else []
        if op.id >= self._loss_from:
            parts.append("loss")
        if not any(self._flow.consumers.get(tensor) for tensor in op.outputs):
            # Edges carry the shapes; a result that nobody takes has no edge.
            parts += [words.shape(self._recording.tensors[i]) for i in op.outputs[:2]]
        return " · ".join(parts)

    def _flags(self, op: Op) -> Iterable[str]:
        recording = self._recording
        if recording.failure is not None and recording.failure.op == op.id:
            yield "failed"
        if op.overwrites:
            yield "inplace"
        outputs = [recording.tensors[i] for i in op.outputs]
        inputs = set(op.inputs)
        made = [out for out in outputs if out.id not in inputs]  # not an input passed on
        if not op.overwrites and any(out.alias_of in inputs for out in made):
            yield "view"
        if any(words.is_nonfinite(out.summary) for out in outputs):
            yield "nonfinite"

    def _add_inputs(self, op: Op) -> None:
        parameters: list[TensorInfo] = []
        for number in dict.fromkeys(op.inputs):
            tensor = self._recording.tensors[number]
            uses = op.inputs.count(number)
            label = words.carried(tensor) + (f" (×{uses})" if uses > 1 else "")
            if tensor.producer is not None:
                if tensor.producer != op.id:
                    source = self._where[tensor.producer][0]
                    self._edge(source, self._where[op.id][0], label)
            elif tensor.name is not None:
                parameters.append(tensor)
            else:
                source = self._outside(tensor, self._where[op.id], (op.id,))
                self._edge(source, self._where[op.id][0], label)
        drawn, box = self._where[op.id]
        if parameters and drawn == f"op:{op.id}":
            self._add_parameters(op, parameters, box)

    def _add_parameters(self, op: Op, tensors: list[TensorInfo], box: str | None) -> None:
        """One small node for all parameters of one op."""
        proxy = f"parameters:{op.id}"
        self._nodes[proxy] = ViewNode(
            id=proxy,
            kind="parameter",
            title=", ".join((t.name or "").rpartition(".")[2] for t in tensors),
            subtitle=", ".join(words.shape(t) for t in tensors),
            box=box,
            ops=(op.id,),
            source=words.op_line(op),
        )
        self._edge(proxy, f"op:{op.id}", "")

    def _outside(
        self, tensor: TensorInfo, user: tuple[str, str | None], ops: tuple[int, ...]
    ) -> str:
        """The node of a tensor that was there before; its own one per use if used often."""
        drawn, box = user
        uses = self._flow.consumers.get(tensor.id, ())
        shared = len(uses) > SHARED
        own = f"tensor:{tensor.id}@{drawn}" if shared else f"tensor:{tensor.id}"
        known = self._nodes.get(own)
        if known is None:
            given = tensor.id in self._given
            name = self._names.get(tensor.id, "input") if given else tensor.name or "tensor"
            self._nodes[own] = ViewNode(
                id=own,
                kind="input",
                title=name,
                subtitle=words.shape(tensor),
                box=box if shared else None,
                ops=ops if shared else uses,
            )
        elif shared:
            self._nodes[own] = replace(known, ops=known.ops + ops)
        return own

    def _edge(self, source: str, target: str, label: str, kind: str = "data") -> None:
        if source == target:
            return
        labels = self._edges.setdefault((source, target, kind), [])
        if label not in labels:
            labels.append(label)

    def _add_read_edges(self) -> None:
        """A size read hangs on its tensor, and points at what ran next, as other decisions do."""
        for before, reads in self._reads.items():
            for read, _ in reads:
                own = f"decision:{read.id}"
                if own not in self._nodes:
                    continue
                if read.tensor is not None:
                    tensor = self._recording.tensors[read.tensor]
                    self._edge(self._origin(tensor, own), own, words.carried(tensor))
                if before < len(self._where) and before not in self._decisions:
                    self._edge(own, self._where[before][0], "", "control")

    def _origin(self, tensor: TensorInfo, user: str) -> str:
        """The node that a tensor comes from, for a node that is no op."""
        if tensor.producer is not None:
            return self._where[tensor.producer][0]
        return self._outside(tensor, (user, self._nodes[user].box), ())

    def _add_control(self) -> None:
        """A decision points at what ran next: the way that was taken."""
        ops = self._recording.ops
        for number in self._decisions:
            following = number + 1
            if following < len(ops) and following not in self._decisions:
                self._edge(self._where[number][0], self._where[following][0], "", "control")

    def _add_steps(self) -> None:
        """From the loss, whose backward pass made the gradients, to the step that used them."""
        loss: int | None = None
        for step in self._recording.steps:
            if step.kind == "backward" and step.first_op > 0:
                loss = step.first_op - 1
            elif (
                step.kind == "optimizer_step" and loss is not None and step.first_op < step.last_op
            ):
                target = self._where[step.first_op][0]
                self._edge(self._where[loss][0], target, "backward", "control")

    def _add_outputs(self) -> None:
        for number in dict.fromkeys(self._recording.output):
            tensor = self._recording.tensors[number]
            own = f"output:{number}"
            producer = tensor.producer
            self._nodes[own] = ViewNode(
                id=own,
                kind="output",
                title="output",
                subtitle=words.shape(tensor),
                ops=() if producer is None else (producer,),
                source=None if producer is None else words.op_line(self._recording.ops[producer]),
            )
            if producer is not None:
                self._edge(self._where[producer][0], own, "")
            else:
                self._edge(self._outside(tensor, (own, None), ()), own, "")

    def _fold(self) -> None:
        """Give closed boxes their names, once all their ops are known."""
        for box, ops in self._folded.items():
            record = self._tree.box(box, None)
            inside = [self._recording.ops[i] for i in ops]
            flags = {flag for op in inside for flag in self._flags(op)}
            self._nodes[box] = ViewNode(
                id=box,
                kind="box",
                title=record.title,
                subtitle=" · ".join(
                    part for part in (record.subtitle, words.plural(len(ops), "op")) if part
                ),
                box=self._nodes[box].box,
                flags=tuple(sorted(flags & {"failed", "nonfinite"})),
                ops=tuple(ops),
                source=words.op_line(inside[0]),
            )


def _size_reads(recording: Recording) -> dict[int, list[tuple[Decision, int]]]:
    """The decisions without an op, by the op that ran next; equal ones are one, with their count.

    A loop that runs no op and asks for a size on each trip asks a thousand times.
    """
    equal: dict[tuple[object, ...], list[Decision]] = {}
    for read in recording.decisions:
        if read.op is None:
            what = read.tensor, read.kind, repr(read.value), read.source
            equal.setdefault((*what, read.before_op, read.module_call), []).append(read)
    found: dict[int, list[tuple[Decision, int]]] = {}
    for reads in equal.values():
        found.setdefault(reads[0].before_op or 0, []).append((reads[0], len(reads)))
    return found


def _labels(labels: list[str]) -> str:
    shown = [label for label in labels if label]
    if not shown:
        return ""
    return shown[0] if len(shown) == 1 else f"{shown[0]} +{len(shown) - 1}"
