"""Static graphs, and what ran of them, as JSON between processes. Reading it runs nothing.

What JSON does not have is an object with one key: {"float": "nan"}, {"complex": [0.0, 1.0]},
{"tuple": [...]}, {"dict": {...}}. A graph that was read is not live: `interpret` refuses it.
"""

from __future__ import annotations

import json
import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import fields, replace
from typing import Any

from inspector.errors import FileFormatError
from inspector.language import sentence
from inspector.records import IRNode, IRValue, Overlay, Source, StaticGraph, StaticWarning
from inspector.retold import as_json, from_json

FORMAT = "inspector-static"
VERSION = 1
MAX_NODES = 200_000
MAX_DEPTH = 50
"""Of lists within lists of a node's attributes."""

Place = tuple[int | None, int]


def static_to_json(static: StaticGraph) -> bytes:
    """Write a static graph.

    Raises:
        FileFormatError: an attribute of a node is not plain (see `IRNode.attributes`).
    """
    known = {
        "format": FORMAT,
        "version": VERSION,
        "kind": static.kind,
        "name": static.name,
        "text": static.text,
        "sources": dict(static.sources),
        "nodes": [_node_out(node) for node in static.nodes],
        "inputs": [[value.name, value.label, value.type] for value in static.inputs],
        "warnings": [
            [one.category, one.message, one.file, one.line, one.remedy] for one in static.warnings
        ],
        "sentences": as_json(_prose(static.warnings)),
        "block_inputs": _blocks_out(static.block_inputs),
        "block_outputs": _blocks_out(static.block_outputs),
    }
    return json.dumps(known, allow_nan=False, separators=(",", ":")).encode()


def _blocks_out(blocks: Mapping[Place, tuple[str, ...]]) -> list[Any]:
    return [[owner, block, list(values)] for (owner, block), values in blocks.items()]


def _node_out(node: IRNode) -> dict[str, Any]:
    source = node.source
    return {
        "kind": node.kind,
        "inputs": list(node.inputs),
        "outputs": list(node.outputs),
        "parent": None if node.parent is None else list(node.parent),
        "module_path": node.module_path,
        "source": None
        if source is None
        else [getattr(source, field.name) for field in fields(Source)],
        "attributes": {name: _plain(value) for name, value in node.attributes.items()},
        "types": list(node.types),
        "text": node.text,
        "blocks": node.blocks,
    }


def _plain(value: Any) -> Any:
    if value is None or isinstance(value, bool | int | str):
        return value
    if isinstance(value, float):
        return value if math.isfinite(value) else {"float": repr(value)}
    if isinstance(value, complex):
        return {"complex": [_plain(value.real), _plain(value.imag)]}
    if isinstance(value, list):
        return [_plain(item) for item in value]
    if isinstance(value, tuple):
        return {"tuple": [_plain(item) for item in value]}
    if isinstance(value, Mapping):
        return {"dict": {str(key): _plain(item) for key, item in value.items()}}
    raise FileFormatError(f"A static graph holds plain values only, not {type(value).__name__}.")


def overlay_to_json(overlay: Overlay, static: StaticGraph) -> bytes:
    """Write the counts of an overlay: executions, branches and trips.

    Args:
        overlay: what ran; a node without a count is one that did not run.
        static: the graph.
    """
    known = {
        "executions": [overlay.executions.get(node.id, 0) for node in static.nodes],
        "taken": [[node, list(visits)] for node, visits in overlay.taken.items()],
        "trips": [[node, list(visits)] for node, visits in overlay.trips.items()],
    }
    return json.dumps(known, separators=(",", ":")).encode()


def static_from_json(text: bytes, name: str) -> StaticGraph:
    """Read what `static_to_json` wrote.

    Args:
        text: the JSON.
        name: of where it comes from, for messages.

    Raises:
        FileFormatError: it is something else, or a reference in it leads nowhere.
    """
    try:
        return _checked(_graph(json.loads(text)))
    except (ValueError, TypeError, KeyError, IndexError, AttributeError, RecursionError) as error:
        raise FileFormatError(f"{name} is not a readable static graph: {error}.") from error


def _graph(known: Any) -> StaticGraph:
    if known["format"] != FORMAT or known["version"] != VERSION:
        raise ValueError("it is of another format or version")
    if len(known["nodes"]) > MAX_NODES:
        raise ValueError(f"it has more than {MAX_NODES:,} nodes")
    return StaticGraph(
        kind=_text(known["kind"]),
        name=_text(known["name"]),
        text=_text(known["text"]),
        sources={_text(file): _text(text) for file, text in known["sources"].items()},
        nodes=tuple(_node(number, node) for number, node in enumerate(known["nodes"])),
        inputs=tuple(IRValue(*map(_text, _row(row, 3))) for row in known["inputs"]),
        warnings=_warnings(known["warnings"], known.get("sentences")),
        block_inputs=_blocks(known["block_inputs"]),
        block_outputs=_blocks(known["block_outputs"]),
    )


def _node(number: int, known: Any) -> IRNode:
    parent = known["parent"]
    return IRNode(
        id=number,
        kind=_text(known["kind"]),
        inputs=_texts(known["inputs"]),
        outputs=_texts(known["outputs"]),
        parent=None if parent is None else _pair(parent),
        module_path=_text(known["module_path"]),
        source=None if known["source"] is None else _source(known["source"]),
        attributes={_text(key): _value(value) for key, value in known["attributes"].items()},
        types=_texts(known["types"]),
        text=_text(known["text"]),
        blocks=_count(known["blocks"]),
    )


