"""Loops, trips and repeats in the pictures: equal ones are drawn as one, and can be opened."""

from __future__ import annotations

import pytest
import torch
from handmade import Program, assert_sound, boxes, edges, ids, node
from torch import Tensor, nn

import inspector
import sample_models
from inspector.records import Recording, Source
from inspector.views import ViewIndex, backward_view, default_open, dynamic_view, twin_view
from inspector.views.index import index_of
from inspector.views.model import GraphView
from inspector.views.names import describe

CLOSED: frozenset[str] = frozenset()
TEXT = "for i in range(n):\n    x = g(f(x))\ny = h(x)\n"
F, G, H = (
    Source("model.py", 2, 10, "run", 2, 14),
    Source("model.py", 2, 8, "run", 2, 15),
    Source("model.py", 3, 4, "run", 3, 8),
)


def looped(trips: int, shapes: bool = False) -> Recording:
    """x -> n × [ exp -> log ] -> tanh"""
    program = Program()
    x = program.tensor()
    for trip in range(trips):
        for name, source in (("exp", F), ("log", G)):
            shape = (2 + trip,) if shapes else (2,)
            x = program.op(name, x, source=source, stack=(source,), shape=shape)
    last = program.op("tanh", x, source=H, stack=(H,))
    return program.recording(inputs=(0,), output=(last,), sources={"model.py": TEXT})


def record_of(view: GraphView, box: str) -> object:
    (found,) = (record for record in view.boxes if record.id == box)
    return found


def test_equal_trips_are_drawn_as_one_that_feeds_itself() -> None:
    view = dynamic_view(looped(5), CLOSED)
    assert_sound(view)
    (loop,) = view.boxes
    assert (loop.id, loop.kind, loop.title) == ("loop:0", "loop", "for i in range(n)")
    assert (loop.subtitle, loop.badge, loop.is_folded) == ("5 trips", "×5", True)
    assert ids(view) == ["op:0", "op:1", "op:10", "tensor:0", "output:11"]
    assert node(view, "op:0").ops == (0, 2, 4, 6, 8)
    assert node(view, "op:1").ops == (1, 3, 5, 7, 9)
    assert edges(view, "data") == {
        ("tensor:0", "op:0"),
        ("op:0", "op:1"),
        ("op:1", "op:10"),  # out of the last trip
        ("op:10", "output:11"),
    }
    assert edges(view, "carried") == {("op:1", "op:0")}
    assert view.hidden == {"ops in equal trips, drawn once": 8}


def test_an_opened_loop_shows_each_trip() -> None:
    view = dynamic_view(looped(3), frozenset({"loop:0"}))
    assert [(n.id, n.title) for n in view.nodes if n.kind == "box"] == [
        ("trip:0/0", "trip 1"),
        ("trip:0/1", "trip 2"),
        ("trip:0/2", "trip 3"),
    ]
    assert not edges(view, "carried")
    opened = frozenset({"loop:0", "trip:0/1"})
    inner = dynamic_view(looped(3), opened)
    assert boxes(inner) == {"loop:0": None, "trip:0/1": "loop:0"}
    assert edges(inner, "data") >= {("trip:0/0", "op:2"), ("op:2", "op:3"), ("op:3", "trip:0/2")}


def test_a_change_of_shapes_between_equal_trips_is_said() -> None:
    (loop,) = dynamic_view(looped(4, shapes=True), CLOSED).boxes
    assert loop.subtitle == "4 trips · shapes change: [2] → [5]"


def test_an_op_that_takes_its_own_result_on_the_next_trip_says_so() -> None:
    view = dynamic_view(different("bbbb"), CLOSED)
    assert [(n.id, n.badge, n.subtitle) for n in view.nodes if n.kind == "op"] == [
        ("op:0", "×4", "feeds its next trip")
    ]
    assert boxes(view) == {"loop:0": None}


def test_three_trips_of_one_op_have_no_box() -> None:
    assert boxes(dynamic_view(different("bbb"), CLOSED)) == {}


def test_a_loop_that_went_round_once_has_no_box() -> None:
    view = dynamic_view(looped(1), CLOSED)
    assert not view.boxes
    assert ids(view)[:3] == ["op:0", "op:1", "op:2"]


def different(which: str) -> Recording:
    """Each letter is a trip: an "a" is exp and log, a "b" only exp."""
    program = Program()
    x = program.tensor()
    for letter in which:
        x = program.op("exp", x, source=F, stack=(F,))
        if letter == "a":
            x = program.op("log", x, source=G, stack=(G,))
    return program.recording(inputs=(0,), sources={"model.py": TEXT})


