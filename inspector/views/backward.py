"""The backward graph: the autograd nodes that ran, each in its forward op's box.

Drawn from bottom to top, so that gradients flow up beside a forward graph that flows down.
"""

from __future__ import annotations

from dataclasses import replace

from inspector.language import sentence
from inspector.records import Recording
from inspector.views import names
from inspector.views.gradgroups import GradGroups, Group
from inspector.views.gradnodes import GradNodes, short_name
from inspector.views.heat import BACKWARD
from inspector.views.hubs import split_hubs
from inspector.views.index import ViewIndex, index_of
from inspector.views.model import GraphView, ViewBox
from inspector.views.sketch import Sketch
from inspector.views.visible import Visible

__all__ = ["backward_view", "short_name"]

NODES_CLOSED = sentence("nodes in closed boxes")
NODES_EQUAL = sentence("nodes in equal trips, drawn once")


def backward_view(
    recording: Recording, opened: frozenset[str], index: ViewIndex | None = None
) -> GraphView:
    """The picture of all backward passes of a recording.

    Args:
        recording: what ran.
        opened: ids of open boxes, the same as for `dynamic_view`.
        index: of the recording; see `index_of` for what is used without one.
    """
    return _BackwardView(index or index_of(recording), opened).view()


class _BackwardView:
    def __init__(self, index: ViewIndex, opened: frozenset[str]) -> None:
        self._index = index
        self._visible = Visible(index, opened)
        self._grads = GradGroups(index, self._visible, opened)
        self._nodes = GradNodes(index, self._visible)
        self._frames = {frame.box: frame for frame in self._visible.frames}
        self._several = len({group.in_pass for group in self._grads.groups}) > 1
        self._boxes: dict[str, ViewBox] = {}
        self._sketch = Sketch()

    def view(self) -> GraphView:
        groups = self._grads.groups
        ids = [self._id(group) for group in groups]
        for own, group in zip(ids, groups, strict=True):
            box = self._part(group) if group.part and not group.is_part else self._box(group)
            self._sketch.nodes[own] = replace(self._nodes.node(group, own), box=box)
        for source, target, is_carried in self._grads.edges:
            kind, label = ("carried", sentence("trip before")) if is_carried else ("grad", "")
            self._sketch.edge(ids[source], ids[target], label, kind)
        nodes, edges = split_hubs(self._sketch.nodes, self._sketch.edges())
        return GraphView(
            name=BACKWARD,
            nodes=tuple(nodes),
            edges=tuple(edges),
            boxes=tuple(self._boxes.values()),
            direction="BT",
            hidden=self._hidden(),
        )

    def _id(self, group: Group) -> str:
        if group.is_part:
            assert group.part is not None
            return group.part
        if group.item is None or not group.is_box:
            return f"grad:{group.nodes[0].id}"
        return self._in_pass(self._visible.drawn[group.item].id, group)

    def _in_pass(self, box: str, group: Group) -> str:
        """Box ids are unique in a view: from the second pass on they name the pass."""
        return box if group.in_pass == 0 else f"{box}@{group.in_pass}"

    def _hidden(self) -> dict[str, int]:
        closed = sum(len(group.nodes) for group in self._grads.groups if group.is_box)
        equal = sum(len(group.nodes) - 1 for group in self._grads.groups if not group.is_box)
        counts = {NODES_CLOSED: closed, NODES_EQUAL: equal}
        return {reason: count for reason, count in counts.items() if count}

    # -- boxes ---------------------------------------------------------------------------------

    def _box(self, group: Group) -> str | None:
        """The frame around a group, opened with those around it; each pass has its own."""
        above: str | None = None
        if self._several:
            above = f"pass:{group.in_pass}"
            if above not in self._boxes:
                title = sentence("backward pass {number}", number=group.in_pass)
                self._boxes[above] = ViewBox(above, title, None, "step")
        if group.item is None:
            return above
        for number in self._index.around(self._visible.drawn[group.item].parent):
            if number not in self._frames:
                continue  # ranges and trips that need no frame
            record = names.frame(self._index, self._frames[number])
            own = self._in_pass(record.id, group)
            self._boxes.setdefault(own, replace(record, id=own, parent=above))
            above = own
        return above

    def _part(self, group: Group) -> str:
        assert group.part is not None
        around = self._box(group)
        title = self._nodes.part_title(group)
        self._boxes.setdefault(group.part, ViewBox(group.part, title, around, "range"))
        return group.part
