"""`findings`: which rules run, in which order their findings come, and what silences them."""

from __future__ import annotations

import importlib.metadata
from collections.abc import Iterable
from dataclasses import replace

import pytest
import torch
from handmade import Program, failed
from hypothesis import HealthCheck, given, settings
from test_store import recordings
from torch import nn

import inspector
import sample_models
from inspector.check import self_check
from inspector.errors import QuestionError
from inspector.findings import Evidence, Rule, all_rules, chosen_rules
from inspector.findings.formats import page
from inspector.findings.gather import GROUP
from inspector.found import Finding
from inspector.records import Recording, Source
from sample_models.bugs import bugs


def rule(name: str, *findings: Finding, error: Exception | None = None) -> Rule:
    def check(evidence: Evidence) -> Iterable[Finding]:
        if error is not None:
            raise error
        return findings

    return Rule(name, "title", "what", "why", "example", "instead", check)


class Announced:
    """Stands for an entry point."""

    def __init__(self, name: str, loaded: object) -> None:
        self.name, self.value, self._loaded = name, f"package:{name}", loaded

    def load(self) -> object:
        if isinstance(self._loaded, Exception):
            raise self._loaded
        return self._loaded


def announce(monkeypatch: pytest.MonkeyPatch, *points: Announced) -> None:
    def entry_points(*, group: str) -> tuple[Announced, ...]:
        assert group == GROUP
        return points

    monkeypatch.setattr(importlib.metadata, "entry_points", entry_points)


def program(text: str = "a()\nb()\nc()\n") -> Recording:
    """Three ops, one a line, and an exception."""
    made = Program()
    made.op("a")
    made.op("b", 0)
    made.op("c", 1)
    return made.recording(sources={"model.py": text})


def at(name: str, severity: str, op: int | None, **more: object) -> Finding:
    source = None if op is None else Source("model.py", op + 1, 0, "forward")
    about = {"op": op, "source": source, **more}
    return Finding(name, severity, "message", **about)  # type: ignore[arg-type]


# -- order ----------------------------------------------------------------------------------------


