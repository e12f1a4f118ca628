"""The tensor columns of cards: dimensions, memory, relatives, history, small values."""

from __future__ import annotations

import json
from typing import Any

import pytest
import torch
from handmade import Program
from torch import nn

import inspector
from inspector import CaptureOptions
from inspector.records import TensorSummary
from inspector.render.cardparts import bytes_text
from inspector.render.cards import Cards
from inspector.render.tensorcards import TensorCards, dimensions_text

Column = dict[str, Any]


def columns(cards: Cards, item: str) -> dict[str, Column]:
    """The tensor columns of a card by their role; the last one of each."""
    return {column["role"]: column for column in cards.card("dynamic", item)["tensors"]}


def test_a_column_names_the_dimensions_that_are_known() -> None:
    cards = Cards(inspector.record(nn.Conv2d(3, 4, 3), torch.rand(2, 3, 8, 8)))
    output = columns(cards, "op:0")["output"]
    assert output["shape"] == "2×4×6×6"
    assert output["dims"] == [(2, "N"), (4, "C"), (6, "H"), (6, "W")]


def test_a_column_tells_the_memory_and_strides_that_are_not_those_of_rows() -> None:
    cards = Cards(inspector.record(lambda x: x.t(), torch.ones(500, 2)))
    found = columns(cards, "op:0")
    assert dict(found["input"]["facts"]) == {"memory": "4 kB"}  # 1,000 values of 4 bytes
    assert dict(found["output"]["facts"]) == {"memory": "4 kB", "strides": "(1, 2)"}


def test_a_sparse_tensor_has_its_layout_and_no_strides() -> None:
    cards = Cards(inspector.record(lambda x: x.to_sparse(), torch.eye(2)))
    facts = dict(columns(cards, "op:0")["output"]["facts"])
    assert facts["layout"] == "sparse_coo"
    assert "strides" not in facts


def test_a_written_tensor_lists_who_shares_its_memory_with_the_ops() -> None:
    def model(x: torch.Tensor) -> torch.Tensor:
        y = x * 1  # op 0
        y.add_(1)  # op 1
        return y.t()  # op 2

    cards = Cards(inspector.record(model, torch.ones(2, 2)))
    output = columns(cards, "op:2")["output"]
    family = output["family"]
    assert [(row["text"], row["op"], row["own"]) for row in family["rows"]] == [
        ("made by mul [0]", 0, False),
        ("written by add_ [1]", 1, False),
        ("view by t [2]", 2, True),
    ]
    assert family["writes"]
    assert family["more"] == 0
    assert dict(output["facts"])["version"] == "1"


def test_a_tensor_with_memory_of_its_own_lists_nobody() -> None:
    cards = Cards(inspector.record(lambda x: x + 1, torch.ones(2)))
    assert columns(cards, "op:0")["output"]["family"] is None


def test_values_up_to_eight_are_on_the_card_and_larger_ones_are_asked_for() -> None:
    cards = Cards(inspector.record(lambda x: (x * 2).sum(), torch.tensor([1.0, 2.0, 3.0])))
    assert columns(cards, "op:0")["output"]["values"]["cells"] == [2, 4, 6]
    assert columns(cards, "op:1")["output"]["values"]["cells"] == [12]
    large = Cards(inspector.record(lambda x: x * 2, torch.ones(9)))
    assert "values" not in columns(large, "op:0")["output"]


def test_one_value_has_no_statistics_and_is_true_or_false_by_its_dtype() -> None:
    cards = Cards(inspector.record(lambda x: ((x > 1).any(), x.sum()), torch.ones(2)))
    flag, total = columns(cards, "op:1")["output"], columns(cards, "op:2")["output"]
    assert (flag["stats"], flag["single"], flag["values"]["boolean"]) == ([], "False", True)
    assert (total["stats"], total["single"], total["values"]["boolean"]) == ([], "2", False)
    assert "histogram" not in flag


def test_a_page_without_a_server_can_have_more_values_on_the_card() -> None:
    options = CaptureOptions(values="full")
    recording = inspector.record(lambda x: x * 2, torch.ones(3, 4), options=options)
    output = columns(Cards(recording, inline=100), "op:0")["output"]
    assert output["values"]["cells"] == [2] * 12


def test_a_gradient_has_a_column_with_its_own_values() -> None:
    cards = Cards(inspector.record(nn.Linear(2, 1), torch.tensor([[3.0, -1.0]]), loss="sum"))
    found = cards.card("dynamic", "parameters:0")["tensors"]
    gradient = next(c for c in found if c["what"] == "grad")
    assert gradient["values"]["cells"] == [3, -1]
    assert gradient["id"] == next(c for c in found if c["what"] == "value")["id"]


def test_history_links_to_the_ops_above_and_below() -> None:
    recording = inspector.record(lambda x: torch.relu(x @ x).sum(), torch.ones(2, 2))
    made_by_relu = recording.ops[1].outputs[0]
    history = TensorCards(recording).history(made_by_relu)
    up = [(row["name"], row["op"], row["distance"]) for row in history["producers"]["rows"]]
    down = [(row["name"], row["op"], row["shape"]) for row in history["consumers"]["rows"]]
    assert up == [("relu", 1, 1), ("matmul", 0, 2)]
    assert down == [("sum", 2, "scalar")]


def test_a_card_of_a_tensor_in_a_large_family_stays_small() -> None:
    program = Program()
    number = program.tensor(storage=0)
    for _ in range(5000):
        number = program.tensor(storage=0, alias_of=number)
    program.op("relu", number)
    family = columns(Cards(program.recording()), "op:0")["input"]["family"]
    assert len(family["rows"]) == 6
    assert family["more"] == 5001 - 6


def test_cards_of_odd_tensors_are_json() -> None:
    bad = TensorSummary(
        3, None, None, None, None, 1, 2, 0.0, (), (float("nan"), float("inf"), -float("inf"))
    )
    program = Program()
    program.op("log", program.tensor(shape=(3,), summary=bad), program.tensor(shape=(0, 2)))
    program.op("sum", program.tensor(shape=(1,) * 12, summary=bad))
    cards = Cards(program.recording())
    for op in range(2):
        json.dumps(cards.card("dynamic", f"op:{op}"), allow_nan=False)
    assert columns(cards, "op:0")["input"]["shape"] == "0×2"


def test_an_item_of_an_unknown_kind_has_its_id_as_title() -> None:
    cards = Cards(inspector.record(lambda x: x + 1, torch.ones(2)))
    assert cards.card("dynamic", "galaxy:7") == {"title": "galaxy:7"}


@pytest.mark.parametrize(
    ("count", "text"),
    [(0, "0 B"), (999, "999 B"), (4000, "4 kB"), (1_500_000, "1.5 MB"), (2_000_000_000, "2 GB")],
)
def test_bytes_have_a_unit(count: int, text: str) -> None:
    assert bytes_text(count) == text


def test_dimensions_are_written_with_the_names_that_are_known() -> None:
    assert dimensions_text((4, 3, 8), ("N", "C", "")) == "N 4 × C 3 × 8"
    assert dimensions_text((), ()) == ""
