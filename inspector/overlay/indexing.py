"""What becomes of `x[:, 0]` in a graph: a chain of views, one for each part of the index."""

from __future__ import annotations

from collections.abc import Sequence

from inspector.records import IRNode, Op

VIEWS = frozenset(f"aten::{name}" for name in "select slice unsqueeze".split())
"""Kinds that a part of an index becomes, beside `aten::index`."""

_OPENING, _CLOSING = "([{", ")]}"


def arguments_of(op: Op) -> list[str]:
    """The arguments of an op, as they read, without those of nested calls taken apart."""
    return split(op.arguments)


def split(text: str) -> list[str]:
    """The parts of a text between commas, those within brackets or quotes left whole."""
    parts: list[str] = []
    depth, begin, quote = 0, 0, ""
    for place, sign in enumerate(text):
        if quote:
            quote = "" if sign == quote else quote
        elif sign in "\"'":
            quote = sign
        elif sign in _OPENING:
            depth += 1
        elif sign in _CLOSING:
            depth -= 1
        elif sign == "," and depth == 0:
            parts.append(text[begin:place].strip())
            begin = place + 1
    parts.append(text[begin:].strip())
    return [part for part in parts if part]


def index_steps(op: Op) -> int:
    """How many nodes an index becomes: one for each part, one for all that are tensors."""
    given = arguments_of(op)
    if len(given) != 2:
        return 1
    index = given[1]
    parts = split(index[1:-1]) if index.startswith("(") else [index]
    single = [part for part in parts if part != "..." and part[0] not in "%["]
    return len(single) + any(part[0] in "%[" for part in parts)


def views_into(first: IRNode, nodes: Sequence[IRNode], steps: int) -> list[IRNode]:
    """The nodes that go on with the view that `first` makes, `steps` with it at most."""
    chain = [first]
    for node in nodes:
        if len(chain) >= steps:
            break
        if node.inputs and node.inputs[0] == chain[-1].outputs[0]:
            chain.append(node)
    return chain[1:]
