"""Recordings that nobody would draw, from the first question to the drawing that is parsed."""

from __future__ import annotations

import json
from typing import Any
from xml.etree import ElementTree

import pytest
import torch
from handmade import Program, failed
from torch import Tensor, nn

import inspector
from inspector.records import Recording
from inspector.render.answers import Book, answer

MEASURES = ("time", "memory", "gradient", "zeros", "nonfinite", "visits")


class Cat(nn.Module):
    """An op with 2,000 inputs."""

    def forward(self, x: Tensor) -> Tensor:
        return torch.cat(x.unbind(0)).mean()


class Shapes(nn.Module):
    """Rank 0, rank 12, and tensors without elements."""

    def forward(self, x: Tensor) -> Tensor:
        deep = x.reshape((1,) * 11 + (-1,)).relu()
        empty = x[:0].reshape(0, 3).matmul(torch.ones(3, 0))
        return deep.sum() + empty.sum() + x.mean()


class Apart(nn.Module):
    """Two chains that never meet."""

    def forward(self, x: Tensor, y: Tensor) -> tuple[Tensor, Tensor]:
        return x.exp().log(), y.sin().cos()


def chain(count: int) -> Recording:
    program = Program()
    x = program.tensor()
    for number in range(count):
        x = program.op(("sin", "exp", "neg")[number % 3], x)
    for number in range(count):
        following = (number + 1,) if number + 1 < count else ()
        program.grad("SinBackward0", count - 1 - number, *following)
    return program.recording(inputs=(0,))


def named(name: str) -> Recording:
    program = Program()
    root = program.call("", type=name)
    block = program.call(name, root, type=name)
    a = program.op(name, program.tensor(), program.tensor(name), call=block)
    b = program.op(name, a, call=block)
    program.read(b, name, "item", call=root)
    program.grad(name, 1)
    program.grad("AccumulateGrad", None, parameter=name)
    return program.recording(inputs=(0,), sources={name: name}, failure=failed(2, name))


RECORDINGS = {
    "empty": lambda: Program().recording(),
    "an input alone": lambda: inspector.record(nn.Identity(), torch.ones(2)),
    "2,000 inputs": lambda: inspector.record(Cat(), torch.ones(2000, 1), loss="sum"),
    "odd shapes": lambda: inspector.record(Shapes(), torch.ones(4, requires_grad=True), loss="sum"),
    "no elements": lambda: inspector.record(nn.ReLU(), torch.ones(0, 3), loss="sum"),
    "a scalar": lambda: inspector.record(nn.ReLU(), torch.tensor(2.0)),
    "disconnected": lambda: inspector.record(Apart(), torch.ones(2), torch.ones(3)),
    "quotes": lambda: named("\"double\" 'single' \\ back"),
    "HTML": lambda: named("</text></svg><img src=x onerror=alert(1)><script>alert(2)</script>"),
    "lines": lambda: named("two\nlines\r\nand\ttabs"),
    "emoji": lambda: named("👩‍🔬 семь 七 \u202egnp.exe"),
    "control characters": lambda: named("nul\x00 bell\x07 half\ud800"),
    "long": lambda: named("very_" * 2000),
    "deep chain": lambda: chain(20_000),
}


def boxes(found: dict[str, Any]) -> list[str]:
    """What can be toggled, of all drawings."""
    svgs = [pane["svg"] for pane in found["panes"] if pane.get("svg")]
    toggles = [
        one.get("data-id")
        for svg in svgs
        for one in ElementTree.fromstring(svg).iter()
        if "box-toggle" in one.get("class", "").split()
    ]
    return [box.partition("@")[0] for box in dict.fromkeys(toggles) if box]


def assert_drawn(found: dict[str, Any]) -> None:
    """Each drawing is XML, with every item at a place inside of it; all of it is JSON."""
    json.dumps(found, allow_nan=False)
    for pane in found["panes"]:
        if not pane.get("svg"):
            assert pane["id"] != "dynamic", pane["empty"]
            continue
        root = ElementTree.fromstring(pane["svg"])
        tags = {one.tag.rpartition("}")[2] for one in root.iter()}
        assert tags.isdisjoint({"script", "img", "a", "foreignObject"})
        width, height = float(root.get("width", 0)), float(root.get("height", 0))
        nodes = {
            one.get("data-id"): one for one in root.iter() if "node" in one.get("class", "").split()
        }
        items = found["items"][pane["id"]]
        assert set(items) >= set(nodes)
        for one in nodes.values():
            x, y = map(float, one.get("transform", "")[len("translate(") : -1].split(","))
            w, h = map(float, one.get("data-size", "").split())
            assert 0 <= x <= x + w <= width
            assert 0 <= y <= y + h <= height
        for item in items.values():
            assert found["cards"][item["card"]]["title"]


@pytest.mark.parametrize("name", RECORDINGS)
def test_a_hostile_recording_is_drawn_closed_and_opened_and_coloured(name: str) -> None:
    book = Book(RECORDINGS[name]())
    first = answer(book, "picture", {})
    assert_drawn(first)
    for toggled in (boxes(first)[:1], boxes(first)[:5]):
        assert_drawn(answer(book, "picture", {"toggled": toggled}))
    for measure in MEASURES:
        told = answer(book, "heat", {"pane": "dynamic", "measure": measure})["measure"]
        json.dumps(told, allow_nan=False)


def test_an_op_with_2000_inputs_is_one_node_with_one_edge_from_what_made_them() -> None:
    book = Book(RECORDINGS["2,000 inputs"]())
    view = book.views(book.shown(frozenset()))["dynamic"]
    into = [edge for edge in view.edges if edge.target == "op:1"]  # 0 unbind, 1 cat, 2 mean
    assert {edge.source for edge in into} == {"op:0"}
    cat = next(node for node in view.nodes if node.id == "op:1")
    assert cat.title == "cat"
    assert len(answer(book, "picture", {})["cards"]["dynamic/op:1"]["tensors"]) < 12


def test_chains_that_never_meet_are_both_drawn() -> None:
    book = Book(RECORDINGS["disconnected"]())
    ops = {node.title for node in book.views(book.shown(frozenset()))["dynamic"].nodes}
    assert {"exp", "log", "sin", "cos"} <= ops


def test_a_chain_20000_deep_is_drawn_as_ranges_and_each_op_can_be_reached() -> None:
    book = Book(RECORDINGS["deep chain"]())
    way = answer(book, "way", {"ref": "dynamic/op:12345"})["boxes"]
    closed = [box for box in way if box not in book.first_open]
    found = answer(book, "picture", {"toggled": closed, "draw": ["dynamic"]})
    assert "op:12345" in found["items"]["dynamic"]
    assert len(found["items"]["dynamic"]) < 1000
