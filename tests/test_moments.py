"""Time travel as JSON: what the page gets, and what it can ask for."""

from __future__ import annotations

import base64
import json
from typing import Any

import numpy as np
import pytest
import torch
from handmade import NAN, Program, failed
from test_timeline import long_run, nested, trained
from torch import Tensor

from inspector import record
from inspector.errors import QuestionError
from inspector.render.moments import moment_answer, moment_json, until_answer
from inspector.render.timebar import DECISION, FAILED, NONFINITE, timeline_json
from inspector.timeline import Kind, timeline


def unpacked(packed: dict[str, Any]) -> list[int]:
    data = base64.b64decode(packed["data"])
    return np.frombuffer(data, f"<u{packed['bits'] // 8}").tolist()  # type: ignore[no-any-return]


def test_the_timeline_as_json_tells_what_each_moment_is() -> None:
    time = timeline(trained())
    found = json.loads(json.dumps(timeline_json(time)))
    rows = [found["sites"][site] for site in unpacked(found["at"])]
    words = found["words"]
    assert [words[row[0]] for row in rows] == (
        ["op"] * 3 + ["backward"] + ["grad"] * 4 + ["optimizer_step", "op"]
    )
    assert [words[row[1]] for row in rows][:3] == ["matmul", "relu", "sum"]
    assert [words[row[2]] if row[2] >= 0 else None for row in rows][:3] == ["net", "net", None]
    assert [row[5] for row in rows] == time.depths.tolist()
    assert unpacked(found["steps"]) == [0, 1]
    assert found["count"] == 10


def test_sites_carry_flags_for_decisions_nan_and_the_failure() -> None:
    p = Program()
    x = p.tensor()
    p.op("log", x, summary=NAN)
    p.read(x, True)
    p.many("matmul", x, results=0)
    found = timeline_json(timeline(p.recording(failure=failed(2))))
    flags = [found["sites"][site][7] for site in unpacked(found["at"])]
    assert flags == [NONFINITE, DECISION, FAILED]
    assert found["overview"]["marks"] == {"decision": [1], "nonfinite": [0], "failed": [2]}


def test_a_run_that_is_too_long_to_send_sends_its_overview(monkeypatch: Any) -> None:
    monkeypatch.setattr("inspector.render.timebar.MAX_BYTES", 1000)
    found = timeline_json(timeline(long_run(2000)))
    assert found["at"] is None
    assert found["sites"] == []
    assert len(found["overview"]["lanes"]) == 600
    assert found["count"] == 2000


def test_the_page_can_ask_for_a_moment_or_for_a_move() -> None:
    time = timeline(nested())
    assert moment_answer(time, {"at": 1})["title"] == "relu"
    assert moment_answer(time, {"at": "0", "move": "over"})["at"] == 3
    assert moment_answer(time, {"at": 3, "move": "out", "back": True}) == {"at": None}
    assert moment_answer(time, {"at": -1, "move": "step"})["at"] == 0
    for wrong in ({}, {"at": "x"}, {"at": None}, {"at": 9}, {"at": 0, "move": "jump"}):
        with pytest.raises(QuestionError):
            moment_answer(time, wrong)


def test_the_json_of_every_moment_of_a_real_run_is_json() -> None:
    time = timeline(trained())
    for index in range(len(time)):
        found = json.loads(json.dumps(moment_json(time, index)))
        assert found["at"] == index
        done = found["done"]
        assert done["op"] == sum(kind is Kind.OP for kind, _ in time.entries[: index + 1])
        assert done["grad"] == sum(kind is Kind.GRAD for kind, _ in time.entries[: index + 1])


def test_a_moment_in_a_loop_says_which_trip_it_is() -> None:
    def program(x: Tensor) -> Tensor:
        for _ in range(3):
            x = x.sin()
        return x.cos()

    time = timeline(record(program, torch.ones(2)))
    told = [[loop["text"] for loop in moment_json(time, at)["loops"]] for at in range(len(time))]
    assert told == [[f"for _ in range(3), trip {trip} of 3"] for trip in (1, 2, 3)] + [[]]


def test_the_op_that_failed_carries_the_message() -> None:
    p = Program()
    p.many("matmul", p.tensor(), results=0)
    time = timeline(p.recording(failure=failed(0, "shapes do not fit")))
    assert moment_json(time, 0)["failed"] == "RuntimeError: shapes do not fit"


def test_a_hundred_thousand_ops_take_few_bytes() -> None:
    assert len(json.dumps(timeline_json(timeline(long_run(100_000))))) < 500_000


def test_run_until_answers_with_the_moment_or_says_that_there_is_none() -> None:
    time = timeline(nested())
    assert until_answer(time, {"from": -1, "what": "op", "value": "tanh"}) == {
        "at": 2,
        "message": "",
    }
    backwards = {"from": 4, "by": -1, "what": "op", "value": "*l*"}
    assert until_answer(time, backwards)["at"] == 1
    none = until_answer(time, {"from": 2, "what": "op", "value": "tanh"})
    assert none["at"] is None
    assert "No later moment" in none["message"]
    assert "tanh" in none["message"]
    assert "no earlier one" in none["message"]  # moment 2 itself is where it was asked from
    later = until_answer(time, {"from": 3, "what": "op", "value": "tanh"})
    assert "There is 1 earlier one." in later["message"]  # moment 2
    before = until_answer(time, {"from": 0, "by": -1, "what": "op", "value": "tanh"})
    assert "There is 1 later one." in before["message"]
    with pytest.raises(QuestionError):
        until_answer(time, {"what": "op", "value": "tanh"})


def test_names_from_the_code_are_data_and_stay_as_they_are() -> None:
    p = Program()
    p.op("<b>&\"'\n\N{SNOWMAN}", p.tensor())
    found = json.loads(json.dumps(timeline_json(timeline(p.recording()))))
    assert "<b>&\"'\n\N{SNOWMAN}" in found["words"]


def test_an_empty_run_has_an_empty_timeline() -> None:
    found = json.loads(json.dumps(timeline_json(timeline(Program().recording()))))
    assert found["count"] == 0
    assert found["overview"]["lanes"] == []


def test_a_run_that_failed_in_no_op_is_marked_at_its_end() -> None:
    p = Program()
    p.op("neg", p.op("relu", p.tensor()))
    found = timeline_json(timeline(p.recording(failure=failed(None, "no such key"))))
    assert found["failure"] == "RuntimeError: no such key"
    assert found["overview"]["marks"]["failed"] == [1]
