"""Forward and backward as one picture: beside each op, on its rank, the autograd nodes of it.

Data flows down, gradients flow up. An AccumulateGrad stands beside the parameters that it adds
to, and what is a closed box in the forward graph is two closed boxes: one for its ops, one for
their autograd nodes.
"""

from __future__ import annotations

from dataclasses import replace

from inspector.language import sentence
from inspector.records import Recording
from inspector.views.dynamic import DynamicPicture
from inspector.views.gradgroups import GradGroups, Group
from inspector.views.gradnodes import GradNodes
from inspector.views.index import ViewIndex, index_of
from inspector.views.model import GraphView, ViewBox

BACKWARD = "back"
"""Stands behind the "@" in the id of a closed box of autograd nodes: "call:3@back"."""


MOST_BESIDE = 3
"""An op with more autograd nodes than this has one closed box of them beside it."""


def twin_view(
    recording: Recording, opened: frozenset[str], index: ViewIndex | None = None
) -> GraphView:
    """The picture of a recording's ops with their autograd nodes beside them.

    Gradient edges have the kind "grad" and `up`: their `source` is the node that the gradient
    goes to, which lies above. `ranks` holds each op with its autograd nodes.

    Args:
        recording: what ran.
        opened: ids of open boxes, the same as for `dynamic_view`.
        index: of the recording; see `index_of` for what is used without one.
    """
    return _TwinView(index or index_of(recording), opened).view()


class _TwinView:
    def __init__(self, index: ViewIndex, opened: frozenset[str]) -> None:
        self._index = index
        self._picture = DynamicPicture(index, opened)
        self._grads = GradGroups(index, self._picture.visible, opened, MOST_BESIDE)
        self._nodes = GradNodes(index, self._picture.visible)
        self._ranks: dict[str, list[str]] = {}
        self._parts: dict[str, ViewBox] = {}

    def view(self) -> GraphView:
        sketch = self._picture.sketch
        shown = [self._id(group) for group in self._grads.groups]
        for own, group in zip(shown, self._grads.groups, strict=True):
            node = replace(self._nodes.node(group, own), box=self._frame(group))
            if group.is_box and not group.is_part:
                node = replace(node, title=sentence("{name} backward", name=node.title))
            sketch.nodes[own] = node
            twin = self._twin(group)
            if twin is not None:
                self._ranks.setdefault(twin, [twin]).append(own)
        for source, target, is_carried in self._grads.edges:
            kind, label = ("carried", sentence("trip before")) if is_carried else ("grad", "")
            sketch.edge(shown[target], shown[source], label, kind, up=True)
        ranks = tuple(tuple(rank) for rank in self._ranks.values())
        return self._picture.view(
            sentence("Forward and backward"), ranks, tuple(self._parts.values())
        )

    def _id(self, group: Group) -> str:
        if group.is_part and group.part is not None:
            return group.part
        if group.item is None or not group.is_box:
            return f"grad:{group.nodes[0].id}"
        number = group.in_pass or ""
        return f"{self._picture.ids[group.item]}@{BACKWARD}{number}"

    def _frame(self, group: Group) -> str | None:
        around: str | None = None
        if group.item is not None:
            parent = self._picture.visible.drawn[group.item].parent
            around = self._index.boxes[parent].id or None
        if group.part is None or group.is_part:
            return around
        title = self._nodes.part_title(group)
        self._parts.setdefault(group.part, ViewBox(group.part, title, around, "range"))
        return group.part

    def _twin(self, group: Group) -> str | None:
        """The forward node beside which a group stands."""
        if group.item is None or (group.part or "").startswith("nodes:"):
            return None
        if group.part is not None and not group.is_part:
            return None  # in a frame of its own
        found = self._picture.visible.drawn[group.item]
        parameters = f"parameters:{found.op}"
        if group.is_leaf and parameters in self._picture.sketch.nodes:
            return parameters
        return found.id
