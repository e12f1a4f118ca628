"""The dynamic graph: what ran for this input."""

from __future__ import annotations

from collections.abc import Iterable

import numpy as np

from inspector.language import sentence
from inspector.records import Op, Recording, TensorInfo
from inspector.views import names, words
from inspector.views.constants import constants
from inspector.views.hubs import split_hubs
from inspector.views.index import ViewIndex, index_of
from inspector.views.model import GraphView, ViewBox, ViewNode
from inspector.views.outside import KEPT, MANY, Outside
from inspector.views.sizereads import SizeReads
from inspector.views.sketch import Sketch
from inspector.views.tree import STEP, title
from inspector.views.visible import Drawn, Visible

Ranks = tuple[tuple[str, ...], ...]

DYNAMIC = sentence("Dynamic graph")
"""Name of the view."""

OUTPUT = sentence("output")


def dynamic_view(
    recording: Recording, opened: frozenset[str], index: ViewIndex | None = None
) -> GraphView:
    """The picture of a recording's ops, with the boxes in `opened` open.

    Args:
        recording: what ran.
        opened: ids of open boxes ("call:3", "step:0", "loop:1"); see `default_open`.
        index: of the recording; see `index_of` for what is used without one.
    """
    return DynamicPicture(index or index_of(recording), opened).view()


