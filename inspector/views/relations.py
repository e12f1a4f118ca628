"""What belongs together though no edge of a picture says so: saved tensors, shared parameters.

An autograd node keeps tensors for its backward, often ones that were made far away; a parameter
that many ops take is drawn anew beside each. A picture with all such edges cannot be read, so they
are told for one item at a time.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from typing import TYPE_CHECKING

from inspector.records import GradNode, Recording

if TYPE_CHECKING:
    from inspector.views.index import ViewIndex

MOST = 60
"""Relations that are told; of more, only how many there are."""

SAVED, KEPT, SHARED = "saved", "kept", "shared"


@dataclass(frozen=True, slots=True)
class Relation:
    """One relation of an item.

    `kind` is "saved" (the item's autograd node `grad` keeps `tensor` for its backward), "kept"
    (the item made `tensor`, which another op's autograd node keeps) or "shared" (op `op` takes the
    same parameter, buffer or input). `maker` is the op that made the tensor, None for one from
    outside; `op` the one whose autograd node keeps it, None where that is not known.
    """

    kind: str
    tensor: int
    maker: int | None
    op: int | None
    grad: int | None = None


@dataclass(frozen=True, slots=True)
class Relations:
    """Relations of one item, at most `MOST` of them.

    `saved_bytes` are those of the different tensors that the item's autograd nodes keep: each
    memory once, at its largest. `count` is how many relations there are in all.
    """

    found: tuple[Relation, ...] = ()
    count: int = 0
    saved_bytes: int = 0


class Keepers:
    """The autograd nodes of each op, and those that keep each tensor for their backward.

    Args:
        nodes: of the recording.
    """

    def __init__(self, nodes: Iterable[GradNode]) -> None:
        self._of_op: dict[int, list[int]] = {}
        self._of_tensor: dict[int, list[int]] = {}
        for node in nodes:
            if node.op is not None:
                self._of_op.setdefault(node.op, []).append(node.id)
            for tensor in node.saved:
                self._of_tensor.setdefault(tensor, []).append(node.id)

    def of_ops(self, ops: Iterable[int]) -> list[int]:
        """The nodes that these ops made, ascending."""
        return sorted(node for op in ops for node in self._of_op.get(op, ()))

    def of_tensors(self, tensors: Iterable[int]) -> list[int]:
        """The nodes that keep one of these tensors, each once, ascending."""
        return sorted({node for tensor in tensors for node in self._of_tensor.get(tensor, ())})


def relations(recording: Recording, index: ViewIndex, item: str) -> Relations:
    """What an item of the dynamic, backward or combined picture keeps, and shares.

    Args:
        recording: what ran.
        index: of the recording.
        item: id of a node or box ("op:3", "grad:5", "parameters:2", "tensor:7@op:9", "call:1").
            One that is not known has no relations.
    """
    kind, number = _number(item)
    if kind == "grad":
        nodes = recording.grad_nodes[number : number + 1]
        return _told(recording, index.keepers, nodes, (), ())
    if kind == "parameters" and number < len(recording.ops):
        taken = index.edges.parameters.get(number, ())
        return _told(recording, index.keepers, (), (), _uses(index, taken))
    if kind in ("tensor", "input", "output") and number in recording.tensors:
        return _told(recording, index.keepers, (), (number,), _uses(index, (number,)))
    if kind == "op" and number < len(recording.ops):
        ops: Iterable[int] = (number,)
    else:
        box = index.by_id.get(item.partition("@")[0])
        ops = () if not box else index.ops_of(box)
    inside = frozenset(ops)
    own = [recording.grad_nodes[node] for node in index.keepers.of_ops(inside)]
    made = [tensor for op in sorted(inside) for tensor in recording.ops[op].outputs]
    return _told(recording, index.keepers, own, made, ())


def saved_by_op(recording: Recording) -> dict[int, tuple[int, ...]]:
    """Op -> the tensors that its autograd nodes keep for their backward, each once, ascending."""
    found: dict[int, set[int]] = {}
    for node in recording.grad_nodes:
        if node.op is not None and node.saved:
            found.setdefault(node.op, set()).update(node.saved)
    return {op: tuple(sorted(tensors)) for op, tensors in found.items()}


def saved_bytes(recording: Recording, tensors: Iterable[int]) -> int:
    """Bytes of these tensors; of those that share memory the largest counts."""
    largest: dict[object, int] = {}
    for number in tensors:
        tensor = recording.tensors[number]
        where = ("tensor", number) if tensor.storage is None else ("storage", tensor.storage)
        largest[where] = max(largest.get(where, 0), tensor.nbytes)
    return sum(largest.values())


def _number(item: str) -> tuple[str, int]:
    kind, _, rest = item.partition("@")[0].partition(":")
    return (kind, int(rest)) if rest.isdecimal() and len(rest) < 12 else ("", 0)


def _uses(index: ViewIndex, tensors: Iterable[int]) -> Iterator[Relation]:
    """The ops that take values from outside."""
    for tensor in tensors:
        for op in index.flow.consumers.get(tensor, ()):
            yield Relation(SHARED, tensor, None, op)


def _told(
    recording: Recording,
    keepers: Keepers,
    own: Iterable[GradNode],
    made: Iterable[int],
    shared: Iterable[Relation],
) -> Relations:
    """The relations of autograd nodes and of tensors, and those in `shared`."""
    own, wanted = tuple(own), frozenset(made)
    mine = {node.id for node in own}
    found = [_kept(recording, SAVED, node, tensor) for node in own for tensor in node.saved]
    found.extend(
        _kept(recording, KEPT, recording.grad_nodes[node], tensor)
        for node in keepers.of_tensors(wanted)
        if node not in mine
        for tensor in recording.grad_nodes[node].saved
        if tensor in wanted
    )
    found.extend(shared)
    held = saved_bytes(recording, {tensor for node in own for tensor in node.saved})
    return Relations(tuple(found[:MOST]), len(found), held)


def _kept(recording: Recording, kind: str, node: GradNode, tensor: int) -> Relation:
    return Relation(kind, tensor, recording.tensors[tensor].producer, node.op, node.id)
