"""Two runs in one workbench: the panes, the counts, the differences, the cards."""

from __future__ import annotations

import json
import re
from pathlib import Path

import pytest
import torch

import inspector
import sample_models
from inspector.render.answers import Book, answer
from inspector.render.pairs import PairBook


def book(name: str, a: str, b: str, *, scripted: bool = True) -> PairBook:
    sample = sample_models.get(name)
    options = inspector.CaptureOptions(values="full")
    sides = []
    for each in (a, b):
        arguments = sample.inputs[each].make()
        run = inspector.record(sample.build(), *arguments, loss=sample.loss, options=options)
        static = inspector.script(sample.static(sample.build())) if scripted else None
        overlay = None if static is None else inspector.overlay(static, run)
        sides.append(Book(run, static, overlay))
    return PairBook(sides[0], sides[1], (a, b))


@pytest.fixture(scope="module")
def words() -> PairBook:
    return book("variable_length", "two words", "five words")


@pytest.fixture(scope="module")
def branches() -> PairBook:
    return book("branching", "mean above zero", "mean below zero")


def pane(found: dict, name: str) -> dict:
    return next(one for one in found["panes"] if one["id"] == name)


def test_the_workbench_has_the_picture_the_differences_the_source_and_the_ir(
    words: PairBook,
) -> None:
    found = answer(words, "picture", {})
    json.dumps(found, allow_nan=False)
    panes = ["dynamic", "differences", "source", "static", "irtext"]
    assert [one["id"] for one in found["panes"]] == panes
    assert found["compare"]["names"] == ["two words", "five words"]


def test_looked_at_as_one_run_the_picture_says_what_was_there_in_that_run(words: PairBook) -> None:
    texts = answer(words, "picture", {})["compare"]["texts"]
    # The third token: the pad, 0, among two words; the word 1 among five.
    assert [texts[run]["nodes"]["op:11"] for run in "ab"] == [["0", "int"], ["1", "int"]]


def test_looked_at_as_one_run_edges_and_results_have_the_shapes_of_that_run() -> None:
    model = torch.nn.Sequential(torch.nn.Linear(4, 2), torch.nn.Tanh())
    runs = [Book(inspector.record(model, torch.ones(size, 4))) for size in (3, 5)]
    texts = answer(PairBook(runs[0], runs[1]), "picture", {})["compare"]["texts"]
    assert texts["a"] == {"nodes": {}, "edges": []}  # the picture of both is labelled by A
    labels = {(source, target): label for source, target, _, label in texts["b"]["edges"]}
    assert labels["op:0", "op:1"] == "5×2"
    assert ["output", "5×2"] in texts["b"]["nodes"].values()


def test_each_line_of_the_source_has_the_count_of_a_and_of_b(words: PairBook) -> None:
    (file,) = pane(answer(words, "picture", {}), "source")["files"]
    texts = {text.strip(): str(number) for number, text in enumerate(file["lines"], start=1)}
    # Two words: the loop is entered for the words and for the pad token; `break` ends it.
    assert file["sides"][texts["if int(token) == self.pad:"]] == [3, 6]
    assert file["sides"][texts["break"]] == [1, 1]
    tanh = "state = torch.tanh(self.recurrent(state) + self.embedding(token))"
    assert file["sides"][texts[tanh]] == [2, 5]


def test_each_line_of_the_ir_has_the_executions_of_a_and_of_b(words: PairBook) -> None:
    found = answer(words, "picture", {})
    (tanh,) = [one for one in pane(found, "irtext")["lines"] if "aten::tanh" in one["text"]]
    assert list(tanh["sides"]) == [2, 5]
    card = found["cards"][f"static/{tanh['node']}"]
    assert card["rows"][:2] == [("ran in A", "×2"), ("ran in B", "×5")]
    # The five tanh of both: trips one to five.
    (run,) = found["items"]["static"][tanh["node"]]["ops"]  # [first, last, step]
    ops = range(run[0], run[1] + 1, run[2])
    assert [words.recording.ops[op].name for op in ops] == ["tanh"] * 5


def static_nodes(found: dict) -> dict[str, str]:
    """Title and badges of the IR's drawn nodes, as its SVG has them, by their names."""
    svg = pane(found, "static")["svg"]
    nodes = re.findall(r'<g class="(node [^"]*)" data-id="([^"]*)"[^>]*aria-label="([^"]*)"', svg)
    return {node: f"{spoken} | {classes}" for classes, node, spoken in nodes}


def test_the_ir_is_drawn_with_the_executions_of_a_and_of_b(words: PairBook) -> None:
    found = answer(words, "picture", {})
    said = list(static_nodes(found).values())
    (tanh,) = [each for each in said if each.startswith("tanh")]
    assert "A ×2 · B ×5" in tanh
    assert "executed" in tanh
    (loop,) = [each for each in said if each.startswith("loop")]
    assert "A 3 trips · B 6 trips" in loop
    svg = pane(found, "static")["svg"]
    assert 'class="badge-a"' in svg
    assert 'class="badge-b"' in svg


