"""What an op takes from outside: inputs, parameters, and tensors that were there before."""

from __future__ import annotations

import numpy as np

from inspector.language import sentence
from inspector.records import TensorInfo
from inspector.views import words
from inspector.views.hubs import SHARED
from inspector.views.index import ViewIndex
from inspector.views.model import ViewNode
from inspector.views.sketch import Sketch
from inspector.views.visible import Visible

MANY = 12
"""Inputs or outputs that one node can have beside it; of more, most are drawn as one."""

KEPT = 10
"""How many of those are drawn by themselves."""


INPUT, TENSOR = sentence("input"), sentence("tensor")
"""What has no other name."""


class Outside:
    """Draws what came from outside beside what takes it.

    Args:
        index: of the recording.
        visible: what is drawn of its boxes.
        sketch: where to draw.
        ops: of each drawn thing the ops that it stands for.
    """

    def __init__(
        self, index: ViewIndex, visible: Visible, sketch: Sketch, ops: list[tuple[int, ...]]
    ) -> None:
        self._index = index
        self._recording = index.recording
        self._visible = visible
        self._sketch = sketch
        self._ops = ops
        self._ids = [found.id for found in visible.drawn]
        self._names = self._recording.input_names()
        self._given = frozenset(self._recording.inputs)

    def node(self, tensor: TensorInfo, op: int | None, user: str = "") -> str:
        """The node of a tensor that was there before; its own one per use if used often.

        Args:
            tensor: which one.
            op: the op that takes it; None for what is no op.
            user: then, the node that it is drawn for.
        """
        uses = self._index.flow.consumers.get(tensor.id, ())
        box: str | None = None
        mine: tuple[int, ...] = uses
        own = f"tensor:{tensor.id}"
        if len(uses) > SHARED:
            drawn = None if op is None else int(self._visible.of_op[op])
            user = user if drawn is None else self._ids[drawn]
            own = f"{own}@{user}"
            box = self._sketch.nodes[user].box if user in self._sketch.nodes else None
            mine = () if drawn is None else self._uses_in(uses, drawn)
        if own not in self._sketch.nodes:
            is_given = tensor.id in self._given
            name = self._names.get(tensor.id, INPUT) if is_given else tensor.name or TENSOR
            self._sketch.nodes[own] = ViewNode(
                own, "input", name, words.shape(tensor), box=box, ops=mine
            )
        return own

    def _uses_in(self, uses: tuple[int, ...], drawn: int) -> tuple[int, ...]:
        where = self._visible.of_op[list(uses)]
        return tuple(np.array(uses)[where == drawn].tolist())

    def crowded(self, rows: list[tuple[int, int, int, bool]]) -> set[tuple[int, int]]:
        """(node, tensor) of what comes from outside and is too much to draw each of."""
        beside: dict[int, dict[int, None]] = {}
        tensors = self._index.edges.tensors
        for row, source, target, _ in rows:
            if source < 0:
                beside.setdefault(target, {})[int(tensors[row])] = None
        return {
            (target, tensor)
            for target, found in beside.items()
            if len(found) > MANY
            for tensor in list(found)[KEPT:]
        }

    def add_more(self, crowded: set[tuple[int, int]]) -> None:
        """One node for all that is not drawn beside each target."""
        counts: dict[int, int] = {}
        for target, _ in crowded:
            counts[target] = counts.get(target, 0) + 1
        for target, count in sorted(counts.items()):
            own = f"more:{self._ids[target]}"
            frame = self._frame(self._visible.drawn[target].parent)
            more = sentence("+{count:,} more", count=count)
            self._sketch.nodes[own] = ViewNode(
                own, "input", more, sentence("inputs"), box=frame, ops=self._ops[target]
            )
            self._sketch.edge(own, self._ids[target], "")

    def add_parameters(self, number: int) -> None:
        """One small node for all parameters of one op."""
        tensors = [self._recording.tensors[i] for i in self._index.edges.parameters[number]]
        proxy, drawn = f"parameters:{number}", int(self._visible.of_op[number])
        titles = [(t.name or "").rpartition(".")[2] for t in tensors]
        shapes = [words.shape(t) for t in tensors]
        self._sketch.nodes[proxy] = ViewNode(
            id=proxy,
            kind="parameter",
            title=_listed(titles),
            subtitle=_listed(shapes),
            box=self._frame(self._visible.drawn[drawn].parent),
            ops=self._ops[drawn],
            source=words.op_line(self._recording.ops[number]),
        )
        self._sketch.edge(proxy, f"op:{number}", "")

    def _frame(self, number: int) -> str | None:
        return self._index.boxes[number].id or None


def _listed(texts: list[str]) -> str:
    """As in "weight, bias"; a long list is cut."""
    shown = words.commas(texts[:KEPT])
    if len(texts) <= KEPT:
        return shown
    return sentence("{shown}, +{count:,} more", shown=shown, count=len(texts) - KEPT)