def test_errors_come_first_then_warnings_and_notes_each_in_the_order_of_the_run(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    findings = (
        at("mine", "note", 0),
        at("mine", "warning", 2),
        at("mine", "error", None),
        at("mine", "error", 1),
        at("mine", "warning", None, tensor=0),  # made by op 0
    )
    announce(monkeypatch, Announced("mine", rule("mine", *findings)))
    found = inspector.findings(program(), select=["mine"])
    assert [(one.severity, one.op) for one in found] == [
        ("error", 1), ("error", None), ("warning", None), ("warning", 2), ("note", 0),
    ]  # fmt: skip


def test_findings_of_probes_are_sorted_in(monkeypatch: pytest.MonkeyPatch) -> None:
    announce(monkeypatch, Announced("mine", rule("mine", at("mine", "warning", 0))))
    probe = at("probe", "error", 2)
    found = inspector.findings(program(), select=["mine"], probes=[probe])
    assert [one.rule for one in found] == ["probe", "mine"]


# -- which rules ----------------------------------------------------------------------------------


def test_select_and_ignore_choose_rules_by_name() -> None:
    recording = program()
    failing = replace(recording, failure=failed(1, "no such thing"))
    assert [one.rule for one in inspector.findings(failing)] == ["run-failed"]
    assert inspector.findings(failing, ignore=["run-failed"]) == ()
    assert inspector.findings(failing, select=["device-mismatch"]) == ()
    assert [one.name for one in chosen_rules(["run-failed"])] == ["run-failed"]


def test_a_rule_that_is_not_there_is_told_with_those_that_are() -> None:
    with pytest.raises(QuestionError, match=r"no rule 'run-faild'.*run-failed"):
        inspector.findings(program(), select=["run-faild"])
    with pytest.raises(QuestionError, match="no rule 'x'"):
        inspector.findings(program(), ignore=["x"])


def test_a_rule_of_another_package_is_checked(monkeypatch: pytest.MonkeyPatch) -> None:
    mine = rule("mine", at("mine", "warning", 1))
    announce(monkeypatch, Announced("mine", mine))
    assert [one.rule for one in inspector.findings(program())] == ["mine"]
    assert all_rules()[-1] is mine


@pytest.mark.parametrize(
    ("loaded", "said"),
    [
        (ImportError("no module named x"), "ImportError: no module named x"),
        (object(), "is no inspector.findings.Rule"),
        (rule("run-failed"), "there is a rule of that name already"),
    ],
)
def test_a_rule_that_cannot_be_loaded_is_a_note(
    monkeypatch: pytest.MonkeyPatch, loaded: object, said: str
) -> None:
    announce(monkeypatch, Announced("theirs", loaded))
    (note,) = inspector.findings(program())
    assert (note.severity, note.rule) == ("note", "theirs")
    assert said in note.message


def test_a_rule_that_fails_is_a_note_and_the_others_go_on(monkeypatch: pytest.MonkeyPatch) -> None:
    broken = rule("broken", error=ZeroDivisionError("by zero"))
    announce(monkeypatch, Announced("a", broken), Announced("b", rule("b", at("b", "error", 0))))
    found = inspector.findings(program())
    assert [(one.rule, one.severity) for one in found] == [("b", "error"), ("broken", "note")]
    assert "ZeroDivisionError: by zero" in found[1].message


@pytest.mark.parametrize(
    ("result", "said"),
    [
        ("text", "'str' in place of a Finding"),
        (at("mine", "fatal", 0), "severity 'fatal'"),
        (at("other", "error", 0), "a rule 'other'"),
        (Finding("mine", "error", "m", op=3), "an op that the recording does not have"),
        (Finding("mine", "error", "m", related=(-1,)), "an op that the recording does not have"),
        (Finding("mine", "error", "m", tensor=99), "a tensor that the recording does not have"),
        (Finding("mine", "error", "m", grad_node=0), "node that the recording does not have"),
        (Finding("mine", "error", 5), "no text"),  # type: ignore[arg-type]
    ],
)
def test_a_rule_that_gives_what_nobody_can_show_is_a_note(
    monkeypatch: pytest.MonkeyPatch, result: Finding, said: str
) -> None:
    announce(monkeypatch, Announced("mine", rule("mine", result)))
    (note,) = inspector.findings(program())
    assert (note.rule, note.severity) == ("mine", "note")
    assert "could not be checked" in note.message
    assert said in note.message


def test_a_rule_cannot_end_the_program_but_ctrl_c_can(monkeypatch: pytest.MonkeyPatch) -> None:
    announce(monkeypatch, Announced("a", rule("a", error=SystemExit(7))))  # type: ignore[arg-type]
    (note,) = inspector.findings(program())
    assert "SystemExit: 7" in note.message
    stopped = rule("a", error=KeyboardInterrupt())  # type: ignore[arg-type]
    announce(monkeypatch, Announced("a", stopped))
    with pytest.raises(KeyboardInterrupt):
        inspector.findings(program())


# -- folding --------------------------------------------------------------------------------------


def test_what_is_said_of_one_line_in_every_step_is_one_finding(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    made = Program()
    made.op("a")
    for number in range(299):
        made.op("a", number)
    here = Source("model.py", 1, 0, "forward")
    each = [Finding("mine", "warning", "m", op=op, source=here) for op in range(300)]
    announce(monkeypatch, Announced("mine", rule("mine", *each)))
    (one,) = inspector.findings(made.recording(sources={"model.py": "a()\n"}))
    assert (one.op, one.message) == (0, "m (300 times)")
    assert one.related == tuple(range(1, 51))


def test_lines_parameters_severities_and_rules_are_not_folded_into_one(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    different = (
        at("a", "warning", 0),
        at("a", "warning", 1),
        at("a", "note", 0),
        at("a", "warning", 0, parameter="w"),
        at("a", "warning", None),
        at("a", "warning", None),  # without a line, nothing tells that they are the same
    )
    announce(monkeypatch, Announced("a", rule("a", *different)))
    found = inspector.findings(program(), select="a")
    assert len(found) == 6
    assert not any("times" in one.message for one in found)


def test_that_the_run_failed_is_left_out_where_another_rule_says_why() -> None:
    made = Program()
    made.tensor("x", dtype="float32")
    made.tensor("y", dtype="float64")
    made.many("matmul", 0, 1, results=0)
    recording = made.recording(failure=failed(0, "expected m1 and m2 to have the same dtype"))
    assert [one.rule for one in inspector.findings(recording)] == ["dtype-mismatch"]


# -- silencing ------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("comment", "silent"),
    [
        ("# inspector: ignore", True),
        ("# inspector: ignore[mine]", True),
        ("#inspector:ignore[other, mine]", True),
        ("# noqa # inspector: ignore[mine] (meant so)", True),
        ("# inspector: ignore[other]", False),
        ("# inspector: ignore[]", False),
        ("# ignore[mine]", False),
    ],
)
def test_a_comment_on_the_line_silences(
    monkeypatch: pytest.MonkeyPatch, comment: str, silent: bool
) -> None:
    announce(monkeypatch, Announced("mine", rule("mine", at("mine", "error", 1))))
    recording = program(f"a()\nb()  {comment}\nc()\n")
    assert (inspector.findings(recording) == ()) == silent


@pytest.mark.parametrize("line", ["s = '# inspector: ignore'; b()", '"""# inspector: ignore"""'])
def test_a_text_that_reads_like_the_comment_does_not_silence(
    monkeypatch: pytest.MonkeyPatch, line: str
) -> None:
    announce(monkeypatch, Announced("mine", rule("mine", at("mine", "error", 1))))
    assert inspector.findings(program(f"a()\n{line}\nc()\n"))


def test_a_comment_silences_in_a_notebooks_cell_with_magic(monkeypatch: pytest.MonkeyPatch) -> None:
    announce(monkeypatch, Announced("mine", rule("mine", at("mine", "error", 1))))
    assert inspector.findings(program("!echo 'it\nb()  # inspector: ignore\nc(\n")) == ()


def test_a_comment_on_another_line_does_not_silence(monkeypatch: pytest.MonkeyPatch) -> None:
    announce(monkeypatch, Announced("mine", rule("mine", at("mine", "error", 1))))
    assert inspector.findings(program("a()  # inspector: ignore\nb()\nc()\n"))


def test_a_comment_at_the_end_of_a_call_over_several_lines_silences(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    source = Source("model.py", 1, 0, "forward", 3, 1)
    finding = Finding("mine", "error", "message", op=0, source=source)
    announce(monkeypatch, Announced("mine", rule("mine", finding)))
    assert inspector.findings(program("a(\n    1,\n)  # inspector: ignore[mine]\n")) == ()


# -- what every rule has --------------------------------------------------------------------------


def test_every_rule_is_documented() -> None:
    names = [one.name for one in all_rules()]
    assert len(names) == len(set(names))
    for one in all_rules():
        text = page(one)
        for part in (one.what, one.why):
            assert part.endswith((".", ")")), one.name
            assert part in text
        assert one.title
        assert one.example
        assert one.instead


@pytest.mark.parametrize("name", ["Upper-case", "under_score", "-x", "x-", "", "two words"])
def test_a_rules_name_is_in_kebab_case(name: str) -> None:
    with pytest.raises(ValueError, match="kebab-case"):
        rule(name)


# -- healthy programs -----------------------------------------------------------------------------

SAMPLES = [
    (name, given, backward)
    for name, sample in sample_models.catalog().items()
    for given in sample.inputs
    for backward in (False, True)
]


@pytest.mark.parametrize(("name", "given", "backward"), SAMPLES)
def test_a_sample_gives_nothing_above_a_note(name: str, given: str, backward: bool) -> None:
    sample = sample_models.get(name)
    arguments = sample.inputs[given].make()
    loss = sample.loss if backward else None
    recording = inspector.record(sample.build(), *arguments, loss=loss)
    found = inspector.findings(recording)
    assert [one for one in found if one.severity != "note" or "could not" in one.message] == []


def test_an_empty_recording_gives_nothing() -> None:
    assert inspector.findings(Recording((), {})) == ()


@given(recording=recordings())
@settings(max_examples=60, deadline=None, suppress_health_check=list(HealthCheck))
def test_no_rule_fails_on_a_recording_that_a_file_can_hold(recording: Recording) -> None:
    """Files come from strangers: the references hold, and nothing else needs to make sense."""
    self_check(recording)
    evidence = Evidence(recording)
    for one in all_rules():
        list(one.check(evidence))
    inspector.findings(recording)


def test_a_recording_without_values_lines_or_backward_can_be_checked() -> None:
    options = inspector.CaptureOptions(values="none", lines=False, backward=False)
    recording = inspector.record(
        nn.Sequential(nn.Linear(2, 2), nn.ReLU()), torch.ones(1, 2), loss="sum", options=options
    )
    assert [one for one in inspector.findings(recording) if one.severity != "note"] == []


def test_every_bug_that_fails_still_gives_its_rule_without_values() -> None:
    for number in (1, 3, 5, 7, 18, 31):
        options = inspector.CaptureOptions(values="none", lines=False)
        with pytest.raises((RuntimeError, IndexError)), inspector.recording(options) as session:
            bugs()[number].buggy()
        rules = {one.rule for one in inspector.findings(session.recording)}
        assert set(bugs()[number].rules) <= rules, number
