"""What has to be known of one IR graph before it is compared with another."""

from __future__ import annotations

from collections.abc import Hashable
from typing import Any

from inspector.records import IRNode, StaticGraph

CALLS = frozenset(("prim::CallMethod", "prim::CallFunction"))
CONSTANTS = frozenset(("prim::Constant", "prim::ConstantMKLDNNTensor"))
_BUILDERS = frozenset(("prim::ListConstruct", "prim::TupleConstruct"))
_STEERING = frozenset(("prim::If", "prim::Loop", "prim::RaiseException"))
_LOOKUPS = frozenset(
    """dim size len __is__ __isnot__ __not__ format warn __range_length __contains__ append extend
    insert _set_item is_grad_enabled""".split()
)
GUARDS = frozenset(
    """prim::TypeCheck prim::RequiresGradCheck prim::FusionGuard prim::CudaFusionGuard prim::Guard
    prim::BailOut prim::profile prim::profile_ivalue prim::Profile""".split()
)
"""Nodes that check whether what was assumed still holds."""


def is_group(kind: str) -> bool:
    """Whether a node holds a graph that runs as one: a fused kernel, or one autograd node."""
    name = kind.partition("::")[2]
    return kind.startswith("prim::") and ("Group" in name or name == "DifferentiableGraph")


def computes(node: IRNode) -> bool:
    """Whether a node computes or steers; constants, calls and bookkeeping only carry values."""
    namespace, _, name = node.kind.partition("::")
    if namespace != "prim":
        is_lookup = name in _LOOKUPS or (name == "__getitem__" and node.types == ("int",))
        return not is_lookup
    if node.kind in CONSTANTS or node.kind in CALLS:
        return False
    steers = node.kind in _STEERING or node.kind in GUARDS
    steers = steers or name in ("IfThenElse", "ConstantChunk")
    return steers or is_group(node.kind) or "mkldnn" in name.lower()


