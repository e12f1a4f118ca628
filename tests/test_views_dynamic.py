"""The dynamic graph's picture, expected nodes, edges and boxes worked out by hand."""

from __future__ import annotations

from collections.abc import Callable
from unittest.mock import patch

import pytest
from handmade import NAN, Program, assert_sound, boxes, edges, failed, ids, node
from hypothesis import given
from hypothesis import strategies as st
from work import assert_linear

from inspector.records import Recording
from inspector.views import default_open, dynamic_view, hubs
from inspector.views.hubs import HUB
from inspector.views.model import GraphView, ViewEdge, ViewNode

CLOSED: frozenset[str] = frozenset()


def chain(length: int) -> Recording:
    program = Program()
    tensor = first = program.tensor()
    for _ in range(length):
        tensor = program.op("relu", tensor)
    return program.recording(inputs=(first,), output=(tensor,))


def test_a_chain_runs_from_the_input_through_each_op_to_the_output() -> None:
    view = dynamic_view(chain(2), CLOSED)
    assert [(n.id, n.kind, n.title) for n in view.nodes] == [
        ("op:0", "op", "relu"),
        ("op:1", "op", "relu"),
        ("tensor:0", "input", "input"),
        ("output:2", "output", "output"),
    ]
    assert [(e.source, e.target, e.label) for e in view.edges] == [
        ("tensor:0", "op:0", "[2]"),
        ("op:0", "op:1", "[2]"),
        ("op:1", "output:2", ""),
    ]
    assert node(view, "op:1").source == ("model.py", 2)
    assert not view.boxes
    assert not view.hidden


def test_inputs_carry_the_names_that_the_model_gave_them() -> None:
    program = Program()
    a, b = program.tensor(), program.tensor()
    program.op("add", a, b)
    view = dynamic_view(
        program.recording(inputs=(a, b), meta={"input_names": [[0, "x"], [1, "mask"]]}), CLOSED
    )
    assert [n.title for n in view.nodes if n.kind == "input"] == ["x", "mask"]


def test_tensors_that_were_neither_passed_in_nor_made_are_called_tensors() -> None:
    program = Program()
    program.op("relu", program.tensor())
    assert node(dynamic_view(program.recording(), CLOSED), "tensor:0").title == "tensor"


def test_a_decision_shows_its_value_and_points_at_what_ran_next() -> None:
    program = Program()
    x = program.tensor()
    mean = program.op("mean", x, shape=())  # op 0
    program.read(mean, True)  # op 1
    out = program.op("relu", x)  # op 2
    view = dynamic_view(program.recording(inputs=(x,), output=(out,)), CLOSED)
    decision = node(view, "op:1")
    assert (decision.kind, decision.title, decision.subtitle) == ("decision", "True", "bool")
    assert edges(view, "data") == {
        ("tensor:0", "op:0"),
        ("op:0", "op:1"),
        ("tensor:0", "op:2"),
        ("op:2", "output:2"),
    }
    assert edges(view, "control") == {("op:1", "op:2")}


@pytest.mark.parametrize(
    ("value", "title"),
    [(0.30000001192092896, "0.3"), (float("nan"), "nan"), (3, "3"), (False, "False")],
)
def test_values_of_decisions_are_short(value: object, title: str) -> None:
    program = Program()
    program.read(program.tensor(), value, "item")
    assert node(dynamic_view(program.recording(), CLOSED), "op:0").title == title


def test_the_last_decision_of_a_run_points_at_nothing() -> None:
    program = Program()
    program.read(program.tensor(), False)
    assert edges(dynamic_view(program.recording(), CLOSED), "control") == set()


