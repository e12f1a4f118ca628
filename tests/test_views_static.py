"""The picture of TorchScript IR: graphs written by hand as text, and small scripted models."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from functools import partial
from pathlib import Path

import pytest
import torch
from handmade import assert_sound, boxes, edges, ids, node
from torch import Tensor, nn
from work import assert_linear

from inspector import overlay, record
from inspector.records import IRNode, IRValue, Overlay, Source, StaticGraph
from inspector.torchscript import load_torchscript, script, trace
from inspector.views.irlabels import short_type
from inspector.views.irshape import default_open_static
from inspector.views.model import GraphView
from inspector.views.static import static_view


class Ir:
    """A static graph, node by node."""

    def __init__(self, *inputs: str) -> None:
        self.nodes: list[IRNode] = []
        self.inputs = tuple(IRValue(name, name, "Tensor") for name in inputs)
        self.block_inputs: dict[tuple[int | None, int], tuple[str, ...]] = {}
        self.block_outputs: dict[tuple[int | None, int], tuple[str, ...]] = {}

    def add(
        self,
        kind: str,
        inputs: str = "",
        outputs: str = "",
        parent: tuple[int, int] | None = None,
        **more: object,
    ) -> int:
        number = len(self.nodes)
        names = tuple(outputs.split())
        types = more.pop("types", ("Tensor",) * len(names))
        self.nodes.append(
            IRNode(number, kind, tuple(inputs.split()), names, parent, types=types, **more)
        )
        return number

    def graph(self, returns: str, **more: object) -> StaticGraph:
        outputs = {(None, 0): tuple(returns.split()), **self.block_outputs}
        return StaticGraph(
            "script",
            tuple(self.nodes),
            "",
            inputs=self.inputs,
            block_inputs=self.block_inputs,
            block_outputs=outputs,
            **more,
        )


def everything(static: StaticGraph) -> frozenset[str]:
    return default_open_static(static, visible=100_000)


def shown(view: GraphView) -> list[str]:
    return [n.title for n in view.nodes if n.kind not in ("input", "output")]


def titled(view: GraphView, title: str) -> str:
    (found,) = (n.id for n in view.nodes if n.title == title)
    return found


# -- by hand --------------------------------------------------------------------------------------


def test_constants_are_folded_and_counted() -> None:
    ir = Ir("x")
    ir.add("prim::Constant", "", "one")
    ir.add("aten::add", "x one", "y")
    view = static_view(ir.graph("y"), None)
    assert ids(view) == ["value:x", "ir:1", "return:0"]
    assert edges(view) == {("value:x", "ir:1"), ("ir:1", "return:0")}
    assert view.hidden == {"constants and bookkeeping nodes are not drawn": 1}


def test_lists_and_tuples_are_looked_through() -> None:
    ir = Ir("x")
    ir.add("aten::relu", "x", "a")
    ir.add("prim::ListConstruct", "a x", "list")
    ir.add("aten::cat", "list", "b")
    ir.add("prim::TupleConstruct", "b a", "pair")
    view = static_view(ir.graph("pair"), None)
    assert edges(view) == {
        ("value:x", "ir:0"),
        ("ir:0", "ir:2"),
        ("value:x", "ir:2"),
        ("ir:2", "return:0"),
        ("ir:0", "return:0"),
    }


def test_what_is_appended_to_a_list_reaches_who_reads_it_later_not_before() -> None:
    ir = Ir("x")
    ir.add("prim::ListConstruct", "", "list")
    ir.add("aten::stack", "list", "early")
    ir.add("aten::relu", "x", "a")
    ir.add("aten::append", "list a", "list2")
    ir.add("aten::stack", "list", "late")
    assert edges(static_view(ir.graph("late"), None)) == {
        ("value:x", "ir:2"),
        ("ir:2", "ir:4"),
        ("ir:4", "return:0"),
    }


def branch() -> Ir:
    """y = relu(x) if cond else exp(x); return neg(y)"""
    ir = Ir("x")
    ir.add("aten::gt", "x", "cond")
    top = ir.add("prim::If", "cond", "y", blocks=2, source=Source("m.py", 7, 0, "f"))
    ir.add("aten::relu", "x", "a", (top, 0))
    ir.add("aten::exp", "x", "b", (top, 1))
    ir.add("aten::neg", "y", "z")
    ir.block_outputs = {(top, 0): ("a",), (top, 1): ("b",)}
    return ir


def test_a_branch_points_at_both_its_blocks_and_what_follows_takes_from_either() -> None:
    view = static_view(branch().graph("z"), None)
    assert boxes(view) == {"ir:1/0": None, "ir:1/1": None}
    assert [(b.title, b.kind) for b in view.boxes] == [("then", "block"), ("else", "block")]
    assert {n.id: n.box for n in view.nodes if n.box} == {"ir:2": "ir:1/0", "ir:3": "ir:1/1"}
    assert [(e.source, e.target, e.label) for e in view.edges if e.kind == "control"] == [
        ("ir:1", "ir:2", "true"),
        ("ir:1", "ir:3", "false"),
    ]
    assert edges(view, "data") == {
        ("value:x", "ir:0"),
        ("ir:0", "ir:1"),
        ("value:x", "ir:2"),
        ("value:x", "ir:3"),
        ("ir:2", "ir:4"),
        ("ir:3", "ir:4"),
        ("ir:4", "return:0"),
    }
    top = node(view, "ir:1")
    assert (top.kind, top.title, top.subtitle) == ("branch", "if", "line 7")


def test_a_closed_block_stands_for_its_nodes() -> None:
    view = static_view(branch().graph("z"), None, frozenset({"ir:1/0"}))
    closed = node(view, "ir:1/1")
    assert (closed.kind, closed.title, closed.subtitle) == ("box", "else", "1 node")
    assert ("ir:1/1", "ir:4") in edges(view)
    assert ("ir:1", "ir:1/1") in edges(view, "control")


def test_the_block_that_ran_is_lit_and_the_other_is_not() -> None:
    ran = Overlay({0: 1, 1: 1, 2: 1, 3: 0, 4: 1}, {1: (0,)}, {}, {5: 2})
    view = static_view(branch().graph("z"), ran)
    assert {n.id: n.flags for n in view.nodes if n.id in ("ir:2", "ir:3")} == {
        "ir:2": ("executed",),
        "ir:3": ("skipped",),
    }
    assert [(b.flags, b.subtitle) for b in view.boxes] == [
        (("executed",), "ran"),
        (("skipped",), "did not run"),
    ]
    assert node(view, "ir:2").ops == (5,)
    closed = static_view(branch().graph("z"), ran, frozenset())
    assert node(closed, "ir:1/0").ops == (5,)
    assert node(closed, "ir:1/0").flags == ("executed",)


def test_what_is_not_known_to_have_run_is_neither_lit_nor_dimmed() -> None:
    view = static_view(branch().graph("z"), Overlay({}, {}, {}, {}))
    assert all(not n.flags for n in view.nodes)
    assert all(not b.flags and not b.subtitle for b in view.boxes)


def test_a_branch_that_only_chooses_between_constants_is_not_drawn() -> None:
    ir = Ir("x")
    top = ir.add("prim::If", "x", "n", blocks=2)
    ir.add("prim::Constant", "", "one", (top, 0))
    ir.add("prim::Constant", "", "two", (top, 1))
    ir.add("aten::add", "x n", "y")
    ir.block_outputs = {(top, 0): ("one",), (top, 1): ("two",)}
    view = static_view(ir.graph("y"), None)
    assert ids(view) == ["value:x", "ir:3", "return:0"]
    assert not view.boxes


def loop() -> Ir:
    """for _ in range(n): x = relu(x); return exp(x)"""
    ir = Ir("x", "n")
    ir.add("prim::Constant", "", "true")
    top = ir.add("prim::Loop", "n true x", "last", blocks=1, source=Source("m.py", 3, 0, "f"))
    ir.add("aten::relu", "h", "next", (top, 0))
    ir.add("aten::tanh", "next", "again", (top, 0))
    ir.add("aten::exp", "last", "y")
    ir.block_inputs = {(top, 0): ("i", "h")}
    ir.block_outputs = {(top, 0): ("true", "again")}
    return ir


def test_a_loop_carries_its_value_to_the_next_trip() -> None:
    view = static_view(loop().graph("y"), None)
    assert boxes(view) == {"ir:1/0": None}
    assert view.boxes[0].title == "loop body · line 3"
    assert {(e.source, e.target): e.label for e in view.edges if e.kind != "control"} == {
        ("value:n", "ir:1"): "",
        ("value:x", "ir:2"): "",
        ("ir:3", "ir:2"): "next trip",
        ("ir:2", "ir:3"): "",
        ("value:x", "ir:4"): "",  # after no trip at all
        ("ir:3", "ir:4"): "",
        ("ir:4", "return:0"): "",
    }
    assert edges(view, "carried") == {("ir:3", "ir:2")}
    assert edges(view, "control") == {("ir:1", "ir:2")}


@pytest.mark.parametrize(
    ("trips", "title", "count"),
    [
        ((1,), "loop · 1 trip", "ran"),
        ((0,), "loop · 0 trips", "did not run"),
        ((2, 3), "loop · 2 + 3 trips", "ran ×5"),
        ((1, 1, 1, 1, 1), "loop · 1 + 1 + 1 + 1… trips", "ran ×5"),
    ],
)
def test_a_loop_tells_its_trips(trips: tuple[int, ...], title: str, count: str) -> None:
    ran = Overlay({1: len(trips), 2: sum(trips)}, {}, {1: trips}, {})
    view = static_view(loop().graph("y"), ran)
    assert node(view, "ir:1").title == title
    assert view.boxes[0].subtitle == count


def test_a_node_that_ran_often_has_its_count_as_badge() -> None:
    view = static_view(loop().graph("y"), Overlay({2: 12, 3: 1}, {}, {}, {}))
    assert (node(view, "ir:2").badge, node(view, "ir:3").badge) == ("×12", "")


def call(*inner: str) -> Ir:
    """y = net.block(x) with the given kinds one after the other inside; return exp(y)"""
    ir = Ir("x")
    top = ir.add("prim::CallMethod", "self x", "y", blocks=1, attributes={"name": "forward"})
    value = "bx"
    for number, kind in enumerate(inner):
        ir.add(kind, value, f"b{number}", (top, 0), module_path="block")
        value = f"b{number}"
    ir.add("aten::exp", "y", "z")
    ir.block_inputs = {(top, 0): ("bself", "bx")}
    ir.block_outputs = {(top, 0): (value,)}
    return ir


def test_an_open_call_is_a_box_named_after_its_module() -> None:
    view = static_view(call("aten::relu", "aten::tanh").graph("z"), None)
    assert [(b.id, b.kind, b.title) for b in view.boxes] == [("ir:0/0", "call", "block")]
    assert edges(view) == {
        ("value:x", "ir:1"),
        ("ir:1", "ir:2"),
        ("ir:2", "ir:3"),
        ("ir:3", "return:0"),
    }


def test_a_closed_call_is_one_node() -> None:
    view = static_view(call("aten::relu", "aten::tanh").graph("z"), None, frozenset())
    assert ids(view) == ["value:x", "ir:0/0", "ir:3", "return:0"]
    assert edges(view) == {
        ("value:x", "ir:0/0"),
        ("ir:0/0", "ir:3"),
        ("ir:3", "return:0"),
    }


def test_a_call_that_computes_with_one_node_is_that_node() -> None:
    view = static_view(call("aten::linear").graph("z"), None, frozenset())
    assert ids(view) == ["value:x", "ir:1", "ir:2", "return:0"]
    assert node(view, "ir:1").subtitle == "block · Tensor"


def test_calls_into_torchs_own_code_are_closed_at_first() -> None:
    ir = call("aten::relu", "aten::tanh")
    ir.nodes[1:3] = [
        replace(n, source=Source("torch/functional.py", 1, 0, "f")) for n in ir.nodes[1:3]
    ]
    assert default_open_static(ir.graph("z", sources={"m.py": "…"})) == frozenset()
    assert default_open_static(ir.graph("z", sources={"torch/functional.py": ""})) == {"ir:0/0"}


def test_in_place_kinds_are_marked_but_dunder_kinds_are_not() -> None:
    ir = Ir("x")
    ir.add("aten::add_", "x x", "a")
    ir.add("aten::__and__", "a x", "b")
    view = static_view(ir.graph("b"), None)
    assert [node(view, f"ir:{i}").flags for i in (0, 1)] == [("inplace",), ()]


def test_a_value_read_out_of_a_tensor_is_a_decision() -> None:
    ir = Ir("x")
    ir.add("aten::Bool", "x", "b", types=("bool",))
    assert node(static_view(ir.graph("b"), None), "ir:0").kind == "decision"


def test_a_returned_input_is_an_edge_and_two_returns_are_two_nodes() -> None:
    view = static_view(Ir("x").graph("x x"), None)
    assert edges(view) == {("value:x", "return:0"), ("value:x", "return:1")}


def test_an_empty_graph_is_an_empty_picture() -> None:
    assert static_view(Ir().graph(""), None).nodes == ()


def test_boxes_open_at_first_while_they_fit() -> None:
    graph = call("aten::relu", "aten::tanh", "aten::sigmoid").graph("z")
    assert default_open_static(graph, visible=4) == {"ir:0/0"}
    assert default_open_static(graph, visible=3) == frozenset()


def test_the_work_for_a_long_loop_body_grows_with_its_nodes() -> None:
    def drawing(nodes: int) -> Callable[[], GraphView]:
        ir = Ir("x", "n")
        ir.add("prim::Loop", "n n x", "last", blocks=1)
        value = "h"
        for number in range(nodes):
            ir.add("aten::relu", value, f"v{number}", (0, 0))
            value = f"v{number}"
        ir.block_inputs = {(0, 0): ("i", "h")}
        ir.block_outputs = {(0, 0): ("n", value)}
        return partial(static_view, ir.graph("last"), None, frozenset({"ir:0/0"}))

    assert_sound(drawing(5000)())
    assert_linear(drawing, 1_000)


@pytest.mark.parametrize(
    ("text", "short"),
    [
        ("Float(2, 3, strides=[3, 1], requires_grad=0, device=cpu)", "2×3"),
        ("Long(4, strides=[1], requires_grad=0, device=cpu)", "[4] long"),
        ("Float(requires_grad=0, device=cpu)", "scalar"),
        ("Tensor", "Tensor"),
        ("__torch__.torch.nn.modules.container.ModuleList", "ModuleList"),
    ],
)
def test_types_are_short_and_traced_types_are_shapes(text: str, short: str) -> None:
    assert short_type(text) == short


# -- from torch -----------------------------------------------------------------------------------


class Gate(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.up = nn.Linear(3, 3)
        self.down = nn.Linear(3, 3)

    def forward(self, x: Tensor) -> Tensor:
        if bool(x.mean() > 0):
            y = self.up(x)
        else:
            y = self.down(x)
        return torch.relu(y)


def test_a_scripted_branch_lights_up_what_the_run_took() -> None:
    static = script(Gate())
    for sign, other in ((1, 1), (-1, 0)):
        ran = overlay(static, record(Gate(), sign * torch.ones(1, 3)))
        view = static_view(static, ran)
        assert_sound(view)
        flags = [n.flags for n in view.nodes if n.title == "linear"]
        assert flags[other] == ("skipped",)
        assert flags[1 - other] == ("executed",)
    assert shown(view) == ["mean", "gt", "Bool", "if", "linear", "linear", "relu"]


def test_a_traced_graph_shows_shapes() -> None:
    static = trace(nn.Sequential(nn.Linear(3, 4), nn.ReLU()), torch.ones(2, 3))
    view = static_view(static, None, everything(static))
    assert_sound(view)
    assert shown(view) == ["linear", "relu"]
    assert node(view, titled(view, "linear")).subtitle.endswith("2×4")


def double(x: Tensor) -> Tensor:
    return x * 2


def twice(x: Tensor) -> Tensor:
    return double(double(x)) + 1


def test_functions_without_a_module_have_their_calls_as_nodes() -> None:
    static = script(twice)
    view = static_view(static, None, everything(static))
    assert_sound(view)
    assert shown(view) == ["mul", "mul", "add"]
    first, second = (n.id for n in view.nodes if n.title == "mul")
    assert (first, second) in edges(view)


def test_a_loaded_file_is_drawn_without_sources(tmp_path: Path) -> None:
    with pytest.warns((DeprecationWarning, FutureWarning)):
        torch.jit.script(Gate()).save(tmp_path / "gate.pt")
    static = load_torchscript(tmp_path / "gate.pt")
    view = static_view(static, None)
    assert_sound(view)
    assert "if" in shown(view)
    assert shown(view).count("linear") == 2
