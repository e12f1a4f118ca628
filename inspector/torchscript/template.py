"""Reads one `torch._C.Graph` into plain values: a `Template`.

TorchScript compiles a method once per module *type*, so the graph of `Linear.forward` is read
once however many Linears a model has; `inspector.torchscript.unfold` makes one copy per call.
Value names are the graph's own here ("y.1"), without the "%".
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

import torch

from inspector.records import Source

_POSITION = re.compile(r" # (?P<file>.+):(?P<line>\d+):(?P<column>\d+)$")
_CARETS = re.compile(r"^\s*(?P<marks>~+)(?: <--- HERE)?$")
_FRAME = re.compile(r"^(?P<file>.+)\((?P<line>\d+)\): (?P<function>.+)$")
_SERIALIZED = re.compile(r'Serialized\s+File "(?P<file>[^"]+)", line (?P<line>\d+)')

_PLUMBING = ("torch/nn/modules/module.py", "inspector/torchscript/make.py")
"""Frames of a traced node's stack that only pass a call on."""


@dataclass(frozen=True, slots=True)
class TemplateNode:
    """One node. `function` is the qualified name of the function that a CallFunction calls.

    `receiver` is that of the class whose method a CallMethod calls. `live` is the
    `torch._C.Node` itself, which is valid as long as its graph is held.
    """

    kind: str
    inputs: tuple[str, ...]
    outputs: tuple[str, ...]
    types: tuple[str, ...]
    attributes: Mapping[str, Any]
    text: str
    source: Source | None
    blocks: tuple[TemplateBlock, ...]
    function: str = ""
    receiver: str = ""
    live: Any = field(default=None, repr=False, compare=False)


@dataclass(frozen=True, slots=True)
class TemplateBlock:
    """The nodes of one block, and the values that enter and leave it."""

    inputs: tuple[str, ...]
    nodes: tuple[TemplateNode, ...]
    outputs: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Template:
    """One graph: its body, and the types of its inputs as TorchScript prints them."""

    body: TemplateBlock
    input_types: tuple[str, ...]
    function: str
    graph: Any = field(default=None, repr=False, compare=False)


def read_graph(graph: Any, function: str) -> Template:
    """Read a graph.

    Args:
        graph: the `torch._C.Graph` of a method or function.
        function: its name, kept as the `function` of the nodes' sources.
    """
    inputs = _names(graph.inputs())
    header = str(graph).split("):\n", 1)[0]
    return Template(
        body=TemplateBlock(
            inputs=inputs,
            nodes=tuple(_node(node, function) for node in graph.nodes()),
            outputs=_names(graph.outputs()),
        ),
        input_types=_printed_types(header, inputs),
        function=function,
        graph=graph,
    )


def _block(block: Any, function: str) -> TemplateBlock:
    return TemplateBlock(
        inputs=_names(block.inputs()),
        nodes=tuple(_node(node, function) for node in block.nodes()),
        outputs=_names(block.outputs()),
    )


def _node(node: Any, function: str) -> TemplateNode:
    kind = node.kind()
    text = str(node).split("\n", 1)[0].strip().removeprefix("= ")
    source, extra = _position(node, text, function)
    outputs = _names(node.outputs())
    return TemplateNode(
        kind=kind,
        inputs=_names(node.inputs()),
        outputs=outputs,
        types=_printed_types(text.split(f" = {kind}", 1)[0], outputs),
        attributes={**_attributes(node), **extra},
        text=text,
        source=source,
        blocks=tuple(_block(block, function) for block in node.blocks()),
        function=_called_function(node) if kind == "prim::CallFunction" else "",
        receiver=_receiver(node) if kind == "prim::CallMethod" else "",
        live=node,
    )


def _names(values: Any) -> tuple[str, ...]:
    return tuple(value.debugName() for value in values)