def test_parameters_of_one_op_are_one_node_beside_it() -> None:
    program = Program()
    x, weight = program.tensor(shape=(1, 3)), program.tensor("net.0.weight", (4, 3))
    bias = program.tensor("net.0.bias", (4,))
    program.op("linear", x, weight, bias, shape=(1, 4))
    program.op("linear", x, weight, bias, shape=(1, 4))
    view = dynamic_view(program.recording(inputs=(x,)), CLOSED)
    for op in (0, 1):
        proxy = node(view, f"parameters:{op}")
        assert (proxy.kind, proxy.title, proxy.subtitle) == (
            "parameter",
            "weight, bias",
            "4×3, [4]",
        )
        assert proxy.ops == (op,)
        assert (f"parameters:{op}", f"op:{op}") in edges(view)


def test_an_input_used_three_times_is_one_node() -> None:
    program = Program()
    x = program.tensor()
    for _ in range(3):
        program.op("relu", x)
    view = dynamic_view(program.recording(inputs=(x,)), CLOSED)
    assert [n.id for n in view.nodes if n.kind == "input"] == ["tensor:0"]
    assert node(view, "tensor:0").ops == (0, 1, 2)


def test_an_input_used_four_times_is_drawn_at_each_use() -> None:
    program = Program()
    x = program.tensor()
    for _ in range(4):
        program.op("relu", x)
    view = dynamic_view(program.recording(inputs=(x,)), CLOSED)
    assert edges(view) == {(f"tensor:0@op:{i}", f"op:{i}") for i in range(4)}
    assert node(view, "tensor:0@op:2").ops == (2,)


def test_a_closed_box_has_one_node_for_a_shared_input_and_links_all_its_uses() -> None:
    program = Program()
    x, root = program.tensor(), program.call("", type="Net")
    inner = program.call("block", root)
    for _ in range(4):
        program.op("relu", x, call=inner)
    view = dynamic_view(program.recording(inputs=(x,)), CLOSED)
    assert edges(view) == {("tensor:0@call:1", "call:1")}
    assert node(view, "tensor:0@call:1").ops == (0, 1, 2, 3)


def nested() -> Recording:
    """x -> [block: relu -> [block.inner: exp -> log]] -> tanh, all in one outermost call."""
    program = Program()
    x, root = program.tensor(), program.call("", type="Net")
    block = program.call("block", root, "Block")
    inner = program.call("block.inner", block, "Inner")
    a = program.op("relu", x, call=block)
    b = program.op("exp", a, call=inner)
    c = program.op("log", b, call=inner)
    d = program.op("tanh", c, call=root)
    return program.recording(inputs=(x,), output=(d,))


def test_the_outermost_call_is_the_picture_and_a_closed_box_stands_for_its_ops() -> None:
    view = dynamic_view(nested(), CLOSED)
    closed = node(view, "call:1")
    assert (closed.kind, closed.title, closed.subtitle) == ("box", "block", "Block · 3 ops")
    assert closed.ops == (0, 1, 2)
    assert edges(view) == {
        ("tensor:0", "call:1"),
        ("call:1", "op:3"),
        ("op:3", "output:4"),
    }
    assert view.hidden == {"ops in closed boxes": 3}


def test_an_open_box_shows_its_ops_and_the_boxes_in_it() -> None:
    view = dynamic_view(nested(), frozenset({"call:1"}))
    assert boxes(view) == {"call:1": None}
    assert {n.id: n.box for n in view.nodes} == {
        "op:0": "call:1",
        "call:2": "call:1",
        "op:3": None,
        "tensor:0": None,
        "output:4": None,
    }
    assert node(view, "call:2").ops == (1, 2)


def test_boxes_lie_in_each_other_as_the_calls_did() -> None:
    view = dynamic_view(nested(), frozenset({"call:1", "call:2"}))
    assert boxes(view) == {"call:1": None, "call:2": "call:1"}
    assert node(view, "op:2").box == "call:2"
    assert not view.hidden


def test_a_box_that_is_open_inside_a_closed_one_does_not_show() -> None:
    assert dynamic_view(nested(), frozenset({"call:2"})) == dynamic_view(nested(), CLOSED)


