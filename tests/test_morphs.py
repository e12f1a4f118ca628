"""A run in one picture with the run before it: what is gone, what is new, and where all stands.

The samples' ops are worked out by hand from their source: `branching` runs mean, gt, bool, then
linear and tanh of `above`, or mul, linear of `below` and mul; and the loss, mean.
"""

from __future__ import annotations

from functools import cache

import pytest
import torch
from torch import Tensor

import inspector
import sample_models
from inspector.records import Recording
from inspector.render.answers import Book, answer
from inspector.render.layout import layout
from inspector.render.morphs import MorphBook
from inspector.views import GraphView
from inspector_app.served import Shelf

NAMES = ("before it", "now")


@cache
def recorded(sample: str, name: str) -> Recording:
    found = sample_models.get(sample)
    arguments = found.inputs[name].make()
    return inspector.record(found.build(), *arguments, loss=found.loss)


def both_ways(sample: str, a: str, b: str) -> tuple[MorphBook, MorphBook]:
    """From A to B, and from B to A."""
    first, second = Book(recorded(sample, a)), Book(recorded(sample, b))
    return MorphBook(first, second, NAMES), MorphBook(second, first, NAMES)


@pytest.fixture
def branched() -> MorphBook:
    """From the way of `above` to that of `below`."""
    return both_ways("branching", "mean above zero", "mean below zero")[0]


def drawn(book: MorphBook, *toggled: str) -> GraphView:
    return book.views(book.shown(frozenset(toggled)))["dynamic"]


def flagged(view: GraphView, flag: str) -> set[str]:
    return {node.id for node in view.nodes if flag in node.flags}


def test_what_only_one_of_the_runs_has_is_gone_or_new(branched: MorphBook) -> None:
    view = drawn(branched)
    ops = {node.id: node.title for node in view.nodes if node.kind in ("op", "decision")}
    assert [ops[f"op:{number}"] for number in (0, 1, 3, 4, 5, 6)] == [
        "mean", "gt", "mul", "linear", "mul", "mean",
    ]  # fmt: skip
    assert {one for one in flagged(view, "arrived") if one.startswith("op:")} == {
        "op:3", "op:4", "op:5",
    }  # fmt: skip
    assert {one: ops[one] for one in flagged(view, "vanished") if one in ops} == {
        "was_op:3": "linear", "was_op:4": "tanh",
    }  # fmt: skip


def test_a_decision_says_what_it_read_before_and_now(branched: MorphBook) -> None:
    view = drawn(branched)
    (decision,) = (node for node in view.nodes if node.kind == "decision")
    assert (decision.id, decision.title, "altered" in decision.flags) == (
        "op:2", "True → False", True,
    )  # fmt: skip
    _, back = both_ways("branching", "mean above zero", "mean below zero")
    assert [n.title for n in drawn(back).nodes if n.kind == "decision"] == ["False → True"]


def test_items_stand_for_the_ops_of_the_run_now_and_what_is_gone_for_none(
    branched: MorphBook,
) -> None:
    items = answer(branched, "picture", {})["items"]["dynamic"]
    assert items["op:6"]["ops"] == [6]
    assert items["was_op:3"]["ops"] == []
    grads = answer(branched, "picture", {})["items"]["backward"]
    linked = [name for name, item in grads.items() if 4 in item["ops"]]
    assert linked  # the backward of the new linear lights up with it


def test_each_item_says_what_it_was_before(branched: MorphBook) -> None:
    was = answer(branched, "picture", {})["morph"]["was"]
    # The loss was op 5 of 6 and is op 6 of 7 now; the input is the same one.
    assert was["op:6"] == "op:5"
    assert was["was_op:4"] == "op:4"
    assert was["tensor:0"] == "tensor:0"
    assert "op:3" not in was
    assert branched.morph.name_now("op:5") == "op:6"
    assert branched.morph.name_now("op:4") is None


@pytest.mark.parametrize("name", sorted(sample_models.catalog()))
def test_back_and_forth_everything_stands_at_the_same_place(name: str) -> None:
    inputs = list(sample_models.get(name).inputs)
    if len(inputs) < 2:
        pytest.skip("one input only")
    there, back = both_ways(name, *inputs[:2])
    places, others = layout(drawn(there)), layout(drawn(back))
    compared = 0
    for item, rect in others.nodes.items():
        was = back.morph.name_before(item) or f"was_{item}"
        if was in places.nodes:
            compared += 1
            assert places.nodes[was][:2] == rect[:2]
    assert compared > 0.9 * len(places.nodes)


def test_a_loop_says_how_often_it_ran_before_and_now() -> None:
    there, back = both_ways("variable_length", "two words", "five words")
    assert {box.subtitle for box in drawn(there).boxes if box.kind == "loop"} == {
        "6 trips, before 3"
    }
    assert {box.subtitle for box in drawn(back).boxes if box.kind == "loop"} == {
        "3 trips, before 6"
    }


def test_texts_are_those_of_the_run_now() -> None:
    def scaled(x: Tensor) -> Tensor:
        return (x * len(x)).relu()

    first = Book(inspector.record(scaled, torch.ones(2)))
    second = Book(inspector.record(scaled, torch.ones(12345)))
    there, back = MorphBook(first, second, NAMES), MorphBook(second, first, NAMES)
    for book, size in ((there, "12345"), (back, "2")):
        (mul,) = (node for node in drawn(book).nodes if node.title == "mul")
        assert mul.subtitle == f"× {size}"
        (given,) = (node for node in drawn(book).nodes if node.kind == "input")
        assert given.subtitle == f"[{size}]"
    assert layout(drawn(there)).nodes == layout(drawn(back)).nodes