def _source(known: Any) -> Source:
    file, line, column, function, end_line, end_column = _row(known, 6)
    return Source(
        _text(file), _count(line), _count(column), _text(function),
        _or_none(_count, end_line), _or_none(_count, end_column),
    )  # fmt: skip


def _prose(warnings: Sequence[StaticWarning]) -> list[str]:
    """What of warnings can be told in any language."""
    return [text for one in warnings for text in (one.message, one.remedy)]


def _warnings(known: Any, made: Any) -> tuple[StaticWarning, ...]:
    plain = [_warning(row) for row in known]
    texts = iter(from_json(_prose(plain), made))
    return tuple(replace(one, message=next(texts), remedy=next(texts)) for one in plain)


def _warning(known: Any) -> StaticWarning:
    category, message, file, line, remedy = _row(known, 5)
    return StaticWarning(
        _text(category), _text(message), _or_none(_text, file), _or_none(_count, line),
        _text(remedy),
    )  # fmt: skip


def _blocks(known: Any) -> dict[Place, tuple[str, ...]]:
    found: dict[Place, tuple[str, ...]] = {}
    for row in known:
        owner, block, values = _row(row, 3)
        found[_or_none(_count, owner), _count(block)] = _texts(values)
    return found


def overlay_from_json(text: bytes, static: StaticGraph, name: str) -> Overlay:
    """Read what `overlay_to_json` wrote.

    Args:
        text: the JSON.
        static: the graph.
        name: of where it comes from, for messages.

    Raises:
        FileFormatError: it is something else, or no counts of this graph.
    """
    try:
        known = json.loads(text)
        counts = [_count(count) for count in _row(known["executions"], len(static.nodes))]
        return Overlay(
            executions=dict(enumerate(counts)),
            taken=_visits(known["taken"], static, "prim::If"),
            trips=_visits(known["trips"], static, "prim::Loop"),
            op_to_node={},
            method=sentence("interpretation of the graph"),
        )
    except (ValueError, TypeError, KeyError, IndexError, RecursionError) as error:
        raise FileFormatError(f"{name} is not readable as what a graph ran: {error}.") from error


def _visits(known: Any, static: StaticGraph, kind: str) -> dict[int, tuple[int, ...]]:
    """What each visit of the nodes of a kind gave: a block, or a number of trips."""
    found: dict[int, tuple[int, ...]] = {}
    for row in known:
        number, visits = _row(row, 2)
        node = static.nodes[_count(number)]
        if node.kind != kind:
            raise ValueError(f"node {node.id} is no {kind}")
        found[node.id] = tuple(map(_count, visits))
        if kind == "prim::If" and max(found[node.id], default=0) >= node.blocks:
            raise ValueError(f"node {node.id} has no such block")
    return found


# -- plain values --------------------------------------------------------------------------------


def _text(value: Any) -> str:
    if not isinstance(value, str):
        raise TypeError(f"{value!r:.40} stands where a text should")
    return value


def _count(value: Any) -> int:
    if type(value) is not int or not 0 <= value < 1 << 31:
        raise TypeError(f"{value!r:.40} stands where a number should")
    return value


def _or_none(read: Callable[[Any], Any], value: Any) -> Any:
    return None if value is None else read(value)


def _row(value: Any, length: int) -> Sequence[Any]:
    if not isinstance(value, list) or len(value) != length:
        raise TypeError(f"{value!r:.40} stands where {length} values should")
    return value


def _texts(value: Any) -> tuple[str, ...]:
    return tuple(_text(item) for item in _row(value, len(value)))


def _pair(value: Any) -> tuple[int, int]:
    first, second = _row(value, 2)
    return _count(first), _count(second)


def _value(value: Any, depth: int = 0) -> Any:
    """A node's attribute."""
    if depth > MAX_DEPTH:
        raise ValueError(f"a value is nested more than {MAX_DEPTH} deep")
    if isinstance(value, list):
        return [_value(item, depth + 1) for item in value]
    if not isinstance(value, dict):
        return value
    ((kind, held),) = value.items()
    if kind == "float":
        return float(_text(held))
    if kind == "complex":
        real, imaginary = _row(held, 2)
        return complex(_value(real), _value(imaginary))
    if kind == "tuple":
        return tuple(_value(item, depth + 1) for item in _row(held, len(held)))
    if kind == "dict":
        return {_text(key): _value(item, depth + 1) for key, item in held.items()}
    raise ValueError(f"{kind!r:.40} is no kind of value")


def _checked(static: StaticGraph) -> StaticGraph:
    """The graph, if its references hold: blocks lie in earlier nodes, and those have them."""
    nodes = static.nodes
    for node in nodes:
        if node.parent is not None:
            owner, block = node.parent
            if not (owner < node.id and block < nodes[owner].blocks):
                raise ValueError(f"node {node.id} lies in block {block} of node {owner}")
    for owner_of, block in (*static.block_inputs, *static.block_outputs):
        here = 1 if owner_of is None else nodes[owner_of].blocks
        if block >= here:
            raise ValueError(f"there is no block {block} of node {owner_of}")
    return static