def test_parameters_inside_a_closed_box_are_not_drawn() -> None:
    program = Program()
    x, root = program.tensor(), program.call("", type="Net")
    block = program.call("block", root)
    a = program.op("linear", x, program.tensor("block.weight"), call=block)
    program.op("relu", a, call=block)
    view = dynamic_view(program.recording(inputs=(x,)), CLOSED)
    assert ids(view) == ["call:1", "tensor:0"]


def test_a_call_of_a_single_op_is_drawn_as_that_op_and_names_the_module() -> None:
    program = Program()
    x, root = program.tensor(), program.call("", type="Net")
    a = program.op("linear", x, call=program.call("layers.0", root, "Linear"))
    program.op("relu", a, call=root)
    view = dynamic_view(program.recording(inputs=(x,)), CLOSED)
    assert (node(view, "op:0").kind, node(view, "op:0").subtitle) == ("op", "layers.0")


def test_two_calls_of_one_module_are_two_boxes() -> None:
    program = Program()
    x, root = program.tensor(), program.call("", type="Net")
    for _ in range(2):
        again = program.call("shared", root)
        x = program.op("relu", program.op("exp", x, call=again), call=again)
    view = dynamic_view(program.recording(inputs=(0,)), CLOSED)
    assert [n.id for n in view.nodes if n.kind == "box"] == ["call:1", "call:2"]
    assert ("call:1", "call:2") in edges(view)


def test_a_module_that_calls_itself_nests_in_itself() -> None:
    program = Program()
    x, outer = program.tensor(), program.call("", type="Tree")
    again = program.call("", outer, "Tree")
    a = program.op("relu", x, call=outer)
    b = program.op("exp", a, call=again)
    program.op("log", b, call=again)
    view = dynamic_view(program.recording(inputs=(x,)), frozenset({"call:1"}))
    assert boxes(view) == {"call:1": None}
    assert node(view, "op:1").box == "call:1"
    assert view.boxes[0].title == "Tree"


def test_without_one_outermost_call_each_is_a_box() -> None:
    program = Program()
    x = program.tensor()
    for name in ("Generator", "Critic"):
        call = program.call(name, type=name)
        x = program.op("relu", program.op("exp", x, call=call), call=call)
    assert [n.title for n in dynamic_view(program.recording(), CLOSED).nodes][:2] == [
        "Generator",
        "Critic",
    ]


def test_flags_tell_what_is_special_about_an_op() -> None:
    program = Program()
    x = program.tensor()
    program.op("view", x, alias_of=x)  # op 0
    new = program.op("add_", x, alias_of=x, overwrites=(x,))  # op 1
    program.op("log", new, summary=NAN)  # op 2
    program.many("matmul", new, results=0)  # op 3
    view = dynamic_view(program.recording(inputs=(x,), failure=failed(3)), CLOSED)
    assert [node(view, f"op:{i}").flags for i in range(4)] == [
        ("view",),
        ("inplace",),
        ("nonfinite",),
        ("failed",),
    ]


def test_an_inplace_write_is_between_what_was_there_and_what_reads_it() -> None:
    program = Program()
    x = program.tensor()
    a = program.op("exp", x)
    b = program.op("add_", a, alias_of=a, overwrites=(a,))
    program.op("log", b)
    view = dynamic_view(program.recording(inputs=(x,)), CLOSED)
    assert edges(view) == {("tensor:0", "op:0"), ("op:0", "op:1"), ("op:1", "op:2")}


def test_a_closed_box_tells_that_something_in_it_failed_or_was_not_finite() -> None:
    program = Program()
    root = program.call("", type="Net")
    call = program.call("block", root)
    a = program.op("log", program.tensor(), call=call, summary=NAN)
    program.many("matmul", a, call=call, results=0)
    view = dynamic_view(program.recording(failure=failed(1)), CLOSED)
    assert node(view, "call:1").flags == ("failed", "nonfinite")


