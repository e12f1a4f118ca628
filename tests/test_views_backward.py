"""The backward graph's picture, expected nodes, edges and boxes worked out by hand."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from itertools import pairwise

import pytest
from handmade import NAN, Program, assert_sound, boxes, edges, failed, ids, node
from work import assert_linear

from inspector.views import backward_view
from inspector.views.backward import short_name
from inspector.views.hubs import HUB

CLOSED: frozenset[str] = frozenset()


def linear(passes: int = 1) -> Program:
    """sum(block(x)), where block is addmm then relu; backward through it."""
    program = Program()
    root = program.call("", type="Net")
    block = program.call("block", root)
    weight = program.tensor("block.weight", (4, 3))
    a = program.op("linear", program.tensor(), weight, call=block)
    b = program.op("relu", a, call=block)
    program.op("sum", b, call=root)
    for number in range(passes):
        first = len(program.nodes)
        program.grad("SumBackward0", 2, first + 1, in_pass=number)
        program.grad("ReluBackward0", 1, first + 2, in_pass=number)
        program.grad("AddmmBackward0", 0, first + 3, in_pass=number)
        program.grad(
            "AccumulateGrad",
            None,
            parameter="block.weight",
            tensor=weight,
            in_pass=number,
            accumulated=number > 0,
        )
    return program


def test_gradients_flow_up_from_the_loss_to_the_parameter() -> None:
    view = backward_view(linear().recording(), frozenset({"call:1"}))
    assert view.direction == "BT"
    assert [(n.id, n.kind, n.title, n.subtitle) for n in view.nodes] == [
        ("grad:0", "grad", "Sum", "of sum"),
        ("grad:1", "grad", "Relu", "of relu · block"),
        ("grad:2", "grad", "Addmm", "of linear · block"),
        ("grad:3", "accumulate", "block.weight", ".grad · 4×3"),
    ]
    assert edges(view, "grad") == {
        ("grad:0", "grad:1"),
        ("grad:1", "grad:2"),
        ("grad:2", "grad:3"),
    }
    assert len(view.edges) == 3
    assert [n.ops for n in view.nodes] == [(2,), (1,), (0,), ()]
    assert node(view, "grad:1").source == ("model.py", 2)


def test_nodes_lie_in_the_box_of_their_op_and_a_leaf_in_that_of_its_use() -> None:
    view = backward_view(linear().recording(), frozenset({"call:1"}))
    assert boxes(view) == {"call:1": None}
    assert {n.id: n.box for n in view.nodes} == {
        "grad:0": None,
        "grad:1": "call:1",
        "grad:2": "call:1",
        "grad:3": "call:1",
    }


def test_a_closed_box_stands_for_the_nodes_of_its_ops() -> None:
    view = backward_view(linear().recording(), CLOSED)
    assert ids(view) == ["grad:0", "call:1"]
    closed = node(view, "call:1")
    assert (closed.kind, closed.title, closed.subtitle) == ("box", "block", "3 nodes")
    assert set(closed.ops) == {0, 1}
    assert edges(view) == {("grad:0", "call:1")}
    assert view.hidden == {"nodes in closed boxes": 3}


def test_a_node_without_a_forward_op_lies_where_its_gradient_came_from() -> None:
    program = Program()
    program.call("", type="Net")
    block = program.call("block", 0)
    a = program.op("linear", program.tensor(), call=block)
    program.op("relu", a, call=block)
    program.grad("ReluBackward0", 1, 1)
    program.grad("TBackward0", None, 2)
    program.grad("AccumulateGrad", None)
    view = backward_view(program.recording(), frozenset({"call:1"}))
    assert {n.box for n in view.nodes} == {"call:1"}
    assert node(view, "grad:1").subtitle == ""
    assert node(view, "grad:2").title == "leaf"


def test_leaves_are_called_so_that_they_can_be_told_apart() -> None:
    """Parameters by their module and name, an input by its name."""
    program = Program()
    given = program.tensor()
    names = ("net.a.weight", "net.b.weight")
    weights = [program.tensor(name) for name in names]
    program.op("addmm", given, *weights)
    program.grad("AddmmBackward0", 0, 1, 2, 3)
    for name, weight in zip(names, weights, strict=True):
        program.grad("AccumulateGrad", None, parameter=name, tensor=weight)
    program.grad("AccumulateGrad", None, tensor=given)
    recording = program.recording(meta={"input_names": [[given, "x"]]}, inputs=(given,))
    view = backward_view(recording, frozenset())
    leaves = [node(view, f"grad:{number}").title for number in (1, 2, 3)]
    assert leaves == ["a.weight", "b.weight", "x"]


def test_a_node_that_nothing_is_known_of_stands_alone() -> None:
    program = Program()
    program.grad("MyFunctionBackward", None)
    view = backward_view(program.recording(), CLOSED)
    assert [(n.id, n.title, n.box) for n in view.nodes] == [("grad:0", "MyFunctionBackward", None)]


def test_two_passes_have_a_box_each_with_the_module_boxes_in_it() -> None:
    view = backward_view(linear(passes=2).recording(), frozenset({"call:1"}))
    assert_sound(view)
    assert boxes(view) == {
        "pass:0": None,
        "call:1": "pass:0",
        "pass:1": None,
        "call:1@1": "pass:1",
    }
    assert [box.title for box in view.boxes if box.kind == "step"] == [
        "backward pass 0",
        "backward pass 1",
    ]
    assert node(view, "grad:4").box == "pass:1"
    assert node(view, "grad:5").box == "call:1@1"


def test_closed_boxes_of_two_passes_are_two_nodes() -> None:
    view = backward_view(linear(passes=2).recording(), CLOSED)
    assert {n.id: n.box for n in view.nodes} == {
        "grad:0": "pass:0",
        "call:1": "pass:0",
        "grad:4": "pass:1",
        "call:1@1": "pass:1",
    }
    assert edges(view) == {("grad:0", "call:1"), ("grad:4", "call:1@1")}


def test_a_gradient_added_onto_an_old_one_says_so() -> None:
    view = backward_view(linear(passes=2).recording(), frozenset({"call:1"}))
    first, second = node(view, "grad:3"), node(view, "grad:7")
    assert (first.flags, first.subtitle) == ((), ".grad · 4×3")
    assert (second.flags, second.subtitle) == (("accumulated",), "added to .grad · 4×3")


@pytest.mark.parametrize("side", ["grad_inputs", "grad_outputs"])
def test_nan_in_a_gradient_marks_its_node(side: str) -> None:
    program = Program()
    program.grad("SqrtBackward0", None, **{side: (None, NAN)})
    assert node(backward_view(program.recording(), CLOSED), "grad:0").flags == ("nonfinite",)


def test_the_node_of_the_op_that_failed_is_marked() -> None:
    program = Program()
    program.op("custom", program.tensor())
    program.grad("CustomBackward", 0)
    view = backward_view(program.recording(failure=failed(0)), CLOSED)
    assert node(view, "grad:0").flags == ("failed",)


def shared(uses: int, *, boxed: bool) -> Program:
    """A cell with one weight, applied `uses` times, each two ops; backward through all."""
    program = Program()
    root = program.call("", type="Net")
    x, weight = program.tensor(), program.tensor("cell.weight")
    for _ in range(uses):
        call = program.call("cell", root) if boxed else root
        x = program.op("tanh", program.op("linear", x, weight, call=call), call=call)
    leaf = 2 * uses
    for number in range(uses):
        later = 2 * (uses - number) - 1
        following = () if number == uses - 1 else (2 * number + 2,)
        program.grad("TanhBackward0", later, 2 * number + 1)
        program.grad("AddmmBackward0", later - 1, *following, leaf)
    program.grad("AccumulateGrad", None, parameter="cell.weight", tensor=weight)
    return program


def test_gradients_of_all_uses_of_a_parameter_meet_in_one_node() -> None:
    view = backward_view(shared(5, boxed=False).recording(), CLOSED)
    assert [n.id for n in view.nodes if n.kind == "accumulate"] == ["grad:10"]
    assert {source for source, target in edges(view) if target == "grad:10"} == {
        f"grad:{2 * i + 1}" for i in range(5)
    }


def test_a_parameter_used_very_often_is_named_beside_each_use() -> None:
    uses = HUB + 1
    view = backward_view(shared(uses, boxed=False).recording(), CLOSED)
    assert_sound(view)
    leaf = f"grad:{2 * uses}"
    users = [f"grad:{2 * i + 1}" for i in range(uses)]
    # The one that ran last keeps its edge.
    assert {source for source, target in edges(view) if target == leaf} == {users[-1]}
    copies = {n.id: n for n in view.nodes if "@" in n.id}
    assert list(copies) == [f"{leaf}@from:{user}" for user in users[:-1]]
    assert {(n.kind, n.title) for n in copies.values()} == {("output", "→ cell.weight")}


def test_closed_boxes_hide_the_parameters_that_many_share() -> None:
    view = backward_view(shared(5, boxed=True).recording(), CLOSED)
    calls = [f"call:{i}" for i in range(5, 0, -1)]
    assert ids(view) == calls
    assert edges(view) == set(pairwise(calls))


def test_two_hundred_uses_of_a_parameter_in_open_boxes_stay_sound() -> None:
    recording = shared(200, boxed=True).recording()
    opened = frozenset(f"call:{i}" for i in range(1, 201))
    view = backward_view(recording, opened)
    assert_sound(view)
    assert len([n for n in view.nodes if n.title == "→ cell.weight"]) == 199


def test_no_backward_pass_is_an_empty_picture() -> None:
    view = backward_view(Program().recording(), CLOSED)
    assert (view.nodes, view.edges) == ((), ())


def test_the_work_for_many_passes_grows_with_their_nodes() -> None:
    def drawing(nodes: int) -> Callable[[], object]:
        program = Program()
        root = program.call("", type="Net")
        for _ in range(200):
            call = program.call("block", root)
            program.op("exp", program.op("relu", program.tensor(), call=call), call=call)
        for number in range(nodes):
            program.grad("ReluBackward0", number % 400, in_pass=number // 200)
        opened = frozenset(f"call:{i}" for i in range(1, 201))
        return partial(backward_view, program.recording(), opened)

    assert_linear(drawing, 2_000)


@pytest.mark.parametrize(
    ("name", "short"),
    [
        ("AddmmBackward0", "Addmm"),
        ("torch::autograd::CopySlices", "torch::autograd::CopySlices"),
        ("Backward0", "Backward0"),
        ("MyFunctionBackward", "MyFunctionBackward"),
    ],
)
def test_names_lose_only_what_autograd_adds(name: str, short: str) -> None:
    assert short_name(name) == short