def test_runs_of_equal_trips_are_told_apart() -> None:
    view = dynamic_view(different("aaabaa"), CLOSED)
    assert_sound(view)
    assert [(n.id, n.title, n.badge) for n in view.nodes if n.kind != "input"] == [
        ("trip:0/0", "trips 1–3", "×3"),
        ("op:6", "exp", ""),
        ("trip:0/4", "trips 5–6", "×2"),
    ]
    assert edges(view, "data") == {
        ("tensor:0", "trip:0/0"),
        ("trip:0/0", "op:6"),
        ("op:6", "trip:0/4"),
    }


def test_trips_that_all_differ_are_boxes_in_a_box_that_closes() -> None:
    view = dynamic_view(different("abab"), CLOSED)
    assert [(n.id, n.subtitle) for n in view.nodes if n.kind == "box"] == [
        ("loop:0", "4 trips · 6 ops")
    ]


def blocks(count: int) -> Recording:
    """A Sequential of equal blocks of two ops, called without a loop."""
    program = Program()
    x, root = program.tensor(), program.call("", type="Net")
    for number in range(count):
        call = program.call(f"blocks.{number}", root)
        site = Source("lib.py", 1, 0, "forward")
        for name in ("linear", "relu"):
            x = program.op(name, x, call=call, call_site=site)
    return program.recording(inputs=(0,))


def test_four_equal_calls_in_a_row_are_drawn_as_one() -> None:
    view = dynamic_view(blocks(4), CLOSED)
    (repeat,) = view.boxes
    assert (repeat.kind, repeat.title, repeat.subtitle) == (
        "repeat",
        "blocks.0 … blocks.3",
        "4 × Block",
    )
    assert [(n.id, n.badge, len(n.ops)) for n in view.nodes if n.kind == "box"] == [
        ("call:1", "×4", 8)
    ]
    opened = dynamic_view(blocks(4), frozenset({repeat.id}))
    assert [n.id for n in opened.nodes if n.kind == "box"] == [f"call:{i}" for i in range(1, 5)]


def test_three_equal_calls_are_drawn_each() -> None:
    view = dynamic_view(blocks(3), CLOSED)
    assert [n.id for n in view.nodes if n.kind == "box"] == ["call:1", "call:2", "call:3"]


class Nested(nn.Module):
    """Two epochs of three batches; the ops of a trip are counted by hand below."""

    def forward(self, x: Tensor) -> Tensor:
        for _ in range(2):
            for _ in range(3):
                x = torch.exp(torch.tanh(x))
            x = torch.log(x)
        return x


def test_loops_in_loops_fold_in_each_other() -> None:
    recording = inspector.record(Nested(), torch.ones(2))
    view = dynamic_view(recording, CLOSED)
    assert_sound(view)
    assert boxes(view) == {"loop:0": None, "loop:1": "loop:0"}
    assert {n.title: n.ops for n in view.nodes if n.kind == "op"} == {
        "tanh": (0, 2, 4, 7, 9, 11),
        "exp": (1, 3, 5, 8, 10, 12),
        "log": (6, 13),
    }
    assert edges(view, "carried") == {("op:1", "op:0"), ("op:6", "op:0")}


def test_opening_the_inner_loop_of_the_drawn_trip_shows_its_trips() -> None:
    recording = inspector.record(Nested(), torch.ones(2))
    view = dynamic_view(recording, frozenset({"loop:1"}))
    assert_sound(view)
    assert [n.id for n in view.nodes if n.kind == "box"] == ["trip:1/0", "trip:1/1", "trip:1/2"]


def test_small_loops_are_unrolled_at_first_and_long_ones_are_not() -> None:
    sample = sample_models.get("while_loop")
    few = inspector.record(sample.build(), *sample.inputs["norm 20, five trips"].make())
    view = dynamic_view(few, default_open(few))
    assert [n.title for n in view.nodes if n.kind == "decision"] == ["True"] * 5 + ["False"]
    poet = sample_models.get("poem_lstm")
    many = inspector.record(poet.build(), *poet.inputs["sugar"].make())
    folded = dynamic_view(many, default_open(many))
    (loop,) = folded.boxes
    assert (loop.subtitle, loop.badge) == ("7 trips", "×7")
    # What the first and the last trip read, and the END that ended the loop.
    words = [n.title for n in folded.nodes if n.kind == "decision"]
    assert len(words) == 2
    assert "…" in words[0]
    assert words[1] == str(poet_end())


