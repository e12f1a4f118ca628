"""Forward and backward side by side, expected by hand and by plain autograd."""

from __future__ import annotations

import torch
from handmade import Program, assert_sound, boxes, edges, node
from torch import nn

import inspector
from inspector.records import Recording
from inspector.views import ViewIndex, twin_view

CLOSED: frozenset[str] = frozenset()


def two_ops() -> Recording:
    """x, weight -> mul -> sum, with its backward pass."""
    program = Program()
    x, weight = program.tensor(), program.tensor("weight", requires_grad=True)
    product = program.op("mul", x, weight)
    total = program.op("sum", product, shape=())
    program.grad("SumBackward0", 1, 1)
    program.grad("MulBackward0", 0, 2)
    program.grad("AccumulateGrad", None, parameter="weight", tensor=weight)
    return program.recording(inputs=(x,), output=(total,))


def test_autograd_nodes_stand_beside_their_ops_and_leaves_beside_their_parameters() -> None:
    view = twin_view(two_ops(), CLOSED)
    assert_sound(view)
    assert set(view.ranks) == {
        ("op:1", "grad:0"),
        ("op:0", "grad:1"),
        ("parameters:0", "grad:2"),
    }


def test_data_flows_down_and_gradients_flow_up() -> None:
    view = twin_view(two_ops(), CLOSED)
    assert view.direction == "TB"
    down = {(e.source, e.target) for e in view.edges if not e.up}
    up = {(e.source, e.target) for e in view.edges if e.up}
    assert down == {
        ("tensor:0", "op:0"),
        ("parameters:0", "op:0"),
        ("op:0", "op:1"),
        ("op:1", "output:3"),
    }
    # The node that a gradient goes to lies above: it is the source of the edge.
    assert up == {("grad:1", "grad:0"), ("grad:2", "grad:1")}
    assert {e.kind for e in view.edges if e.up} == {"grad"}


def closed() -> Recording:
    program = Program()
    x, root = program.tensor(), program.call("", type="Net")
    call = program.call("block", root)
    for _ in range(2):
        x = program.op("relu", x, call=call)
    program.op("sum", x, call=root)
    for number, op in enumerate((2, 1, 0)):
        program.grad("Backward0", op, *((number + 1,) if op else ()))
    return program.recording(inputs=(0,))


def test_a_closed_box_is_one_for_the_ops_and_one_for_their_autograd_nodes() -> None:
    view = twin_view(closed(), CLOSED)
    forward, backward = node(view, "call:1"), node(view, "call:1@back")
    assert (forward.title, backward.title) == ("block", "block backward")
    assert (forward.ops, backward.grads) == ((0, 1), (1, 2))
    assert ("call:1", "call:1@back") in view.ranks
    assert edges(view, "grad") == {("call:1@back", "grad:0")}


def test_an_open_box_holds_both() -> None:
    view = twin_view(closed(), frozenset({"call:1"}))
    assert_sound(view)
    assert boxes(view) == {"call:1": None}
    assert {n.id for n in view.nodes if n.box == "call:1"} == {"op:0", "op:1", "grad:1", "grad:2"}


def test_the_nodes_of_two_passes_stand_side_by_side() -> None:
    program = Program()
    program.op("exp", program.tensor())
    program.grad("ExpBackward0", 0)
    program.grad("ExpBackward0", 0, in_pass=1)
    assert twin_view(program.recording(), CLOSED).ranks == (("op:0", "grad:0", "grad:1"),)


def test_an_op_with_many_autograd_nodes_has_one_box_of_them_that_opens() -> None:
    model = nn.LSTMCell(2, 2)
    recording = inspector.record(lambda x: model(x)[0], torch.ones(1, 2), loss="sum")
    (cell,) = (op.id for op in recording.ops if op.name == "lstm_cell")
    own = [n for n in recording.grad_nodes if n.op == cell and n.name != "AccumulateGrad"]
    assert len(own) > 3
    index = ViewIndex(recording)
    opened = frozenset({f"call:{call.id}" for call in recording.module_calls})
    view = twin_view(recording, opened, index)
    assert_sound(view)
    box = node(view, f"twins:{cell}/0")
    assert box.grads == tuple(n.id for n in own)
    assert any({f"op:{cell}", box.id} <= set(rank) for rank in view.ranks)
    inside = twin_view(recording, opened | {box.id}, index)
    assert_sound(inside)
    assert {n.id for n in inside.nodes if n.box == box.id} == {f"grad:{n.id}" for n in own}


def test_gradient_edges_are_those_that_autograd_has() -> None:
    """Against the `next_functions` of plain autograd, by the names of the nodes."""
    model = nn.Sequential(nn.Linear(2, 3), nn.Tanh(), nn.Linear(3, 1))

    def pairs(start: object) -> set[tuple[str, str]]:
        found, todo = set(), [start]
        while todo:
            here = todo.pop()
            for following, _ in here.next_functions:  # type: ignore[attr-defined]
                if following is not None:
                    found.add((here.name(), following.name()))  # type: ignore[attr-defined]
                    todo.append(following)
        return found

    expected = pairs(model(torch.ones(1, 2)).sum().grad_fn)
    recording = inspector.record(model, torch.ones(1, 2), loss="sum")
    view = twin_view(recording, frozenset(ViewIndex(recording).by_id))
    names = {f"grad:{n.id}": n.name.replace("AccumulateGrad", "leaf") for n in recording.grad_nodes}
    drawn = {(names[e.target], names[e.source]) for e in view.edges if e.up}
    assert drawn == {
        tuple(name.replace("torch::autograd::AccumulateGrad", "leaf") for name in pair)
        for pair in expected
    }
