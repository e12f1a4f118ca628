"""Reads a graph whose calls are inlined already: what freezing and the executor make.

Unlike `inspector.torchscript.unfold` there is nothing to nest but blocks, and the graphs inside
of nodes (`prim::TensorExprGroup`, `prim::DifferentiableGraph`), which become block 0 of their
node. Parameters carry their path: a GetAttr in its attribute "path", a constant that was a
parameter in its name ("%self.conv.weight").
"""

from __future__ import annotations

import linecache
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import torch

from inspector.records import IRNode, IRValue, StaticGraph
from inspector.torchscript.template import TemplateBlock, TemplateNode, read_graph

_TORCH = str(Path(torch.__file__).parent)


def read_flat(
    graph: Any, *, kind: str, name: str, labels: list[str], is_method: bool
) -> StaticGraph:
    """Read an inlined graph.

    Args:
        graph: a `torch._C.Graph`.
        kind: kept as the graph's kind ("frozen", ...).
        name: the model's name.
        labels: the user's names of the inputs, the module itself included.
        is_method: whether the first input is the module itself.
    """
    template = read_graph(graph, "forward" if is_method else name)
    reader = _Reader()
    if is_method:
        reader.paths["%" + template.body.inputs[0]] = ""
    reader.block(template.body, None, 0, "")
    nodes = tuple(node for node in reader.nodes if node is not None)
    rows = list(zip(template.body.inputs, labels, template.input_types, strict=False))
    return StaticGraph(
        kind=kind,
        nodes=nodes,
        text=str(graph),
        sources=_sources(nodes),
        inputs=tuple(
            IRValue("%" + value, label, type_) for value, label, type_ in rows[int(is_method) :]
        ),
        block_inputs=reader.block_inputs,
        block_outputs=reader.block_outputs,
        name=name,
    )


class _Reader:
    """Collects nodes and blocks; `paths` maps values that are modules to their module paths."""

    def __init__(self) -> None:
        self.nodes: list[IRNode | None] = []
        self.block_inputs: dict[tuple[int | None, int], tuple[str, ...]] = {}
        self.block_outputs: dict[tuple[int | None, int], tuple[str, ...]] = {}
        self.paths: dict[str, str] = {}

    def block(self, block: TemplateBlock, owner: int | None, index: int, prefix: str) -> None:
        self.block_inputs[owner, index] = _named(block.inputs, prefix)
        parent = None if owner is None else (owner, index)
        for node in block.nodes:
            self._node(node, parent, prefix)
        self.block_outputs[owner, index] = _named(block.outputs, prefix)

    def _node(self, node: TemplateNode, parent: tuple[int, int] | None, prefix: str) -> None:
        number = len(self.nodes)
        self.nodes.append(None)  # keeps the place: a node comes before the nodes of its blocks
        inputs, outputs = _named(node.inputs, prefix), _named(node.outputs, prefix)
        attributes = self._attributes(node, inputs, outputs)
        for index, inner in enumerate(node.blocks):
            self.block(inner, number, index, prefix)
        opened = self._open(node.live, number, prefix) if "Subgraph" in node.attributes else 0
        self.nodes[number] = IRNode(
            id=number,
            kind=node.kind,
            inputs=inputs,
            outputs=outputs,
            parent=parent,
            module_path=self._module(attributes, inputs, node.live),
            source=node.source,
            attributes=attributes,
            types=node.types,
            text=node.text,
            blocks=len(node.blocks) + opened,
        )

    def _open(self, live: Any, number: int, prefix: str) -> int:
        """The graph inside a node as its block 0; its values get a prefix of their own."""
        graph = live.g("Subgraph")
        inner = read_graph(graph, live.kind()).body
        self.block(inner, number, 0, f"{prefix}group{number}/")
        return 1

    def _attributes(
        self, node: TemplateNode, inputs: tuple[str, ...], outputs: tuple[str, ...]
    ) -> Mapping[str, Any]:
        attributes = {name: value for name, value in node.attributes.items() if name != "Subgraph"}
        if node.kind == "prim::GetAttr" and inputs[0] in self.paths:
            path = f"{self.paths[inputs[0]]}.{attributes['name']}".removeprefix(".")
            attributes["path"] = self.paths[outputs[0]] = path
        return attributes

    def _module(self, attributes: Mapping[str, Any], inputs: tuple[str, ...], live: Any) -> str:
        """The module that a node works for: by the trace's scope, or whose parameters it uses."""
        scope = str(live.scopeName()).rpartition("/")[2].rpartition("::")[2]
        if scope.startswith("__module"):
            return scope.removeprefix("__module").removeprefix(".")
        if "path" in attributes:
            return ""
        owners = (self.paths[value].rpartition(".")[0] for value in inputs if value in self.paths)
        constants = (_parameter(value).rpartition(".")[0] for value in inputs)
        return next((owner for owner in (*owners, *constants) if owner), "")


def _parameter(value: str) -> str:
    """The path of a parameter that freezing made a constant; "" for other values."""
    name = value.rpartition("/")[2].removeprefix("%")
    return name.removeprefix("self.") if name.startswith("self.") else ""


def _named(values: tuple[str, ...], prefix: str) -> tuple[str, ...]:
    return tuple(f"{prefix}%{value}" for value in values)


def _sources(nodes: tuple[IRNode, ...]) -> dict[str, str]:
    """The text of the user's files that the nodes come from."""
    files = sorted({node.source.file for node in nodes if node.source is not None})
    texts = {
        file: "".join(linecache.getlines(file)) for file in files if not file.startswith(_TORCH)
    }
    return {file: text for file, text in texts.items() if text}
