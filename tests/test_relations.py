"""Which tensors are kept for backward and shared: expected from the formulas of derivatives."""

from __future__ import annotations

import pytest
import torch
import torch.nn.functional as F
from handmade import Program

from inspector import Recording, record
from inspector.render.answers import Book, answer
from inspector.render.relationwords import saved_text
from inspector.views import ViewIndex
from inspector.views.relations import MOST, relations, saved_by_op, saved_bytes


def program(x: torch.Tensor, y: torch.Tensor, w: torch.Tensor) -> torch.Tensor:
    product = x * y
    positive = product.relu()
    return F.linear(positive, w)


@pytest.fixture(scope="module")
def run() -> Recording:
    given = [torch.rand(4, 3, requires_grad=True) for _ in range(2)]
    found = record(program, *given, torch.rand(2, 3, requires_grad=True), loss="sum")
    assert found.failure is None
    return found


def of(run: Recording, item: str) -> set[tuple[str, int, int | None, int | None]]:
    found = relations(run, ViewIndex(run), item)
    assert found.count == len(found.found)
    return {(one.kind, one.tensor, one.maker, one.op) for one in found.found}


def test_mul_keeps_both_inputs_relu_its_result_linear_its_input_and_weight(run: Recording) -> None:
    x, y, w = run.inputs
    mul, relu, linear = (op.id for op in run.ops[:3])
    (positive,) = run.ops[relu].outputs
    assert of(run, f"op:{mul}") == {("saved", x, None, mul), ("saved", y, None, mul)}
    kept = ("kept", positive, relu, linear)
    assert of(run, f"op:{relu}") == {("saved", positive, relu, relu), kept}
    saved = {("saved", positive, relu, linear), ("saved", w, None, linear)}
    assert of(run, f"op:{linear}") == saved
    node = next(node for node in run.grad_nodes if node.name == "MulBackward0")
    assert of(run, f"grad:{node.id}") == of(run, f"op:{mul}")


def test_a_tensor_tells_who_keeps_it_and_who_takes_it(run: Recording) -> None:
    x = run.inputs[0]
    assert of(run, f"tensor:{x}") == {("kept", x, None, 0), ("shared", x, None, 0)}
    assert of(run, f"tensor:{x}@op:0") == of(run, f"tensor:{x}")


def test_bytes_count_each_memory_once(run: Recording) -> None:
    x, y, w = run.inputs
    assert relations(run, ViewIndex(run), "op:0").saved_bytes == 2 * 4 * 3 * 4
    assert saved_bytes(run, [x, y, w]) == 96 + 24
    p = Program()
    one, view = (p.tensor(shape=(4,), nbytes=size, storage=3) for size in (16, 8))
    assert saved_bytes(p.recording(), [one, view]) == 16


def test_a_parameter_is_shared_with_the_other_ops_that_take_it() -> None:
    p = Program()
    x, w = p.tensor(), p.tensor("fc.weight")
    for _ in range(3):
        x = p.op("linear", x, w)
    assert of(p.recording(), "parameters:1") == {("shared", w, None, op) for op in range(3)}


def test_of_many_relations_sixty_are_told_and_the_others_counted() -> None:
    p = Program()
    x, w = p.tensor(), p.tensor("w")
    for _ in range(100):
        x = p.op("linear", x, w)
    run = p.recording()
    found = relations(run, ViewIndex(run), "parameters:0")
    assert (len(found.found), found.count) == (MOST, 100) == (60, 100)
    told = answer(Book(run), "relations", {"pane": "dynamic", "id": "parameters:0"})
    assert (len(told["relations"]), told["more"]) == (60, 40)


@pytest.mark.parametrize(
    "item",
    ["", "op:999", "grad:999", "tensor:x", "nothing", "op:-1", "parameters:9", "op:" + "9" * 40],
)
def test_what_is_not_there_has_no_relations(run: Recording, item: str) -> None:
    assert of(run, item) == set()


def test_the_answer_has_names_shapes_and_where_a_tensor_from_outside_is_drawn(
    run: Recording,
) -> None:
    told = answer(Book(run), "relations", {"id": "op:2"})
    weight = next(one for one in told["relations"] if one["maker"] is None)
    w = run.inputs[2]
    assert (weight["kind"], weight["shape"], weight["bytes"]) == ("saved", "2×3", "24 B")
    assert weight["outside"] == [f"tensor:{w}@op:2", "parameters:2", f"tensor:{w}"]
    assert told["bytes"] == "72 B"
    assert answer(Book(run), "relations", {})["relations"] == []


def test_the_card_of_an_op_names_what_its_backward_keeps(run: Recording) -> None:
    positive = run.ops[1].outputs[0]
    w = run.inputs[2]
    kept = saved_by_op(run)
    assert kept[2] == tuple(sorted((positive, w)))
    expected = f"%{w} 2×3, %{positive} positive 4×3; 72 B"
    assert saved_text(run, kept[2]) == expected
    rows = dict(Book(run).cards.card("dynamic", "op:2")["rows"])
    assert rows["saved for backward"] == expected
