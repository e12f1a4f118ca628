"""What the workbench hears of findings, and of questions that begin with why."""

from __future__ import annotations

import contextlib
from collections.abc import Callable
from dataclasses import replace
from typing import Any

import pytest
import torch
from handmade import Program, failed
from hypothesis import HealthCheck, given, settings
from test_store import recordings
from torch import Tensor, nn

import inspector
import inspector.render.answers as answers
from inspector.check import self_check
from inspector.errors import QuestionError
from inspector.findings import all_rules
from inspector.found import Finding
from inspector.graph import DataFlow
from inspector.records import Recording, Source
from inspector.render.answers import Book, answer
from inspector.render.findings_answer import LISTED, WAY, findings_answer
from inspector.render.morphs import MorphBook
from inspector.render.why_answer import MOST_NODES, Offers, why_answer
from inspector.views import ViewIndex


def overwritten() -> None:
    weight = torch.ones(3, requires_grad=True)
    root = weight.sqrt()
    root += 1  # sqrt keeps its result for backward
    root.sum().backward()


def to_the_log(x: Tensor) -> Tensor:
    return (x - 1).log().sum()


class Cut(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.before, self.after = nn.Linear(2, 3), nn.Linear(3, 1)

    def forward(self, x: Tensor) -> Tensor:
        return self.after(self.before(x).detach())


def watched(program: Callable[[], Any]) -> Recording:
    with contextlib.suppress(RuntimeError), inspector.recording() as session:
        program()
    return session.recording


def listed(recording: Recording, *found: Finding) -> list[dict[str, Any]]:
    told = findings_answer(found, (), recording, ViewIndex(recording))["findings"]
    assert isinstance(told, list)
    return told


def op_of(recording: Recording, name: str) -> int:
    (op,) = (op.id for op in recording.ops if op.name == name)
    return op


def result_of(recording: Recording, name: str) -> int:
    return recording.ops[op_of(recording, name)].outputs[0]


def offered(recording: Recording) -> dict[str, set[int | None]]:
    """By label the tensors that can be asked about."""
    offers, found = Offers(recording), {}
    for tensor in recording.tensors.values():
        for one in (*offers.of_value(tensor), *offers.of_gradient(tensor)):
            found.setdefault(one["label"], set()).add(one["ask"]["tensor"])
    return found


def asked(recording: Recording, **question: Any) -> dict[str, Any]:
    return answer(Book(recording), "why", question)


# -- findings -------------------------------------------------------------------------------------


def test_an_error_comes_with_its_line_its_remedy_and_the_way_to_it() -> None:
    recording = watched(overwritten)
    (told,) = answer(Book(recording), "findings", {})["findings"]
    assert told["severity"] == "error"
    assert told["rule"] == "saved-tensor-overwritten"
    assert told["op"] == op_of(recording, "add_")
    assert told["related"] == [op_of(recording, "sqrt")]
    assert told["place"]["text"] == "root += 1  # sqrt keeps its result for backward"
    assert told["help"]


def test_each_rule_that_found_something_is_explained_once() -> None:
    found = answer(Book(watched(overwritten)), "findings", {})
    (rule,) = (rule for rule in all_rules() if rule.name == "saved-tensor-overwritten")
    assert list(found["rules"]) == [rule.name]
    assert found["rules"][rule.name]["instead"] == rule.instead


def test_a_healthy_run_says_how_many_rules_were_checked() -> None:
    found = answer(
        Book(inspector.record(nn.Linear(2, 1), torch.ones(1, 2), loss="sum")), "findings", {}
    )
    assert (found["findings"], found["more"]) == ([], 0)
    assert found["checked"] == len(all_rules())


def test_a_finding_without_an_op_is_shown_where_its_tensor_was_made_or_is_taken() -> None:
    made = Program()
    made.op("a")
    made.op("b", 0)
    plain = made.recording(sources={"model.py": "a()\nb()\n"})
    ops = plain.ops
    taken = next(number for number in ops[1].inputs)
    told = listed(
        plain,
        Finding("x", "note", "made", tensor=ops[1].outputs[0]),
        Finding("x", "note", "made by a, taken by b", tensor=taken),
        Finding("x", "note", "nowhere"),
        Finding("x", "note", "in the backward", tensor=taken, grad_node=5),
    )
    assert [(one["op"], one["grad"]) for one in told] == [
        (1, None),
        (0, None),
        (None, None),
        (None, 5),
    ]


def test_a_finding_about_a_parameter_is_shown_where_it_is_used_first() -> None:
    recording = inspector.record(Cut(), torch.ones(1, 2))
    first, second = (op.id for op in recording.ops if op.name == "linear")
    assert first < second
    (told,) = listed(
        recording, Finding("x", "note", "m", parameter=name_of(recording, "after.weight"))
    )
    assert told["op"] == second


def name_of(recording: Recording, end: str) -> str:
    names = [name for info in recording.parameters for name in info.names]
    return next(name for name in names if name.endswith(end))


def test_a_line_of_a_file_that_is_not_known_is_left_out() -> None:
    recording = replace(watched(overwritten), sources={"known.py": "one line"})
    (told,) = listed(recording, Finding("x", "note", "m", source=Source("other.py", 1, 0, "f")))
    assert told["place"] is None
    (told,) = listed(recording, Finding("x", "note", "m", source=Source("known.py", 7, 0, "f")))
    assert told["place"] == {"file": "known.py", "path": "known.py", "line": 7, "text": ""}


def test_of_very_many_findings_and_related_ops_the_first_are_told() -> None:
    recording = watched(overwritten)
    many = [Finding("x", "note", "m", related=tuple(range(10 * WAY)))] * (LISTED + 3)
    found = findings_answer(many, (), recording, ViewIndex(recording))
    assert (len(found["findings"]), found["more"]) == (LISTED, 3)
    assert found["findings"][0]["related"] == list(range(WAY))


def test_findings_are_looked_for_once_and_not_for_the_picture(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    looked: list[Recording] = []
    monkeypatch.setattr(answers, "findings", lambda run: looked.append(run) or ())
    now = Book(inspector.record(nn.ReLU(), torch.ones(2)))
    before = Book(inspector.record(nn.ReLU(), torch.ones(3)))
    picture = answer(now, "picture", {})
    assert "findings" in {pane["id"] for pane in picture["panes"]}
    assert looked == []
    answer(now, "findings", {})
    answer(now, "findings", {})
    answer(MorphBook(before, now, ("3", "2")), "findings", {})
    assert looked == [now.recording]


# -- what can be asked ----------------------------------------------------------------------------


def test_why_is_it_nan_is_offered_where_a_value_or_gradient_is_not_finite() -> None:
    recording = inspector.record(to_the_log, torch.tensor([1.0, 3.0]))
    bad = {result_of(recording, "log"), result_of(recording, "sum")}
    assert offered(recording) == {"Why is it infinite?": bad}  # log(0)
    told = asked(recording, why="nonfinite", tensor=result_of(recording, "sum"))
    assert told["op"] == op_of(recording, "log")
    assert [step["op"] for step in told["steps"]] == [
        op_of(recording, "log"),
        op_of(recording, "sum"),
    ]


def test_a_gradient_that_is_not_finite_is_followed_to_where_it_was_born() -> None:
    weight = torch.zeros(2, requires_grad=True)
    recording = watched(lambda: (weight.sqrt() * 0).sum().backward())  # 0 · ∞
    (tensor,) = offered(recording)["Why is it NaN?"]
    assert recording.tensors[tensor or 0].is_leaf
    told = asked(recording, why="nonfinite", tensor=tensor, of="gradient")
    assert told["op"] == op_of(recording, "sqrt")
    (node,) = (node.id for node in recording.grad_nodes if node.name == "SqrtBackward0")
    columns = answer(Book(recording), "card", {"id": f"grad:{node}"})["card"]["tensors"]
    assert [column["whys"] for column in columns] == [
        [],
        [{"label": "Why is it NaN?", "ask": {"why": "nonfinite", "grad": node}}],
    ]
    assert asked(recording, **columns[1]["whys"][0]["ask"])["op"] == op_of(recording, "sqrt")


def test_why_no_gradient_is_offered_only_above_the_cut() -> None:
    recording = inspector.record(Cut(), torch.ones(1, 2), loss="sum")
    first = next(op for op in recording.ops if op.name == "linear")
    tensors = offered(recording)["Why no gradient?"]
    names = {recording.tensors[number or 0].name for number in tensors} - {None}
    assert names == {name_of(recording, "before.weight"), name_of(recording, "before.bias")}
    assert first.outputs[0] in tensors
    told = asked(recording, why="gradient", tensor=first.outputs[0])
    assert told["op"] == op_of(recording, "detach")
    assert told["place"]["text"] == "return self.after(self.before(x).detach())"


def test_why_no_gradient_is_not_offered_where_not_all_of_the_backward_pass_is_known() -> None:
    recording = inspector.record(Cut(), torch.ones(1, 2), loss="sum")
    assert "Why no gradient?" in offered(recording)
    ended = replace(recording, failure=failed(0, "no"))
    assert "Why no gradient?" not in offered(ended)
    assert "Why no gradient?" not in offered(inspector.record(Cut(), torch.ones(1, 2)))
    node = recording.grad_nodes[0]
    cut_off = replace(recording, grad_nodes=(node,) * MOST_NODES)
    assert "Why no gradient?" not in offered(cut_off)


def test_a_gradient_of_zeros_can_be_asked_about() -> None:
    recording = watched(lambda: (torch.tensor([-1.0], requires_grad=True).relu() * 2).backward())
    (tensor,) = offered(recording)["Why only zeros?"]
    told = asked(recording, why="gradient", tensor=tensor)
    assert told["question"].endswith("zero?")
    assert told["op"] == op_of(recording, "relu")


def test_a_weight_whose_input_was_zero_blames_the_op_that_multiplied_them_and_no_hook() -> None:
    layer = nn.Linear(2, 1)
    recording = inspector.record(layer, torch.zeros(3, 2), loss="sum")
    weight = next(one.id for one in recording.tensors.values() if one.shape == (1, 2))
    assert offered(recording)["Why only zeros?"] == {weight}  # the bias gets 3
    told = asked(recording, why="gradient", tensor=weight)
    assert told["op"] == op_of(recording, "linear")
    assert "hook" not in " ".join(told["sentences"])


def test_who_overwrote_it_is_offered_for_what_was_written_into_later() -> None:
    recording = watched(overwritten)
    assert offered(recording)["Who overwrote it?"] == {result_of(recording, "sqrt")}
    told = asked(recording, why="overwritten", tensor=result_of(recording, "sqrt"))
    assert told["op"] == op_of(recording, "add_")


def test_each_dimension_can_be_asked_where_its_size_comes_from() -> None:
    recording = inspector.record(lambda x: x.flatten(1), torch.ones(2, 3, 5))
    told = asked(recording, why="shape", tensor=result_of(recording, "flatten"), dim=1)
    assert "15" in told["question"]
    assert "3 · 5 = 15" in " ".join(told["sentences"])
    assert told["op"] == told["steps"][-1]["op"] == op_of(recording, "flatten")


@pytest.mark.parametrize(
    "question",
    [
        {},
        {"why": "never", "tensor": 0},
        {"why": "shape"},
        {"why": "shape", "tensor": 0, "dim": 9},
        {"why": "shape", "tensor": 10**9},
        {"why": "nonfinite"},
        {"why": "nonfinite", "tensor": 0},
        {"why": "nonfinite", "tensor": 0, "of": "gradient"},
        {"why": "nonfinite", "tensor": -1, "of": "gradient"},
        {"why": "nonfinite", "grad": -1},
        {"why": "nonfinite", "grad": 10**9},
        {"why": ["gradient"], "tensor": {}},
    ],
)
def test_what_cannot_be_answered_is_refused_in_words(question: dict[str, Any]) -> None:
    recording = inspector.record(nn.Linear(2, 1), torch.ones(1, 2), loss="sum")
    with pytest.raises(QuestionError):
        asked(recording, **question)


@given(recording=recordings())
@settings(max_examples=40, deadline=None, suppress_health_check=list(HealthCheck))
def test_all_that_is_offered_about_a_strangers_file_is_answered_or_refused(
    recording: Recording,
) -> None:
    self_check(recording)
    offers, flow = Offers(recording), DataFlow(recording)
    for tensor in recording.tensors.values():
        asks = [one["ask"] for one in (*offers.of_value(tensor), *offers.of_gradient(tensor))]
        asks += [
            {"why": "shape", "tensor": tensor.id, "dim": dim} for dim in range(len(tensor.shape))
        ]
        for ask in asks:
            with contextlib.suppress(QuestionError):
                why_answer(recording, flow, ask)
    findings_answer(inspector.findings(recording), all_rules(), recording, ViewIndex(recording))
