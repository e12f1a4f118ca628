"""Nests the graphs that a graph calls into one `StaticGraph`.

    graph of the model            StaticGraph
    %1 = aten::mean(%x)           0  aten::mean
    %2 = CallMethod(%sub, %1)     1  prim::CallMethod        module_path ""
                                  2    aten::linear          module_path "sub", parent (1, 0)

The callee's nodes are block 0 of the call; its inputs, the module itself included, are that
block's inputs. A callee that is known only when the code runs (a method of an interface) leaves
the call closed.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any

import torch

from inspector.records import IRNode, IRValue
from inspector.torchscript.template import (
    Template,
    TemplateBlock,
    TemplateNode,
    read_graph,
    readable,
)

MAX_DEPTH = 200
"""Calls within calls. TorchScript has no recursion; this only bounds a malformed file."""

MAX_NODES = 300_000
"""Calls beyond this many nodes stay closed: a function called everywhere grows exponentially."""

Blocks = dict[tuple[int | None, int], tuple[str, ...]]


@dataclass(frozen=True, slots=True)
class _Instance:
    """One call of one graph: the prefix of its value names, its module and the module's path."""

    prefix: str
    path: str
    depth: int
    modules: dict[str, tuple[Any, str]] = field(default_factory=dict)


@dataclass(slots=True)
class Unfolded:
    """Collects the nodes of a graph and of all that it calls.

    Args:
        find_function: qualified name -> ScriptFunction or None.
        first_path: maps each path of a shared submodule to the first of its paths, which is
            the one that `named_modules` gives.

    `live` holds the `torch._C.Node` behind each node.
    """

    find_function: Callable[[str], Any]
    first_path: Mapping[str, str]
    nodes: list[IRNode | None] = field(default_factory=list)
    live: list[Any] = field(default_factory=list)
    block_inputs: Blocks = field(default_factory=dict)
    block_outputs: Blocks = field(default_factory=dict)
    inputs: tuple[IRValue, ...] = ()
    _templates: dict[tuple[str, str], Template] = field(default_factory=dict)
    _prefixes: Counter[str] = field(default_factory=Counter)

    def add_root(self, graph: Any, module: Any, name: str, labels: list[str]) -> None:
        """Unfold the graph of a model.

        Args:
            graph: the model's `torch._C.Graph`.
            module: its `torch._C.ScriptModule`; None for a function.
            name: name of the method or function.
            labels: the user's names of the inputs, the module itself included.
        """
        template = self._template("", name, graph, name)
        instance = _Instance(prefix="", path="", depth=0)
        if module is not None:
            instance.modules[template.body.inputs[0]] = (module, "")
        rows = list(zip(template.body.inputs, labels, template.input_types, strict=True))
        self.inputs = tuple(
            IRValue("%" + value, label, type_)
            for value, label, type_ in rows[0 if module is None else 1 :]
        )
        self._block(template.body, instance, None, 0)

    @property
    def graphs(self) -> list[Any]:
        """The graphs that were read; the nodes of `live` are valid as long as they are held."""
        return [template.graph for template in self._templates.values()]

    def _block(
        self, block: TemplateBlock, instance: _Instance, owner: int | None, index: int
    ) -> None:
        self.block_inputs[owner, index] = _named(block.inputs, instance)
        for node in block.nodes:
            self._node(node, instance, None if owner is None else (owner, index))
        self.block_outputs[owner, index] = _named(block.outputs, instance)

    def _node(
        self, node: TemplateNode, instance: _Instance, parent: tuple[int, int] | None
    ) -> None:
        number = len(self.nodes)
        self.nodes.append(None)  # keeps the place: a node comes before the nodes of its blocks
        self.live.append(node.live)
        attributes = dict(node.attributes)
        if node.kind == "prim::GetAttr":
            attributes.update(self._attribute(node, instance))
        elif node.function:
            attributes["function"] = node.function
        for index, block in enumerate(node.blocks):
            self._block(block, instance, number, index)
        opened = self._open(node, instance, number)
        self.nodes[number] = IRNode(
            id=number,
            kind=node.kind,
            inputs=_named(node.inputs, instance),
            outputs=_named(node.outputs, instance),
            parent=parent,
            module_path=instance.path,
            source=node.source,
            attributes=attributes,
            types=node.types,
            text=node.text,
            blocks=len(node.blocks) + opened,
        )

    def _attribute(self, node: TemplateNode, instance: _Instance) -> dict[str, Any]:
        """Follow a GetAttr: a submodule is remembered, a plain value is noted on the node."""
        owner, path = instance.modules.get(node.inputs[0], (None, ""))
        if owner is None or not owner.hasattr(node.attributes["name"]):
            return {}
        value = owner.getattr(node.attributes["name"])
        if isinstance(value, torch._C.ScriptModule):
            below = f"{path}.{node.attributes['name']}".removeprefix(".")
            below = self.first_path.get(below, below)
            instance.modules[node.outputs[0]] = (value, below)
            return {"module": below}
        if isinstance(value, torch._C.ScriptObject):
            return {}
        return {"value": readable(value)}

    def _open(self, node: TemplateNode, instance: _Instance, number: int) -> int:
        """Unfold the callee of a call as block 0; 1 when that was possible, else 0."""
        if instance.depth >= MAX_DEPTH or len(self.nodes) >= MAX_NODES:
            return 0
        module: Any = None
        path = instance.path
        if node.kind == "prim::CallMethod" and node.inputs[0] in instance.modules:
            module, path = instance.modules[node.inputs[0]]
            name = node.attributes["name"]
            template = self._method(module, name)
            step = path if path != instance.path else ""
            step += "" if step and name == "forward" else f".{name}()"
            step = step.removeprefix(".")
        elif node.kind in ("prim::CallFunction", "prim::CallMethod"):
            called = node.function or f"{node.receiver}.{node.attributes['name']}"
            function = self.find_function(called)
            if function is None:
                return 0
            step = called.rsplit(".", 1)[-1] + "()"
            template = self._template(called, "", function.graph, step[:-2])
        else:
            return 0
        callee = _Instance(self._prefix(instance, step), path, instance.depth + 1)
        if module is not None:
            callee.modules[template.body.inputs[0]] = (module, path)
        self._block(template.body, callee, number, 0)
        return 1

    def _method(self, module: Any, name: str) -> Template:
        method = module._get_method(name)
        return self._template(str(module._type()), name, method.graph, name)

    def _template(self, owner: str, method: str, graph: Any, function: str) -> Template:
        key = (owner, method)
        if key not in self._templates:
            self._templates[key] = read_graph(graph, function)
        return self._templates[key]

    def _prefix(self, instance: _Instance, step: str) -> str:
        """A prefix of its own for each call: "linear/", and "linear#2/" for its second call."""
        prefix = instance.prefix + step
        self._prefixes[prefix] += 1
        count = self._prefixes[prefix]
        return f"{prefix}/" if count == 1 else f"{prefix}#{count}/"


def _named(values: tuple[str, ...], instance: _Instance) -> tuple[str, ...]:
    return tuple(f"{instance.prefix}%{value}" for value in values)