class Side:
    """One graph, with the way back from each value to what made it.

    Attributes:
        nodes: of the graph.
        maker: value -> (node id, output position); of a block's input the block's owner.
            Ask `made`, which looks through nested calls.
        users: node id -> ids of the nodes that take its outputs; -1 stands for a block's end.
        compared: ids of the nodes that take part: all but constants.
    """

    def __init__(self, graph: StaticGraph) -> None:
        self.graph = graph
        self.nodes = graph.nodes
        self.maker: dict[str, tuple[int, int]] = {}
        for node in graph.nodes:
            self.maker.update((value, (node.id, place)) for place, value in enumerate(node.outputs))
        for (owner, index), values in graph.block_inputs.items():
            if owner is not None:
                # Counted down, so that they differ from the owner's outputs.
                places = (-1 - place - 1000 * index for place in range(len(values)))
                self.maker.update(
                    (value, (owner, place)) for value, place in zip(values, places, strict=True)
                )
        self._same = _passed(graph)
        self.given = {value: place for place, value in enumerate(v.name for v in graph.inputs)}
        self.users: list[list[int]] = [[] for _ in graph.nodes]
        for node in graph.nodes:
            self._use(node.inputs, node.id)
        for values in graph.block_outputs.values():
            self._use(values, -1)
        self.compared = [node.id for node in graph.nodes if node.kind not in CONSTANTS]
        self._paths: dict[str, str] = {}
        self._literals: dict[str, Any] = {}
        for node in graph.nodes:
            self._learn(node)
        self.fixed = self._fixed_nodes()

    def plain(self, value: str) -> str:
        """The value that a nested call's argument or result is outside or inside of the call."""
        while value in self._same:
            value = self._same[value]
        return value

    def made(self, value: str) -> tuple[int, int] | None:
        """(node id, output position) of what made a value; None for inputs of the graph."""
        return self.maker.get(self.plain(value))

    def _use(self, values: tuple[str, ...], user: int) -> None:
        for value in values:
            made = self.made(value)
            if made is not None:
                self.users[made[0]].append(user)

    def _learn(self, node: IRNode) -> None:
        """Note which values are parameters, and which are written in the graph."""
        if node.kind == "prim::GetAttr":
            self._paths[node.outputs[0]] = self._attribute_path(node)
        elif node.kind in CONSTANTS and node.outputs:
            name = node.outputs[0].rpartition("/")[2].removeprefix("%")
            if name.startswith("self."):
                self._paths[node.outputs[0]] = name.removeprefix("self.")
            self._literals[node.outputs[0]] = node.attributes.get("value")
        elif node.kind in _BUILDERS and all(map(self._is_literal, node.inputs)):
            self._literals[node.outputs[0]] = [self.literal(value) for value in node.inputs]

    def _is_literal(self, value: str) -> bool:
        return self.plain(value) in self._literals

    def _attribute_path(self, node: IRNode) -> str:
        path = node.attributes.get("path") or node.attributes.get("module")
        if path:
            return str(path)
        owner = self._paths.get(self.plain(node.inputs[0]), node.module_path)
        return f"{owner}.{node.attributes.get('name', '')}".removeprefix(".")

    def _fixed_nodes(self) -> list[bool]:
        """Per node whether its result is known before any input is: by constants, or by types."""
        fixed = [False] * len(self.nodes)
        for node in self.nodes:
            if node.kind in CONSTANTS or node.kind == "prim::GetAttr":
                fixed[node.id] = True
            elif node.blocks == 0 and node.inputs and not node.kind.endswith("_"):
                makers = map(self.made, node.inputs)
                known = all(m is not None and m[1] >= 0 and fixed[m[0]] for m in makers)
                fixed[node.id] = known or self._told_by_types(node)
        return fixed

    def _told_by_types(self, node: IRNode) -> bool:
        """Whether a node asks if a value is None whose type says so."""
        if node.kind not in ("aten::__is__", "aten::__isnot__"):
            return False
        types = [self._type(value) for value in node.inputs]
        return "NoneType" in types and all(t and not t.endswith("?") for t in types)

    def _type(self, value: str) -> str:
        value = self.plain(value)
        made = self.maker.get(value)
        if made is None:
            place = self.given.get(value)
            return "" if place is None else self.graph.inputs[place].type
        types = self.nodes[made[0]].types
        return types[made[1]] if 0 <= made[1] < len(types) else ""

    def is_fixed(self, value: str) -> bool:
        """Whether a value is known before any input is."""
        made = self.made(value)
        return made is not None and made[1] >= 0 and self.fixed[made[0]]

    def path(self, value: str) -> str:
        """The path of the parameter or module that a value is; "" for others."""
        return self._paths.get(self.plain(value), "")

    def paths(self) -> set[str]:
        """All paths of parameters and modules that the graph reads."""
        return set(self._paths.values())

    def literal(self, value: str) -> Any:
        """What is written in the graph for a value; None where it is computed."""
        return self._literals.get(self.plain(value))

    def site(self, node: IRNode) -> Hashable:
        """Kind and place: the same in every stage, though not for one node alone."""
        if node.kind == "prim::GetAttr":
            return node.kind, self._attribute_path(node)
        source = node.source
        place = None if source is None else (source.file, source.line, source.column)
        return node.kind, place

    def parameters(self, node: IRNode) -> tuple[str, ...]:
        """The parameters that a node takes, which tell two calls of one module class apart."""
        return tuple(path for path in map(self.path, node.inputs) if path)

    def input_key(self, value: str) -> Hashable:
        """What a value is: a parameter, a literal, an input of the graph, or a node's output."""
        value = self.plain(value)
        if value in self._paths:
            return "parameter", self._paths[value]
        if value in self._literals:
            return "literal", repr(self._literals[value])
        if value in self.given:
            return "input", self.given[value]
        return "node", self.maker.get(value, (-1, 0))

    def around(self, node: IRNode) -> int | None:
        """The node whose block this one lies in; calls are looked through."""
        parent = node.parent
        while parent is not None and self.nodes[parent[0]].kind in CALLS:
            parent = self.nodes[parent[0]].parent
        return None if parent is None else parent[0]


def _passed(graph: StaticGraph) -> dict[str, str]:
    """Values that are others under a new name: arguments inside of a nested call, its results."""
    same: dict[str, str] = {}
    for node in graph.nodes:
        if node.kind in CALLS and node.blocks:
            inner = graph.block_inputs.get((node.id, 0), ())
            given = node.inputs[len(node.inputs) - len(inner) :]
            same.update(zip(inner, given, strict=False))
            same.update(zip(node.outputs, graph.block_outputs.get((node.id, 0), ()), strict=False))
    return same