def test_an_ir_branch_that_one_run_took_has_the_flag_of_that_run(branches: PairBook) -> None:
    found = answer(branches, "picture", {})
    said = list(static_nodes(found).values())
    # `above` and its tanh in A; two products and `below` in B; the test and the return in both.
    assert [each.partition(",")[0] for each in said if "only-a" in each.partition("|")[2]] == [
        "linear",
        "tanh",
    ]
    only_b = sorted(each.partition(",")[0] for each in said if "only-b" in each.partition("|")[2])
    assert only_b == ["linear", "mul", "mul"]
    svg = pane(found, "static")["svg"]
    assert "A ran · B did not run" in svg
    assert "A did not run · B ran" in svg
    assert re.search('class="edge control only-a"', svg)
    assert re.search('class="edge control only-b"', svg)


def test_the_card_of_an_ir_branch_tells_the_block_of_each_run(branches: PairBook) -> None:
    found = answer(branches, "picture", {})
    (card,) = [
        card
        for name, card in found["cards"].items()
        if name.startswith("static/") and card["title"] == "prim::If"
    ]
    assert ("branches taken in A", "then") in card["rows"]
    assert ("branches taken in B", "else") in card["rows"]


def test_runs_of_other_ir_say_why_none_is_shown() -> None:
    x = torch.ones(2, 3)
    books = []
    for width in (3, 4):
        model = torch.nn.Linear(3, width)
        run, static = inspector.record(model, x), inspector.trace(model, x)
        books.append(Book(run, static, inspector.overlay(static, run)))
    shown = pane(answer(PairBook(books[0], books[1]), "picture", {}), "static")
    assert shown["svg"] is None
    assert "no TorchScript IR in common" in shown["empty"]


def test_runs_without_a_common_ir_show_none() -> None:
    found = answer(book("branching", "mean above zero", "mean below zero", scripted=False),
                   "picture", {})  # fmt: skip
    assert [one["id"] for one in found["panes"]] == ["dynamic", "differences", "source"]


def test_differences_stand_in_the_order_of_the_run(branches: PairBook) -> None:
    rows = [(row.kind, row.name, row.module, row.a, row.b) for row in branches.differences]
    assert rows == [
        ("decision", "bool", "", "True", "False"),
        ("only A", "linear", "above", "2×3", ""),
        ("only A", "tanh", "", "2×3", ""),
        ("only B", "mul", "", "", "2×4"),
        ("only B", "linear", "below", "", "2×3"),
        ("only B", "mul", "", "", "2×3"),
    ]


def test_a_loop_with_more_trips_is_one_difference_with_both_numbers(words: PairBook) -> None:
    loop = next(row for row in words.differences if row.kind == "loop")
    assert (loop.name, loop.a, loop.b) == ("for token in tokens", "3 trips", "6 trips")
    lines = Path(sample_models.get("variable_length").file).read_text().splitlines()
    assert lines[int(loop.place.removeprefix("variable_length.py:")) - 1].strip() == (
        "for token in tokens:"
    )


def test_an_op_whose_result_has_another_shape_is_changed() -> None:
    model = torch.nn.Linear(4, 2)
    runs = [Book(inspector.record(model, torch.ones(size, 4))) for size in (3, 5)]
    (row,) = PairBook(runs[0], runs[1]).differences
    assert (row.kind, row.name, row.a, row.b) == ("changed", "linear", "3×2", "5×2")


def test_the_card_of_an_op_of_both_has_the_result_of_each(branches: PairBook) -> None:
    card = answer(branches, "picture", {})["cards"]["dynamic/op:8"]  # the mean of the loss
    assert ("ran", "in A and B") in card["rows"]
    results = [one for one in card["tensors"] if one["role"].startswith("output")]
    assert [one["role"] for one in results] == ["output in A", "output in B"]
    sample = sample_models.get("branching")
    for one, given in zip(results, sample.inputs.values(), strict=True):
        loss = sample.build()(*given.make()).mean().item()
        assert one["sample"] == f"{loss:.4g}"


def test_a_value_of_b_alone_can_be_looked_at_number_by_number(branches: PairBook) -> None:
    mul = branches.recording.ops[5].outputs[0]
    x = sample_models.get("branching").inputs["mean below zero"].make()[0]
    torch.testing.assert_close(torch.from_numpy(branches.recording.values[mul]), x * x)


def test_a_search_finds_what_only_one_run_did(branches: PairBook) -> None:
    found = answer(branches, "find", {"q": "below"})
    assert "op:6" in json.dumps(found)


def test_the_way_to_an_op_in_a_closed_trip_opens_it(words: PairBook) -> None:
    toggled = sorted(words.first_open)
    closed = answer(words, "picture", {"toggled": toggled})
    assert "op:15" not in closed["items"]["dynamic"]
    boxes = answer(words, "way", {"ref": "dynamic/op:15"})["boxes"]
    assert boxes
    again = [box for box in toggled if box not in boxes]
    assert "op:15" in answer(words, "picture", {"toggled": again})["items"]["dynamic"]


def test_two_runs_have_no_common_time(words: PairBook) -> None:
    assert answer(words, "timeline", {}) == {"count": 0}


def test_the_op_at_which_one_run_failed_is_marked_and_told() -> None:
    def times(x: torch.Tensor) -> torch.Tensor:
        return x.sin() @ torch.ones(3, 3)

    runs = [Book(inspector.record(times, torch.ones(2, width))) for width in (3, 2)]
    found = answer(PairBook(runs[0], runs[1]), "picture", {})
    card = found["cards"]["dynamic/op:2"]  # sin, ones, matmul
    assert card["title"] == "matmul"
    assert card["note"].startswith("RuntimeError")
    assert card["note"].endswith("(in B)")
    assert 'class="node op failed' in pane(found, "dynamic")["svg"]