def test_an_op_that_returns_its_input_is_no_view_and_does_not_point_at_itself() -> None:
    program = Program()
    x = program.tensor()
    y = program.op("t", x, alias_of=x)
    program.passes_on("contiguous", y)
    program.op("relu", y)
    view = dynamic_view(program.recording(inputs=(x,)), CLOSED)
    # What follows takes y from its maker: `contiguous` made nothing.
    assert edges(view) == {("tensor:0", "op:0"), ("op:0", "op:1"), ("op:0", "op:2")}
    assert node(view, "op:1").flags == ()


def test_a_model_that_returns_its_input_is_an_edge_from_input_to_output() -> None:
    program = Program()
    x = program.tensor()
    view = dynamic_view(program.recording(inputs=(x,), output=(x,)), CLOSED)
    assert set(ids(view)) == {"tensor:0", "output:0"}
    assert edges(view) == {("tensor:0", "output:0")}


def test_a_parameter_that_is_returned_is_shown() -> None:
    program = Program()
    weight = program.tensor("weight")
    view = dynamic_view(program.recording(output=(weight,)), CLOSED)
    assert node(view, "tensor:0").title == "weight"


def test_an_output_that_is_returned_twice_is_shown_once() -> None:
    program = Program()
    y = program.op("relu", program.tensor())
    view = dynamic_view(program.recording(output=(y, y)), CLOSED)
    assert [n.id for n in view.nodes if n.kind == "output"] == ["output:1"]


def test_ops_of_the_loss_say_so() -> None:
    program = Program()
    y = program.op("relu", program.tensor())
    program.op("sum", y, shape=())
    view = dynamic_view(program.recording(output=(y,), meta={"loss_from": 1}), CLOSED)
    assert node(view, "op:0").subtitle == ""
    assert node(view, "op:1").subtitle == "loss · scalar"


def test_one_edge_carries_all_tensors_between_two_ops() -> None:
    program = Program()
    a, b, c = program.many("chunk", program.tensor(), results=3)
    program.op("cat", a, b, c)
    view = dynamic_view(program.recording(), CLOSED)
    assert [(e.source, e.target, e.label) for e in view.edges if e.source == "op:0"] == [
        ("op:0", "op:1", "[2]")  # three tensors of one shape
    ]
    assert node(view, "op:1").subtitle == "[2]"  # its own result, which no edge carries


def test_different_shapes_on_one_edge_are_counted() -> None:
    program = Program()
    a = program.op("relu", program.tensor())
    b = program.op("max", a)
    wide = program.tensor(shape=(3, 4), producer=0, dtype="int64")
    program.ops[0] = type(program.ops[0])(
        0, "pair", "torch.pair", program.ops[0].inputs, (a, wide), source=program.ops[0].source
    )
    program.op("cat", a, wide, b)
    view = dynamic_view(program.recording(), CLOSED)
    assert [e.label for e in view.edges if (e.source, e.target) == ("op:0", "op:2")] == ["[2] +1"]


def steps() -> Program:
    """relu; then a step with ops 1 and 2; then exp."""
    program = Program()
    x, weight = program.tensor(), program.tensor("weight")
    program.op("relu", x)
    a = program.op("mul", weight)
    new = program.op("add_", weight, a, alias_of=weight, overwrites=(weight,))
    program.op("exp", new)
    program.step(1, 3)
    return program


def test_an_optimizers_step_is_a_closed_box_at_first() -> None:
    recording = steps().recording()
    view = dynamic_view(recording, default_open(recording))
    box = node(view, "step:0")
    assert (box.kind, box.title, box.ops) == ("box", "SGD.step", (1, 2))
    assert ("step:0", "op:3") in edges(view)


def test_an_optimizers_step_opens() -> None:
    view = dynamic_view(steps().recording(), frozenset({"step:0"}))
    assert [(b.id, b.kind) for b in view.boxes] == [("step:0", "step")]
    assert [node(view, f"op:{i}").box for i in range(4)] == [None, "step:0", "step:0", None]