class DynamicPicture:
    """Draws the forward ops into a sketch, to which more can be added.

    Args:
        index: of the recording.
        opened: ids of open boxes.

    Attributes:
        visible: what of the boxes is drawn.
        sketch: the nodes and edges.
        ids: the node ids of `visible.drawn`.
    """

    def __init__(self, index: ViewIndex, opened: frozenset[str]) -> None:
        self._index = index
        self._recording = index.recording
        self.visible = Visible(index, opened)
        self._reads = SizeReads(index, self.visible)
        self.sketch = Sketch()
        self._loss_from = int(self._recording.meta.get("loss_from", len(self._recording.ops)))
        self.ids = [found.id for found in self.visible.drawn]
        self._ops = self.visible.ops_by_node()
        self._nonfinite = set(self.visible.of_op[index.nonfinite].tolist())
        edges = index.edges
        self._again = self.visible.feeds_itself(edges.sources, edges.targets, edges.carried)
        self._outside = Outside(index, self.visible, self.sketch, self._ops)
        self._draw()

    def _draw(self) -> None:
        self._add_nodes()
        self._add_data()
        self._reads.connect(self.sketch, self._origin, self._node_of)
        self._add_control()
        self._add_steps()
        self._add_outputs()

    def view(
        self, name: str = DYNAMIC, ranks: Ranks = (), boxes: tuple[ViewBox, ...] = ()
    ) -> GraphView:
        """The finished picture, with further open boxes."""
        nodes, edges = split_hubs(self.sketch.nodes, self.sketch.edges())
        return GraphView(
            name=name,
            nodes=tuple(nodes),
            edges=tuple(edges),
            boxes=(*(names.frame(self._index, frame) for frame in self.visible.frames), *boxes),
            hidden=self.visible.hidden(),
            ranks=ranks,
        )

    # -- nodes ---------------------------------------------------------------------------------

    def _add_nodes(self) -> None:
        for number, found in enumerate(self.visible.drawn):
            self._reads.add_before(found.op, self.sketch)
            node = self._op(number, found) if found.box is None else self._box(number, found)
            self.sketch.nodes[node.id] = node
        self._reads.add_before(None, self.sketch)

    def _frame(self, number: int) -> str | None:
        return self._index.boxes[number].id or None

    def _op(self, number: int, found: Drawn) -> ViewNode:
        op = self._recording.ops[found.op]
        decision = self._index.decisions.get(op.id)
        return ViewNode(
            id=found.id,
            kind="op" if decision is None else "decision",
            title=op.name if decision is None else self._values(number),
            subtitle=self._subtitle(op, number) if decision is None else decision.kind,
            badge=_badge(found),
            box=self._frame(found.parent),
            flags=tuple(self._flags(op, number)),
            ops=self._ops[number],
            source=words.op_line(op),
        )

    def _values(self, number: int) -> str:
        """What a decision read; of equal trips drawn as one, what the first and the last read."""
        decisions = self._index.decisions
        ends = (self._ops[number][0], self._ops[number][-1])
        read = dict.fromkeys(words.value(decisions[op].value) for op in ends if op in decisions)
        return " … ".join(read)

    def _subtitle(self, op: Op, number: int) -> str:
        parts = [self._alone(op), constants(op)]
        if number in self._again:
            parts.append(sentence("feeds its next trip"))
        if op.id >= self._loss_from:
            parts.append(sentence("loss"))
        consumers = self._index.flow.consumers
        if not any(consumers.get(tensor) for tensor in op.outputs):
            # Edges carry the shapes; a result that nobody takes has no edge.
            parts += [words.shape(self._recording.tensors[i]) for i in op.outputs[:2]]
        return words.dotted(parts)

    def _alone(self, op: Op) -> str:
        """The module that an op stands for: one whose call has no box."""
        if op.module_call is None or f"call:{op.module_call}" in self._index.by_id:
            return ""
        call = self._recording.module_calls[op.module_call]
        return "" if call.parent is None else title(call)

    def _flags(self, op: Op, number: int) -> Iterable[str]:
        failure = self._recording.failure
        if failure is not None and failure.op is not None and failure.op in self._ops[number]:
            yield "failed"
        if op.overwrites:
            yield "inplace"
        inputs = set(op.inputs)
        made = [self._recording.tensors[i] for i in op.outputs if i not in inputs]
        if not op.overwrites and any(out.alias_of in inputs for out in made):
            yield "view"
        if number in self._nonfinite:
            yield "nonfinite"

    def _box(self, number: int, found: Drawn) -> ViewNode:
        assert found.box is not None
        box, ops = self._index.boxes[found.box], self._ops[number]
        failure = self._recording.failure
        has_failed = failure is not None and failure.op is not None and failure.op in ops
        flags = [flag for flag, is_so in (
            ("failed", has_failed), ("nonfinite", number in self._nonfinite)
        ) if is_so]  # fmt: skip
        parts = (names.subtitle_of(self._index, box), words.ops(box.size))
        return ViewNode(
            id=found.id,
            kind="box",
            title=names.title_of(self._index, box, found.count),
            subtitle=words.dotted(parts),
            badge=_badge(found),
            box=self._frame(found.parent),
            flags=tuple(flags),
            ops=ops,
            source=words.op_line(self._recording.ops[box.first]),
        )

    # -- data ----------------------------------------------------------------------------------

    def _add_data(self) -> None:
        """An edge for each tensor that goes from one drawn thing to another."""
        edges, visible = self._index.edges, self.visible
        rows = [
            row
            for row in visible.pairs(edges.sources, edges.targets, edges.carried)
            if row[1] >= 0 or not self._is_step(row[2])
        ]
        crowded = self._outside.crowded(rows)
        alone = [found for found in visible.drawn if found.box is None]
        proxies = iter([found.op for found in alone if found.op in edges.parameters])
        waiting = next(proxies, None)
        for row, source, target, is_carried in rows:
            op, tensor = int(edges.targets[row]), self._recording.tensors[int(edges.tensors[row])]
            while waiting is not None and waiting < op:
                self._outside.add_parameters(waiting)
                waiting = next(proxies, None)
            uses = edges.uses.get((op, tensor.id), 1)
            label = words.spaced((words.carried(tensor), f"(×{uses})" if uses > 1 else ""))
            if is_carried:
                self.sketch.edge(
                    self.ids[source], self.ids[target], sentence("next trip"), "carried"
                )
            elif source >= 0:
                self.sketch.edge(self.ids[source], self.ids[target], label)
            elif (target, tensor.id) not in crowded:
                self.sketch.edge(self._outside.node(tensor, op), self.ids[target], label)
        while waiting is not None:
            self._outside.add_parameters(waiting)
            waiting = next(proxies, None)
        self._outside.add_more(crowded)

    def _is_step(self, number: int) -> bool:
        """Whether it is a closed step: its edge from the loss stands for its gradients."""
        box = self.visible.drawn[number].box
        return box is not None and self._index.boxes[box].kind == STEP

    def _origin(self, tensor: TensorInfo, user: str) -> str:
        """The node that a tensor comes from, for a node that is no op."""
        if tensor.producer is not None:
            return self._node_of(tensor.producer)
        return self._outside.node(tensor, None, user)

    def _node_of(self, op: int) -> str:
        return self.ids[int(self.visible.of_op[op])]

    # -- what ran next -------------------------------------------------------------------------

    def _add_control(self) -> None:
        """A decision points at what ran next: the way that was taken."""
        decisions, count = self._index.decisions, len(self._recording.ops)
        first = [d for d in decisions if d + 1 < count and d + 1 not in decisions]
        sources = np.array(first, dtype=np.int64)
        same = self._index.carried(sources, sources + 1)
        for _, source, target, is_carried in self.visible.pairs(sources, sources + 1, same):
            if not is_carried:
                self.sketch.edge(self.ids[source], self.ids[target], "", "control")

    def _add_steps(self) -> None:
        """From the loss, whose backward pass made the gradients, to the step that used them."""
        loss: int | None = None
        for step in self._recording.steps:
            if step.kind == "backward" and step.first_op > 0:
                loss = step.first_op - 1
            elif (
                step.kind == "optimizer_step" and loss is not None and step.first_op < step.last_op
            ):
                if self.visible.twin[step.first_op]:
                    continue  # of a trip that is drawn as another
                source, target = self._node_of(loss), self._node_of(step.first_op)
                self.sketch.edge(source, target, sentence("backward"), "control")

    def _add_outputs(self) -> None:
        numbers = list(dict.fromkeys(self._recording.output))
        shown = numbers if len(numbers) <= MANY else numbers[:KEPT]
        for number in shown:
            tensor = self._recording.tensors[number]
            self._add_output(f"output:{number}", OUTPUT, words.shape(tensor), [tensor])
        if len(shown) < len(numbers):
            rest = [self._recording.tensors[i] for i in numbers[KEPT:]]
            more = sentence("+{count:,} more", count=len(rest))
            self._add_output("more:outputs", more, sentence("outputs"), rest)

    def _add_output(self, own: str, name: str, subtitle: str, tensors: list[TensorInfo]) -> None:
        makers = tuple(dict.fromkeys(t.producer for t in tensors if t.producer is not None))
        source = words.op_line(self._recording.ops[makers[0]]) if makers else None
        self.sketch.nodes[own] = ViewNode(own, "output", name, subtitle, ops=makers, source=source)
        for tensor in tensors:
            self.sketch.edge(self._origin(tensor, own), own, "")


def _badge(found: Drawn) -> str:
    return f"×{found.count}" if found.count > 1 else ""