def poet_end() -> int:
    from sample_models.poem_lstm import VOCABULARY

    return VOCABULARY.index("END")


@pytest.mark.parametrize("trips", [2, 5])
def test_the_way_to_an_op_leads_to_it(trips: int) -> None:
    recording = looped(trips)
    index = ViewIndex(recording)
    for op in range(len(recording.ops)):
        view = dynamic_view(recording, frozenset(index.way_to(op)), index)
        assert any(n.id == f"op:{op}" for n in view.nodes), op
    assert "loop:0" not in index.way_to(0)  # the first trip is drawn anyway


def test_a_box_is_described_by_its_id() -> None:
    index = ViewIndex(looped(5))
    loop, trip = describe(index, "loop:0"), describe(index, "trip:0/3@1")
    assert loop is not None
    assert (loop.title, loop.trips, loop.same, loop.size) == ("for i in range(n)", 5, 5, 10)
    assert loop.source == ("model.py", 1)
    assert trip is not None
    assert (trip.title, trip.first, trip.last) == ("trip 4", 6, 7)
    assert describe(index, "loop:9") is None
    assert describe(index, "") is None


def test_views_without_an_index_share_the_last_ones() -> None:
    recording = looped(2)
    assert index_of(recording) is index_of(recording)
    assert index_of(looped(2)) is not index_of(recording)


def test_gradients_of_equal_trips_are_drawn_as_one() -> None:
    def run(x: Tensor) -> Tensor:
        for _ in range(6):
            x = torch.tanh(torch.exp(x))
        return x.sum()

    recording = inspector.record(run, torch.ones(2, requires_grad=True), loss="sum")
    view = backward_view(recording, CLOSED)
    assert_sound(view)
    counts = {n.title: len(n.grads) for n in view.nodes}
    assert counts["Tanh"] == counts["Exp"] == 6
    (tanh,) = (n.id for n in view.nodes if n.title == "Tanh")
    (exp,) = (n.id for n in view.nodes if n.title == "Exp")
    assert (tanh, exp) in edges(view, "grad")
    assert (exp, tanh) in edges(view, "carried")
    assert {number for n in view.nodes for number in n.grads} == set(
        range(len(recording.grad_nodes))
    )


@pytest.mark.parametrize("name", list(sample_models.catalog()))
def test_every_sample_is_sound_folded_at_first_and_fully_open(name: str) -> None:
    sample = sample_models.get(name)
    for given in sample.inputs.values():
        recording = inspector.record(sample.build(), *given.make(), loss=sample.loss)
        index = ViewIndex(recording)
        ops, grads = set(range(len(recording.ops))), set(range(len(recording.grad_nodes)))
        for opened in (CLOSED, default_open(recording, index=index), frozenset(index.by_id)):
            forward = dynamic_view(recording, opened, index)
            backward = backward_view(recording, opened, index)
            twins = twin_view(recording, opened, index)
            for view in (forward, backward, twins):
                assert_sound(view)
            kinds = ("op", "decision", "box")
            shown = [op for n in forward.nodes if n.kind in kinds for op in n.ops]
            assert sorted(shown) == sorted(ops)  # each op is drawn as exactly one thing
            for view in (backward, twins):
                found = [number for n in view.nodes for number in n.grads]
                assert sorted(found) == sorted(grads)


def test_many_trips_are_unrolled_in_ranges_of_closed_trips() -> None:
    recording = looped(130)  # 3 ranges: 44, 44 and 42 trips of two ops
    view = dynamic_view(recording, frozenset({"loop:0"}))
    ranges = [n.title for n in view.nodes if n.id.startswith("range:")]
    assert ranges == ["trips 1–44", "trips 45–88", "trips 89–130"]
    opened = dynamic_view(recording, frozenset({"loop:0", "range:88/175"}))
    trips = [n for n in opened.nodes if n.id.startswith("trip:")]
    assert [n.title for n in trips] == [f"trip {number}" for number in range(45, 89)]
    assert {n.subtitle for n in trips} == {"2 ops"}
    frames = {"loop:0", "range:88/175", "trip:0/44"}
    inside = [
        n.id for n in dynamic_view(recording, frozenset(frames)).nodes if n.box == "trip:0/44"
    ]
    assert inside == ["op:88", "op:89"]
