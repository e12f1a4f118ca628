"""Pictures of very large and of hostile recordings: bounded, fast, and nothing lost."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable

import pytest
from handmade import Program, assert_sound, edges, ids, node
from work import assert_linear, lines_run

from inspector.records import Recording, Source
from inspector.views import ViewIndex, backward_view, default_open, dynamic_view, twin_view
from inspector.views.folds import MOST
from inspector.views.model import GraphView

CLOSED: frozenset[str] = frozenset()


def chain(length: int, name: str = "relu", grads: bool = False) -> Recording:
    program = Program()
    source = Source("model.py", 1, 0, "run")
    tensor = program.tensor()
    for _ in range(length):
        tensor = program.op(name, tensor, source=source)
    for number in range(length if grads else 0):
        following = (number + 1,) if number + 1 < length else ()
        program.grad("ReluBackward0", length - 1 - number, *following)
    return program.recording(inputs=(0,), output=(tensor,))


def siblings(count: int) -> Recording:
    """One input, `count` ops on it, and one op on all of their results."""
    program = Program()
    x = program.tensor()
    results = [program.op("relu", x) for _ in range(count)]
    last = program.op("stack", *results)
    return program.recording(inputs=(x,), output=(last,))


def most_in_a_box(view: GraphView) -> int:
    """The largest number of ops and boxes that one box shows."""
    shown = Counter(n.box for n in view.nodes if n.kind in ("op", "box", "grad"))
    shown.update(box.parent for box in view.boxes)
    return max(shown.values())


def walk(recording: Recording, index: ViewIndex) -> list[GraphView]:
    """The picture with all closed, and then with each box opened on the way to the first op."""
    opened: set[str] = set()
    views = [dynamic_view(recording, CLOSED, index)]
    while closed := [n.id for n in views[-1].nodes if n.kind == "box" and 0 in n.ops]:
        opened.add(closed[0])
        views.append(dynamic_view(recording, frozenset(opened), index))
    return views


@pytest.mark.parametrize("recording", [chain(10_000), siblings(2_000)], ids=["chain", "siblings"])
def test_no_box_shows_more_than_three_hundred_things(recording: Recording) -> None:
    index = ViewIndex(recording)
    views = walk(recording, index)
    assert len(views) == 2  # the ranges, and one of them open
    for view in views:
        assert_sound(view)
        assert most_in_a_box(view) <= MOST
        shown = [op for n in view.nodes if n.kind in ("op", "box") for op in n.ops]
        assert sorted(shown) == list(range(len(recording.ops)))


def test_a_hundred_thousand_flat_ops_have_two_levels_of_ranges() -> None:
    recording = chain(100_000)
    index = ViewIndex(recording)
    views = walk(recording, index)
    assert [most_in_a_box(view) <= MOST for view in views] == [True] * 3
    assert views[0].nodes[0].id == index.way_to(0)[0]
    assert set(index.way_to(0)) == {box.id for box in views[-1].boxes}
    assert node(views[-1], "op:0").box == index.way_to(0)[-1]


def test_ranges_say_their_lines() -> None:
    program = Program()
    x = program.tensor()
    for number in range(600):
        x = program.op("relu", x, source=Source("model.py", 10 + number // 100, 0, "run"))
    view = dynamic_view(program.recording(), CLOSED)
    subtitles = [n.subtitle for n in view.nodes if n.kind == "box"]
    assert subtitles == ["lines 10–12 · 300 ops", "lines 13–15 · 300 ops"]


@pytest.mark.parametrize("draw", [dynamic_view, backward_view, twin_view])
def test_the_work_for_a_picture_grows_with_the_ops(draw: Callable[..., GraphView]) -> None:
    def drawing(ops: int) -> Callable[[], GraphView]:
        recording = chain(ops, grads=True)
        index = ViewIndex(recording)
        return lambda: draw(recording, default_open(recording, index=index), index)

    assert_linear(drawing, 2_500)


def test_the_work_for_an_index_grows_with_the_ops_and_is_done_once() -> None:
    def indexing(ops: int) -> Callable[[], GraphView]:
        recording = chain(ops)
        return lambda: dynamic_view(recording, CLOSED, ViewIndex(recording))

    assert_linear(indexing, 5_000)
    recording = chain(5_000)
    index = ViewIndex(recording)
    dynamic_view(recording, CLOSED, index)
    again = lines_run(lambda: dynamic_view(recording, CLOSED, index))
    assert again < lines_run(indexing(5_000)) / 10


def test_the_backward_graph_has_the_same_ranges() -> None:
    recording = chain(1_000, grads=True)
    forward, backward = dynamic_view(recording, CLOSED), backward_view(recording, CLOSED)
    ranges = [n.id for n in forward.nodes if n.kind == "box"]
    assert [n.id for n in backward.nodes] == ranges[::-1]
    opened = backward_view(recording, frozenset(ranges[:1]))
    assert len([n for n in opened.nodes if n.box == ranges[0]]) == 250


def test_autograd_nodes_without_an_op_are_split_too() -> None:
    program = Program()
    program.op("relu", program.tensor())
    for number in range(2_000):
        program.grad("MulBackward0", None, *((number + 1,) if number < 1_999 else ()))
    recording = program.recording()
    view = backward_view(recording, CLOSED)
    assert_sound(view)
    assert len(view.nodes) == 7
    assert (view.nodes[0].id, view.nodes[0].title) == ("nodes:0/299", "nodes 0–299")
    opened = backward_view(recording, frozenset({"nodes:0/299"}))
    assert_sound(opened)
    assert most_in_a_box(opened) == 300
    assert [box.title for box in opened.boxes] == ["nodes 0–299"]


def test_two_thousand_outputs_are_ten_and_the_rest() -> None:
    program = Program()
    results = program.many("unbind", program.tensor(), results=2_000)
    view = dynamic_view(program.recording(inputs=(0,), output=results), CLOSED)
    titles = [n.title for n in view.nodes if n.kind == "output"]
    assert titles == ["output"] * 10 + ["+1,990 more"]


def test_an_op_with_two_thousand_parameters_lists_ten() -> None:
    program = Program()
    given = [program.tensor(f"net.{i}") for i in range(2_000)]
    program.op("cat", *given)
    view = dynamic_view(program.recording(), CLOSED)
    proxy = node(view, "parameters:0")
    assert proxy.title.endswith("8, 9, +1,990 more")
    assert len(view.nodes) == 2


def test_a_box_takes_ten_of_many_inputs_and_the_rest_as_one() -> None:
    program = Program()
    root = program.call("", type="Net")
    call = program.call("block", root)
    given = [program.tensor() for _ in range(50)]
    for tensor in given:
        program.op("relu", tensor, call=call)
    view = dynamic_view(program.recording(inputs=tuple(given)), CLOSED)
    assert [n.title for n in view.nodes if n.kind == "input"] == ["input"] * 10 + ["+40 more"]
    assert {target for _, target in edges(view)} == {"call:1"}


def test_disconnected_parts_are_all_drawn() -> None:
    program = Program()
    for _ in range(3):
        program.op("relu", program.op("exp", program.tensor()))
    view = dynamic_view(program.recording(), CLOSED)
    assert_sound(view)
    assert edges(view) == {
        *((f"tensor:{3 * i}", f"op:{2 * i}") for i in range(3)),
        *((f"op:{2 * i}", f"op:{2 * i + 1}") for i in range(3)),
    }


HOSTILE = "a\"b'<script>&amp;\n\\N{x}|🙂\x00"


def test_hostile_names_stay_as_they_are_and_make_no_ids() -> None:
    program = Program()
    root = program.call("", type=HOSTILE)
    call = program.call(HOSTILE, root, HOSTILE)
    x = program.tensor(HOSTILE)
    x = program.op(HOSTILE, x, call=call, arguments=f"%0, {HOSTILE!r}")
    program.op(HOSTILE, x, call=call)
    program.grad(HOSTILE, 0)
    recording = program.recording(sources={"model.py": HOSTILE})
    index = ViewIndex(recording)
    for opened in (CLOSED, frozenset({"call:1"})):
        for draw in (dynamic_view, backward_view, twin_view):
            view = draw(recording, opened, index)
            assert_sound(view)
            assert not any("script" in name for name in ids(view))
    assert node(dynamic_view(recording, CLOSED, index), "call:1").title == HOSTILE


def test_an_empty_recording_is_an_empty_picture_of_each_kind() -> None:
    recording = Program().recording()
    for draw in (dynamic_view, backward_view, twin_view):
        view = draw(recording, CLOSED)
        assert (view.nodes, view.edges, view.boxes, view.ranks) == ((), (), (), ())