def test_a_model_that_a_step_calls_lies_in_the_steps_box() -> None:
    # torch.optim.LBFGS calls a closure: step [ op 0, Net [ op 1, op 2 ], op 3 ]
    program = Program()
    net = program.call("Net", type="Net")
    program.call("Net", type="Net")
    x = program.tensor()
    a = program.op("zeros", x)
    b = program.op("exp", a, call=net)
    c = program.op("log", b, call=net)
    program.op("add_", c)
    program.op("relu", x, call=1)
    program.op("exp", x, call=1)
    program.step(0, 4)
    recording = program.recording()
    view = dynamic_view(recording, frozenset({"step:0", "call:0"}))
    assert boxes(view) == {"step:0": None, "call:0": "step:0"}
    assert node(view, "op:1").box == "call:0"
    closed = dynamic_view(recording, frozenset({"call:0"}))
    assert node(closed, "step:0").ops == (0, 1, 2, 3)
    assert "call:0" not in default_open(recording)


def test_a_call_that_runs_a_step_is_around_it() -> None:
    program = Program()
    trainer = program.call("Trainer")
    program.call("Other")
    x = program.tensor()
    for _ in range(2):
        x = program.op("add_", x, call=trainer)
    program.step(0, 2)
    view = dynamic_view(program.recording(), frozenset({"step:0", "call:0"}))
    assert boxes(view) == {"call:0": None, "step:0": "call:0"}


def test_a_result_that_every_block_takes_is_drawn_at_each_use() -> None:
    program = Program()
    x = program.tensor()
    mask = program.op("tril", x)
    for _ in range(HUB + 1):
        x = program.op("mul", x, mask)
    last = program.op("relu", x)
    view = dynamic_view(program.recording(inputs=(0,), output=(last,)), CLOSED)
    assert_sound(view)
    from_mask = {target for source, target in edges(view) if source == "op:0"}
    assert from_mask == {"op:1"}  # the first use keeps its edge
    copies = [n for n in view.nodes if n.id.startswith("op:0@")]
    assert [n.id for n in copies] == [f"op:0@op:{i}" for i in range(2, HUB + 2)]
    assert {(n.kind, n.title) for n in copies} == {("input", "tril")}


def test_a_result_of_every_step_that_is_stacked_is_drawn_beside_each_step() -> None:
    program = Program()
    x = program.tensor()
    results = []
    for _ in range(HUB + 1):
        x = program.op("tanh", x)
        results.append(x)
    stacked = program.op("stack", *results)
    program.op("relu", stacked)
    view = dynamic_view(program.recording(inputs=(0,)), CLOSED)
    assert_sound(view)
    stack = f"op:{HUB + 1}"
    into = {source for source, target in edges(view) if target == stack}
    assert into == {f"op:{HUB}"}  # the last step keeps its edge
    assert ("op:0", f"{stack}@from:op:0") in edges(view)


def test_an_op_with_as_many_uses_as_a_reader_can_follow_keeps_its_edges() -> None:
    program = Program()
    x = program.tensor()
    mask = program.op("tril", x)
    for _ in range(HUB):
        x = program.op("mul", x, mask)
    view = dynamic_view(program.recording(inputs=(0,), output=(x,)), CLOSED)
    assert not [n for n in view.nodes if n.id.startswith("op:0@")]


@given(st.sets(st.tuples(st.integers(0, 12), st.integers(0, 12)), min_size=30, max_size=90))
def test_copies_stand_in_for_edges_and_nothing_else_changes(pairs: set[tuple[int, int]]) -> None:
    nodes = {f"n:{i}": ViewNode(f"n:{i}", "op", str(i)) for i in range(13)}
    wanted = [ViewEdge(f"n:{a}", f"n:{b}") for a, b in sorted(pairs) if a != b]
    with patch.object(hubs, "HUB", 2):
        drawn, lines = hubs.split_hubs(nodes, wanted)
    assert_sound(GraphView("", tuple(drawn), tuple(lines)))
    assert drawn[:13] == list(nodes.values())

    def original(name: str) -> str:
        return name.partition("@")[0]

    assert {(original(e.source), original(e.target)) for e in lines} == {
        (e.source, e.target) for e in wanted
    }
    assert len(lines) == len(wanted)