def test_the_timeline_and_the_other_panes_are_those_of_the_run_now(branched: MorphBook) -> None:
    plain = branched.now
    assert answer(branched, "timeline", {}) == answer(plain, "timeline", {})
    asked = {"draw": ["backward"]}
    mine, own = (
        {pane["id"]: pane for pane in answer(book, "picture", asked)["panes"]}
        for book in (branched, plain)
    )
    assert mine["backward"] == own["backward"]
    assert mine["source"] == own["source"]


def test_the_way_to_each_op_leads_through_boxes_of_the_picture() -> None:
    book, _ = both_ways(
        "mixture_of_experts", *list(sample_models.get("mixture_of_experts").inputs)[:2]
    )
    opened = book.first_open
    for op in range(len(book.recording.ops)):
        boxes = answer(book, "way", {"ref": f"dynamic/op:{op}"})["boxes"]
        view = drawn(book, *(box for box in boxes if box not in opened))
        assert any(op in node.ops for node in view.nodes)


def test_the_card_of_what_is_gone_says_so_and_asks_nothing_of_this_run(
    branched: MorphBook,
) -> None:
    card = answer(branched, "picture", {})["cards"]["dynamic/was_op:3"]
    assert card["title"] == branched.before.cards.card("dynamic", "op:3")["title"]
    assert card["rows"][0] == ("gone", "only with “before it”")
    assert card["tensors"]
    assert all("id" not in tensor for tensor in card["tensors"])


def test_the_card_of_what_is_new_names_the_input_without_it(branched: MorphBook) -> None:
    card = answer(branched, "picture", {})["cards"]["dynamic/op:3"]
    assert card["rows"][0] == ("new", "not with “before it”")


def test_runs_that_have_nothing_in_common_make_a_picture_too() -> None:
    one = Book(inspector.record(torch.sin, torch.ones(2)))
    other = Book(inspector.record(torch.nn.Linear(2, 2), torch.ones(1, 2), loss="sum"))
    view = drawn(MorphBook(one, other, NAMES))
    assert "was_op:0" in flagged(view, "vanished")
    assert "op:0" in flagged(view, "arrived")


def test_a_run_without_an_op_vanishes_whole_and_comes_back() -> None:
    def identity(x: Tensor) -> Tensor:
        return x

    one = Book(inspector.record(identity, torch.ones(2)))
    other = Book(inspector.record(torch.sin, torch.ones(2)))
    assert flagged(drawn(MorphBook(other, one, NAMES)), "vanished") >= {"was_op:0"}
    assert flagged(drawn(MorphBook(one, other, NAMES)), "arrived") >= {"op:0"}


def test_a_failed_run_shows_where_it_failed() -> None:
    def halved(x: Tensor) -> Tensor:
        return (x * 2) @ torch.ones(2, 2)

    good = Book(inspector.record(halved, torch.ones(1, 2)))
    bad = Book(inspector.record(halved, torch.ones(1, 3)))
    (failed,) = flagged(drawn(MorphBook(good, bad, NAMES)), "failed")
    assert bad.recording.failure is not None
    assert failed == f"op:{bad.recording.failure.op}"
    assert not flagged(drawn(MorphBook(bad, good, NAMES)), "failed")


def test_the_shelf_tells_a_run_from_the_same_run_beside_another(branched: MorphBook) -> None:
    shelf = Shelf()
    names = {shelf.put(branched), shelf.put(branched.now), shelf.put(branched.before)}
    assert len(names) == 3
    assert shelf.put(branched) in names


def test_what_is_gone_is_linked_to_the_ir_node_that_it_ran() -> None:
    found = sample_models.get("branching")
    static = inspector.script(found.build())
    books = []
    for name in found.inputs:
        recording = recorded("branching", name)
        books.append(Book(recording, static, inspector.overlay(static, recording)))
    links = answer(MorphBook(*books, NAMES), "picture", {})["morph"]["ir"]
    kinds = {
        ghost: [static.nodes[int(ir.partition(":")[2])].kind for ir in nodes]
        for ghost, nodes in links.items()
    }
    assert kinds["was_op:3"] == ["aten::linear"]
    assert kinds["was_op:4"] == ["aten::tanh"]
    assert links["was_op:3"] != links["was_op:4"]
    assert not any(name.startswith("op:") for name in links)


def test_the_first_change_is_the_first_op_that_is_not_the_same() -> None:
    there, back = both_ways("branching", "mean above zero", "mean below zero")
    assert there.morph.first_change() == "op:2"  # the decision: True, then False
    assert back.morph.first_change() == "op:2"
    same = Book(recorded("branching", "mean above zero"))
    again = Book(inspector.record(torch.sin, torch.ones(2)))
    other = Book(inspector.record(torch.sin, torch.ones(2)))
    assert MorphBook(again, other, NAMES).morph.first_change() is None
    assert MorphBook(same, again, NAMES).morph.first_change() is not None


def test_what_is_gone_has_a_name_and_a_way_to_it(branched: MorphBook) -> None:
    morph = branched.morph
    assert morph.ghost("op:3") == "was_op:3"
    assert morph.ghost("op:0") is None  # it is still there
    assert set(morph.way_to_gone(3)) <= set(morph.boxes.values())
