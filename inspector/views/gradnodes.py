"""How groups of autograd nodes read in a picture."""

from __future__ import annotations

from inspector.language import counted, sentence
from inspector.records import GradNode
from inspector.views import names, words
from inspector.views.gradgroups import Group
from inspector.views.index import ViewIndex
from inspector.views.model import ViewNode
from inspector.views.visible import Visible


def short_name(name: str) -> str:
    """As in "Addmm" for "AddmmBackward0"; other names stay."""
    stem, found, digits = name.rpartition("Backward")
    return stem if found and stem and digits.isdigit() else name


class GradNodes:
    """Makes the view nodes of groups; their `box` is left open.

    Args:
        index: of the recording.
        visible: what is drawn of the forward graph.
    """

    def __init__(self, index: ViewIndex, visible: Visible) -> None:
        self._index = index
        self._recording = index.recording
        self._visible = visible
        self._inputs = self._recording.input_names()
        self._said: dict[int, str] = {}

    def node(self, group: Group, own: str) -> ViewNode:
        """The node of a group, with `own` as its id."""
        return self._closed(group, own) if group.is_box else self._single(group, own)

    def _single(self, group: Group, own: str) -> ViewNode:
        node = group.nodes[0]
        leaf = group.is_leaf
        flags = ["accumulated"] if node.accumulated else []
        if any(
            words.is_nonfinite(s) for n in group.nodes for s in (*n.grad_inputs, *n.grad_outputs)
        ):
            flags.append("nonfinite")
        if any(map(self._failed, group.nodes)):
            flags.append("failed")
        return ViewNode(
            id=own,
            kind="accumulate" if leaf else "grad",
            title=self._leaf_title(node) if leaf else short_name(node.name),
            subtitle=self._leaf_subtitle(node) if leaf else self._of(node),
            badge=f"×{len(group.nodes)}" if len(group.nodes) > 1 else "",
            flags=tuple(flags),
            ops=_ops(group),
            source=None if node.op is None else words.op_line(self._recording.ops[node.op]),
            grads=tuple(node.id for node in group.nodes),
        )

    def _closed(self, group: Group, own: str) -> ViewNode:
        ops = _ops(group)
        bad = any(words.is_nonfinite(s) for node in group.nodes for s in node.grad_outputs)
        badge = ""
        if group.is_part or group.item is None:
            title = self.part_title(group)
        else:
            found = self._visible.drawn[group.item]
            title = names.title_of(self._index, self._index.boxes[found.box or 0], found.count)
            badge = f"×{found.count}" if found.count > 1 else ""
        return ViewNode(
            id=own,
            kind="box",
            title=title,
            subtitle=nodes_told(len(group.nodes)),
            badge=badge,
            flags=("nonfinite",) if bad else (),
            ops=ops,
            source=words.op_line(self._recording.ops[ops[0]]) if ops else None,
            grads=tuple(node.id for node in group.nodes),
        )

    def part_title(self, group: Group) -> str:
        """What the part is called that a group is, or lies in."""
        kind, _, rest = (group.part or "").partition(":")
        first, _, last = rest.partition("/")
        if kind == "nodes":
            return sentence("nodes {first:,}–{last:,}", first=int(first), last=int(last))
        name = self._recording.ops[int(first)].name
        if kind == "leaves":
            return sentence("gradients of {name}", name=name)
        return sentence("{name} backward", name=name)

    def _failed(self, node: GradNode) -> bool:
        failure = self._recording.failure
        return failure is not None and node.op is not None and failure.op == node.op

    def _leaf_title(self, node: GradNode) -> str:
        """A parameter's last name, with the module's before it; an input's name."""
        if node.parameter:
            return ".".join(node.parameter.split(".")[-2:])
        name = None if node.tensor is None else self._inputs.get(node.tensor)
        tensor = None if node.tensor is None else self._recording.tensors[node.tensor]
        return name or (tensor.variable if tensor is not None else None) or sentence("leaf")

    def _leaf_subtitle(self, node: GradNode) -> str:
        word = sentence("added to .grad") if node.accumulated else ".grad"
        tensor = None if node.tensor is None else self._recording.tensors[node.tensor]
        return words.dotted((word, "" if tensor is None else words.shape(tensor)))

    def _of(self, node: GradNode) -> str:
        if node.op is None:
            return ""
        if node.op not in self._said:  # many nodes are of one op, in the passes of a training
            op = self._recording.ops[node.op]
            path = words.op_module(self._recording, op)
            self._said[node.op] = words.dotted((sentence("of {name}", name=op.name), path))
        return self._said[node.op]


def nodes_told(count: int) -> str:
    """As in "3 nodes"."""
    return counted("{count} node", "{count} nodes", count)


def _ops(group: Group) -> tuple[int, ...]:
    return tuple(dict.fromkeys(node.op for node in group.nodes if node.op is not None))
