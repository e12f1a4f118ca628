"""Which nodes of a static graph an op can be: same place in the code, same module, same kind.

A place is looked for in this order: the exact position within the same module path, the exact
position whatever the path, the same line (for Python's own wrappers, such as iteration over a
tensor), and last the name within the module path. Nodes at one place differ in kind:
`tanh(x) * 0.5` has two at one column.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator

from inspector.overlay.values import is_tensor
from inspector.records import IRNode, Op, Source, StaticGraph

Slot = tuple[tuple[object, ...], str]
"""A place and a kind: what ops and nodes are matched by."""

_WRAPPERS = re.compile(r"torch[/\\](overrides|_tensor|_VF)\.py$")
"""Files of torch through which a call reaches the op: no node is ever there."""

READS = frozenset(
    "Bool Int Float item IntImplicit FloatImplicit ScalarImplicit ComplexImplicit Complex len"
    " is_nonzero equal allclose __contains__ tolist".split()
)
"""Kinds that read a tensor into a Python value."""

_SAME = {
    "multiply": "mul",
    "subtract": "sub",
    "divide": "div",
    "true_divide": "div",
    "truediv": "div",
    "floordiv": "floor_divide",
    "mod": "remainder",
    "absolute": "abs",
    "negative": "neg",
    "concat": "cat",
    "concatenate": "cat",
    "greater": "gt",
    "greater_equal": "ge",
    "less": "lt",
    "less_equal": "le",
    "not_equal": "ne",
    "clip": "clamp",
    "invert": "bitwise_not",
    "and": "bitwise_and",
    "or": "bitwise_or",
    "xor": "bitwise_xor",
    "swapaxes": "transpose",
    "swapdims": "transpose",
    "moveaxis": "movedim",
    "t": "numpy_t",
}
"""Names that TorchScript normalises away, and Python's own for an operator."""

_ALSO = {
    "getitem": "index select slice squeeze unsqueeze",
    "setitem": "index_put masked_fill copy fill",
    "bool": "bool is_nonzero item",
    "int": "int intimplicit item",
    "index": "int intimplicit item",
    "float": "float floatimplicit item",
    "complex": "complex compleximplicit item",
    "item": "item int float bool intimplicit floatimplicit scalarimplicit",
    "rsub": "rsub sub",
    "rdiv": "div mul reciprocal",
    "unbind": "unbind len",
    "iter": "unbind len",
    "len": "len size",
    "split": "split split_with_sizes",
    "t": "t numpy_t",
}


def plain(name: str) -> str:
    """A name of an op or kind without what differs between Python and TorchScript.

    In-place and not in-place count as the same: `x += 1` is "add_" or "iadd", by the recorder.
    """
    name = name.rpartition("::")[2].strip("_").lower()
    if len(name) > 3 and name[0] == "i" and name[1:] in _OPERATORS:
        name = name[1:]
    elif len(name) > 3 and name[0] == "r" and name[1:] in _OPERATORS:
        name = name[1:] if name != "rsub" and "div" not in name else name.replace("true", "")
    return _SAME.get(name, name)


_OPERATORS = frozenset(
    "add sub mul div truediv floordiv mod pow matmul and or xor lshift rshift".split()
)


def matches(op: str, kind: str) -> bool:
    """Whether an op called `op` can be a node of this kind."""
    left, right = plain(op), plain(kind)
    return left == right or right in _ALSO.get(left, "").split()


def _rank(op: str, kind: str) -> int:
    """How well a kind fits, of those that do: `x[:, 0]` is rather the select than the slice."""
    left, right = plain(op), plain(kind)
    return -1 if left == right else _ALSO[left].split().index(right)


def label(node: IRNode) -> str:
    """The kind of a node; a called function goes by its name."""
    if node.kind == "prim::CallFunction":
        return str(node.attributes.get("function", node.kind)).rpartition(".")[2]
    return node.kind


class Places:
    """All places of one static graph.

    `nodes_of` lists the nodes of each slot in text order, `slots_of` the slots of each node.
    """

    def __init__(self, static: StaticGraph) -> None:
        self.nodes_of: dict[Slot, list[int]] = {}
        self.slots_of: dict[int, tuple[Slot, ...]] = {}
        self.paths = {node.module_path for node in static.nodes}
        self._labels: dict[tuple[object, ...], list[str]] = {}
        self._known: dict[tuple[object, ...], Slot | None] = {}
        inside = library_insides(static)
        for node in static.nodes:
            if _can_be_op(node):
                self._add(node, node.id in inside)

    def _add(self, node: IRNode, inside: bool) -> None:
        name = label(node)
        slots = [(place, name) for place in _node_places(node, inside)]
        for slot in slots:
            self.nodes_of.setdefault(slot, []).append(node.id)
            labels = self._labels.setdefault(slot[0], [])
            if name not in labels:
                labels.append(name)
        self.slots_of[node.id] = tuple(slots)

    def slot(self, op: Op, path: str) -> Slot | None:
        """Where an op that ran in the module at `path` belongs; None when there is no place."""
        key = (path, op.name, op.call_site, op.source)
        if key not in self._known:
            self._known[key] = self._find(op, path)
        return self._known[key]

    def _find(self, op: Op, path: str) -> Slot | None:
        for place, exact in _op_places(op, path):
            labels = self._labels.get(place, [])
            fitting = [name for name in labels if matches(op.name, name)]
            if fitting:
                return place, min(fitting, key=lambda name: _rank(op.name, name))
            if exact and len(labels) == 1:
                return place, labels[0]
        return None


def library_insides(static: StaticGraph) -> set[int]:
    """Nodes within calls of torch's own functions: a recording sees such a call as one op."""
    inside: set[int] = set()
    for node in static.nodes:
        if node.parent is None:
            continue
        owner = static.nodes[node.parent[0]]
        called = str(owner.attributes.get("function", ""))
        if owner.id in inside or called.startswith("__torch__.torch."):
            inside.add(node.id)
    return inside


def _can_be_op(node: IRNode) -> bool:
    if node.source is None:
        return False
    if node.kind == "prim::CallFunction":
        return True
    space, _, base = node.kind.partition("::")
    if space == "prim":
        return base == "tolist"
    return base in READS or any(is_tensor(type_) or "Tensor" in type_ for type_ in node.types)


def _node_places(node: IRNode, inside: bool) -> Iterator[tuple[object, ...]]:
    source = node.source
    assert source is not None  # _can_be_op saw to it
    yield node.module_path, source.file, source.line, source.column
    if not inside:
        yield None, source.file, source.line, source.column
        yield node.module_path, source.file, source.line
        yield (node.module_path,)


def _op_places(op: Op, path: str) -> Iterator[tuple[tuple[object, ...], bool]]:
    """The places of an op, best first; true where it is the exact position."""
    found = tuple(sites(op))
    for site in found:
        # Only the call's own place is exact: `source` may be where the module was called.
        yield (path, site.file, site.line, site.column), site == op.call_site
    for site in found:
        yield (None, site.file, site.line, site.column), site == op.call_site
    for site in found:
        yield (path, site.file, site.line), False
    if op.call_site is None or _WRAPPERS.search(op.call_site.file):
        yield (path,), False


def sites(op: Op) -> Iterable[Source]:
    """Where an op was called, innermost first, without torch's own wrappers."""
    found = (op.call_site, op.source)
    return dict.fromkeys(site for site in found if site and not _WRAPPERS.search(site.file))