# -- which boxes are open at first ----------------------------------------------------------------


def blocks(count: int, ops: int) -> Recording:
    program = Program()
    x, root = program.tensor(), program.call("", type="Net")
    for number in range(count):
        call = program.call(f"block.{number}", root)
        for _ in range(ops):
            x = program.op("relu", x, call=call)
    return program.recording(inputs=(0,))


def test_boxes_open_at_first_while_they_fit() -> None:
    assert default_open(blocks(3, 4), visible=12) == {"call:1", "call:2", "call:3"}
    assert default_open(blocks(3, 4), visible=11) == frozenset()


def test_outer_boxes_open_before_inner_ones() -> None:
    assert default_open(nested(), visible=3) == {"call:1"}  # relu, the inner box, tanh
    assert default_open(nested(), visible=4) == {"call:1", "call:2"}
    assert default_open(nested(), visible=2) == frozenset()


# -- hostile --------------------------------------------------------------------------------------


def test_an_empty_recording_is_an_empty_picture() -> None:
    view = dynamic_view(Program().recording(), CLOSED)
    assert (view.nodes, view.edges, view.boxes) == ((), (), ())
    assert default_open(Program().recording()) == frozenset()


def test_a_run_that_failed_before_any_op_is_an_empty_picture() -> None:
    program = Program()
    program.call("", type="Net")
    assert dynamic_view(program.recording(failure=failed(None)), CLOSED).nodes == ()


def test_a_failure_of_the_only_op_is_that_op() -> None:
    program = Program()
    program.many("matmul", program.tensor(), results=0)
    view = dynamic_view(program.recording(failure=failed(0)), CLOSED)
    assert node(view, "op:0").flags == ("failed",)


def test_of_two_thousand_inputs_of_an_op_ten_are_drawn_and_the_rest_is_one_node() -> None:
    program = Program()
    given = [program.tensor() for _ in range(2000)]
    program.op("cat", *given)
    view = dynamic_view(program.recording(inputs=tuple(given)), CLOSED)
    assert_sound(view)
    assert [n.title for n in view.nodes if n.kind == "input"] == ["input"] * 10 + ["+1,990 more"]
    assert {target for _, target in edges(view)} == {"op:0"}


def test_a_chain_of_twenty_thousand_ops_is_drawn_in_ranges() -> None:
    recording = chain(20_000)
    view = dynamic_view(recording, default_open(recording))
    # 67 ranges of 299 ops (the last is shorter), the input and the output.
    assert len(view.nodes) == 67 + 2
    assert sum(len(n.ops) for n in view.nodes if n.kind == "box") == 20_000


def test_modules_nested_five_hundred_deep_open_to_the_bottom() -> None:
    program = Program()
    x, call = program.tensor(), None
    for depth in range(500):
        call = program.call(".".join(["m"] * depth), call)
        x = program.op("relu", x, call=call)
    recording = program.recording(inputs=(0,))
    opened = default_open(recording, visible=10_000)
    view = dynamic_view(recording, opened)
    assert_sound(view)
    # The outermost is the picture, the innermost a single op.
    assert len(view.boxes) == 498
    assert not view.hidden


def test_the_work_for_closed_boxes_grows_with_their_number() -> None:
    def drawing(count: int) -> Callable[[], GraphView]:
        recording = blocks(count, 4)
        ranges = dynamic_view(recording, CLOSED)
        opened = frozenset(n.id for n in ranges.nodes if n.kind == "box")
        return lambda: dynamic_view(recording, opened)

    assert len(drawing(3000)().edges) == 3000
    assert_linear(drawing, 500)