def _printed_types(declarations: str, names: tuple[str, ...]) -> tuple[str, ...]:
    """The types in "%a : Float(2, 3, device=cpu), %b : int"; `str` of a type omits the shape."""
    marks = [f"%{name} : " for name in names]
    starts = [declarations.index(mark) for mark in marks]
    ends = [*starts[1:], len(declarations)][: len(names)]
    return tuple(
        declarations[start + len(mark) : end].strip().rstrip(",")
        for mark, start, end in zip(marks, starts, ends, strict=True)
    )


def _called_function(node: Any) -> str:
    # The type of the first input names the function: the constant itself holds the short name.
    return str(next(iter(node.inputs())).type().annotation_str)


def _receiver(node: Any) -> str:
    type_ = next(iter(node.inputs())).type()
    return str(type_.qualified_name()) if isinstance(type_, torch._C.ClassType) else ""


def _attributes(node: Any) -> dict[str, Any]:
    found: dict[str, Any] = {}
    for name in node.attributeNames():
        # Each kind of attribute ("i", "fs", "ival", ...) is read by the method of that name.
        reader = getattr(node, node.kindOf(name), None)
        found[name] = readable(reader(name)) if reader is not None else "?"
    if node.kind() == "prim::Constant" and not found:
        found["value"] = None
    elif node.kind() == "prim::Constant" and str(node.output().type()) == "bool":
        found["value"] = bool(found["value"])  # the graph stores it as an int
    return found


def readable(value: Any) -> Any:
    """A constant as a value without live tensors: scalars, strings, None, lists, tuples, dicts.

    A tensor becomes a text such as "Tensor(2x3 float32)"; whatever else there is, its `str`.
    """
    if value is None or isinstance(value, bool | int | float | str | complex):
        return value
    if isinstance(value, torch.Tensor):
        shape = "x".join(str(size) for size in value.shape) or "scalar"
        return f"Tensor({shape} {str(value.dtype).removeprefix('torch.')})"
    if isinstance(value, list):
        return [readable(item) for item in value]
    if isinstance(value, tuple):
        return tuple(readable(item) for item in value)
    if isinstance(value, dict):
        return {str(key): readable(item) for key, item in value.items()}
    return str(value)


def _position(node: Any, text: str, function: str) -> tuple[Source | None, dict[str, Any]]:
    """Where a node comes from; with the stack of a traced, the archive's line of a loaded one."""
    match = _POSITION.search(text)
    if match is None:
        return None, {}
    file, line, column = match["file"], int(match["line"]), int(match["column"])
    if line == 0:  # ":0:0" is how an archive says "nowhere"
        return None, {}
    described = node.sourceRange()
    stack = _stack(described)
    if stack:
        inner = stack[0].rsplit(":", 1)[-1]
        return Source(file, line, column, inner), {"stack": stack}
    end_line, end_column = _end(described, line)
    source = Source(file, line, column, function, end_line, end_column)
    archived = _SERIALIZED.search(described)
    return source, {"archived": f"{archived['file']}:{archived['line']}"} if archived else {}


def _stack(described: str) -> tuple[str, ...]:
    """The Python frames of a traced node, innermost first, as "file:line:function"."""
    frames: list[str] = []
    for row in described.splitlines():
        match = _FRAME.match(row)
        if match is None or _is_in(match["file"], "torch/jit/_trace.py"):
            break  # where the stack leaves the model
        if not _is_in(match["file"], *_PLUMBING):
            frames.append(f"{match['file']}:{match['line']}:{match['function']}")
    return tuple(frames)


def _is_in(file: str, *endings: str) -> bool:
    return file.replace("\\", "/").endswith(endings)


def _end(described: str, line: int) -> tuple[int | None, int | None]:
    """Where the expression ends: torch underlines each of its lines in a row of its own."""
    described = described.split("Serialized ", 1)[0]
    rows = [match for match in map(_CARETS.match, described.splitlines()) if match]
    if not rows:
        return None, None
    return line + len(rows) - 1, rows[-1].end("marks")
