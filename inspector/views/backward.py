"""The backward graph: the autograd nodes that ran, each in its forward op's box.

Drawn from bottom to top, so that gradients flow up beside a forward graph that flows down.
"""

from __future__ import annotations

from inspector.records import GradNode, Recording
from inspector.views import words
from inspector.views.boxes import BoxTree, visible_id
from inspector.views.hubs import SHARED, split_hubs
from inspector.views.model import GraphView, ViewBox, ViewEdge, ViewNode


def backward_view(recording: Recording, opened: frozenset[str]) -> GraphView:
    """The picture of all backward passes of a recording.

    Args:
        recording: what ran.
        opened: ids of open boxes, the same as for `dynamic_view`.
    """
    return _BackwardView(recording, opened).view()


def short_name(name: str) -> str:
    """As in "Addmm" for "AddmmBackward0"; other names stay."""
    stem, found, digits = name.rpartition("Backward")
    return stem if found and stem and digits.isdigit() else name


class _BackwardView:
    def __init__(self, recording: Recording, opened: frozenset[str]) -> None:
        self._recording = recording
        self._opened = opened
        self._tree = BoxTree(recording)
        self._opened_by_pass: dict[int, frozenset[str]] = {}
        self._several = len({node.pass_index for node in recording.grad_nodes}) > 1
        self._nodes: dict[str, ViewNode] = {}
        self._boxes: dict[str, ViewBox] = {}
        self._folded: dict[str, list[GradNode]] = {}
        owners = _owners(recording)
        self._where = [self._place(node, owners[node.id]) for node in recording.grad_nodes]

    def view(self) -> GraphView:
        for node in self._recording.grad_nodes:
            self._add(node)
        self._fold()
        hidden = sum(len(nodes) for nodes in self._folded.values())
        nodes, edges = split_hubs(self._nodes, self._edges())
        return GraphView(
            name="Backward graph",
            nodes=tuple(nodes),
            edges=tuple(edges),
            boxes=tuple(self._boxes.values()),
            direction="BT",
            hidden={"nodes in closed boxes": hidden} if hidden else {},
        )

    def _edges(self) -> list[ViewEdge]:
        """Where gradients went; a closed box hides those to parameters that many share."""
        users: dict[int, set[str]] = {}
        for node in self._recording.grad_nodes:
            for following in node.next:
                users.setdefault(following, set()).add(self._where[node.id][0])
        found: dict[tuple[str, str], None] = {}
        for node in self._recording.grad_nodes:
            source = self._where[node.id][0]
            for following in node.next:
                leaf = self._recording.grad_nodes[following].name == "AccumulateGrad"
                shared = leaf and len(users[following]) > SHARED
                if self._where[following][0] != source and not (shared and source in self._folded):
                    found[source, self._where[following][0]] = None
        return [ViewEdge(source, target, "", "grad") for source, target in found]

    def _place(self, node: GradNode, op: int | None) -> tuple[str, str | None]:
        """(what is drawn for a node, its box), opening the boxes on the way.

        A node lies in the boxes of its forward op; a leaf's AccumulateGrad in those of the
        op that uses the leaf. Several passes have a box each.
        """
        path = [] if op is None else [_in_pass(box, node) for box in self._tree.of_op(op)]
        if self._several:
            outer = f"pass:{node.pass_index}"
            self._boxes.setdefault(
                outer, ViewBox(outer, f"backward pass {node.pass_index}", None, "step")
            )
            drawn, parent = visible_id(f"grad:{node.id}", path, self._opened_in(node))
            box: str | None = parent or outer
        else:
            drawn, box = visible_id(f"grad:{node.id}", path, self._opened_in(node))
        above = f"pass:{node.pass_index}" if self._several else None
        for step in path:
            if step not in self._opened_in(node):
                break
            if step not in self._boxes:
                record = self._tree.box(step.partition("@")[0], above)
                self._boxes[step] = ViewBox(step, record.title, above, record.kind, record.subtitle)
            above = step
        return drawn, box

    def _opened_in(self, node: GradNode) -> frozenset[str]:
        """The open boxes by their ids in the node's pass."""
        known = self._opened_by_pass.get(node.pass_index)
        if known is None:
            known = frozenset(_in_pass(box, node) for box in self._opened)
            self._opened_by_pass[node.pass_index] = known
        return known

    def _add(self, node: GradNode) -> None:
        drawn, box = self._where[node.id]
        if drawn != f"grad:{node.id}":
            self._folded.setdefault(drawn, []).append(node)
            self._nodes.setdefault(drawn, ViewNode(drawn, "box", drawn, box=box))
            return
        op = None if node.op is None else self._recording.ops[node.op]
        leaf = node.name == "AccumulateGrad"
        flags = ["accumulated"] if node.accumulated else []
        if any(words.is_nonfinite(s) for s in (*node.grad_inputs, *node.grad_outputs)):
            flags.append("nonfinite")
        if self._failed(node):
            flags.append("failed")
        self._nodes[drawn] = ViewNode(
            id=drawn,
            kind="accumulate" if leaf else "grad",
            title=(node.parameter or "leaf").rpartition(".")[2] if leaf else short_name(node.name),
            subtitle=self._leaf_subtitle(node) if leaf else self._of(node),
            box=box,
            flags=tuple(flags),
            ops=() if node.op is None else (node.op,),
            source=None if op is None else words.op_line(op),
            grads=(node.id,),
        )

    def _failed(self, node: GradNode) -> bool:
        failure = self._recording.failure
        return failure is not None and node.op is not None and failure.op == node.op

    def _leaf_subtitle(self, node: GradNode) -> str:
        word = "added to .grad" if node.accumulated else ".grad"
        if node.tensor is None:
            return word
        return f"{word} · {words.shape(self._recording.tensors[node.tensor])}"

    def _of(self, node: GradNode) -> str:
        if node.op is None:
            return ""
        op = self._recording.ops[node.op]
        path = words.op_module(self._recording, op)
        return f"of {op.name}" + (f" · {path}" if path else "")

    def _fold(self) -> None:
        for box, nodes in self._folded.items():
            record = self._tree.box(box.partition("@")[0], None)
            ops = tuple(dict.fromkeys(node.op for node in nodes if node.op is not None))
            bad = any(words.is_nonfinite(s) for node in nodes for s in node.grad_outputs)
            self._nodes[box] = ViewNode(
                id=box,
                kind="box",
                title=record.title,
                subtitle=words.plural(len(nodes), "node"),
                box=self._nodes[box].box,
                flags=("nonfinite",) if bad else (),
                ops=ops,
                source=words.op_line(self._recording.ops[ops[0]]) if ops else None,
                grads=tuple(node.id for node in nodes),
            )


def _in_pass(box: str, node: GradNode) -> str:
    """Box ids are unique in a view: from the second pass on they name the pass."""
    return box if node.pass_index == 0 else f"{box}@{node.pass_index}"


def _owners(recording: Recording) -> list[int | None]:
    """For each node the forward op whose boxes it lies in."""
    owners = [node.op for node in recording.grad_nodes]
    for node in recording.grad_nodes:
        for following in node.next:
            if owners[following] is None:
                owners[following] = owners[node.id]
    return owners
