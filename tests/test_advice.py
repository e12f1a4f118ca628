"""Dynamic or static: advice from records written by hand, each figure worked out here."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import torch
from torch import Tensor, nn

import inspector
from inspector import (
    Advice,
    BatchPoint,
    BatchTiming,
    Machine,
    Measurement,
    ModelFacts,
    Source,
    Timing,
    advice,
    model_facts,
)
from inspector.exported import Check, Export, ExportFailure

HERE = Machine("a CPU, 2 cores", 1, "2.13.0", "3.11")
LINE = Source("/home/me/model.py", 14, 8, "forward")


def row(name: str, median: float | None, spread: float = 1.0, **more: Any) -> Measurement:
    times = (None, None, None) if median is None else (median, median - spread, median + spread)
    samples = () if median is None else (median,) * 40
    about: dict[str, Any] = {"equal": True, "prepare_ms": 2.0}
    return Measurement(name, name, samples, *times, **{**about, **more})


def timing(*rows: Measurement) -> Timing:
    return Timing("Net", rows, HERE)


def of(use: str, *args: Any) -> Advice:
    found = advice(*args)
    assert [one.use for one in found] == ["research", "deployment", "serving", "interactive"]
    return next(one for one in found if one.use == use)


def said(one: Advice) -> str:
    return "\n".join(one.evidence)


def test_without_any_finding_nothing_is_claimed() -> None:
    for one in advice(ModelFacts("Net")):
        assert one.evidence == ()
    assert of("serving", ModelFacts("Net")).choice == "either"
    assert "Measure first" in of("serving", ModelFacts("Net")).text


def test_research_stays_dynamic_and_names_the_lines_that_a_trace_would_fix() -> None:
    one = of("research", ModelFacts("Net", decisions=(LINE,)))
    assert one.choice == "dynamic"
    assert "model.py line 14" in said(one)


def test_a_script_that_agrees_is_deployed() -> None:
    one = of("deployment", ModelFacts("Net", scripts=True), timing(row("script", 10.0)))
    assert one.choice == "static"
    assert "Deploy the script" in one.text


def test_a_script_that_returns_something_else_is_not_deployed() -> None:
    wrong = timing(row("script", 10.0, equal=False, difference=0.25))
    one = of("deployment", ModelFacts("Net", scripts=True), wrong)
    assert one.choice == "dynamic"
    assert "by up to 0.25" in said(one)


def test_a_trace_is_deployed_only_where_no_value_decides_what_runs() -> None:
    plain = ModelFacts(
        "Net", scripts=False, script_reason="it has *args.", traces=True, decisions=()
    )
    assert "Deploy the trace" in of("deployment", plain).text
    assert "it has *args." in said(of("deployment", plain))
    steered = ModelFacts("Net", traces=True, decisions=(LINE,))
    assert of("deployment", steered).choice == "dynamic"
    unknown = ModelFacts("Net", traces=True)
    assert of("deployment", unknown).choice == "dynamic"
    parted = ModelFacts(
        "Net", traces=True, decisions=(), divergence="the other branch ran", divergence_source=LINE
    )
    assert of("deployment", parted).choice == "dynamic"
    assert "model.py line 14: the other branch ran" in said(of("deployment", parted))


def test_exports_are_evidence_with_their_reasons() -> None:
    good = Export("onnx", "Net", b"...", checks=(Check("onnx checker", True),))
    bad = Export("torch.export", "Net", failure=ExportFailure("A guard depends on data.", line=3))
    one = of("deployment", ModelFacts("Net", exports=(good, bad)))
    assert one.choice == "static"
    assert "onnx" in one.text
    assert "onnx: written and checked." in one.evidence
    assert "A guard depends on data" in said(one)


def test_serving_takes_the_fastest_variant_that_is_right() -> None:
    rows = timing(
        row("eager", 120.0),
        row("no_grad", 100.0, outside_share=0.42),
        row("script", 50.0),
        row("frozen", 20.0, equal=False),
        row("trace", None, reason="it has no tensors."),
    )
    one = of("serving", ModelFacts("Net"), rows)
    assert one.choice == "static"
    assert "script" in one.text
    assert "script ran 2.00 times as fast as no_grad (50 µs against 100 µs" in said(one)
    assert "medians of 40 runs" in said(one)
    assert "About 42%" in said(one)
    assert "trace was not timed: it has no tensors." in said(one)


def test_a_gain_within_the_spread_is_no_reason() -> None:
    rows = timing(row("no_grad", 100.0, spread=40.0), row("script", 80.0, spread=40.0))
    assert of("serving", ModelFacts("Net"), rows).choice == "either"
    small = timing(row("no_grad", 100.0), row("script", 95.0))
    assert of("serving", ModelFacts("Net"), small).choice == "either"


def test_serving_tells_the_time_per_sample_of_the_smallest_and_largest_batch() -> None:
    points = (
        BatchPoint("script", "script", 1, 50.0),
        BatchPoint("script", "script", 4, None, reason="failed"),
        BatchPoint("script", "script", 8, 80.0),
    )
    batches = BatchTiming("Net", points, (1, 4, 8), HERE)
    one = of(
        "serving", ModelFacts("Net"), timing(row("no_grad", 100.0), row("script", 50.0)), batches
    )
    assert "50 µs per sample in batches of 1, 10 µs in batches of 8" in said(one)


def test_interactive_use_weighs_what_making_a_variant_costs() -> None:
    # 30 s to compile, 50 µs saved a call: 600,000 calls.
    slow = timing(row("no_grad", 100.0), row("compile", 50.0, prepare_ms=30_000.0))
    one = of("interactive", ModelFacts("Net"), slow)
    assert one.choice == "dynamic"
    assert "after 600,000 calls" in one.text
    assert "Making compile took 30 s." in one.evidence
    # 2 ms to script, 50 µs saved a call: 40 calls.
    quick = timing(row("no_grad", 100.0), row("script", 50.0, prepare_ms=2.0))
    assert of("interactive", ModelFacts("Net"), quick).choice == "either"
    worse = timing(row("no_grad", 100.0), row("script", 150.0))
    assert "no static variant was faster" in of("interactive", ModelFacts("Net"), worse).text


class Branching(nn.Module):
    def forward(self, x: Tensor) -> Tensor:
        if x.sum() > 0:
            return x * 2
        return x - 1


def test_facts_are_gathered_from_records() -> None:
    model, x = Branching(), torch.ones(3)
    script = inspector.script(model)
    recording = inspector.record(model, x)
    facts = model_facts(
        "Branching",
        script=script,
        trace="not today",
        recording=recording,
        overlay=inspector.overlay(script, recording),
    )
    assert facts.scripts is True
    assert facts.traces is False
    assert facts.trace_reason == "not today"
    assert facts.decisions is not None
    lines = Path(__file__).read_text().splitlines()
    assert [lines[source.line - 1].strip() for source in facts.decisions] == ["if x.sum() > 0:"]
    assert facts.divergence == ""
    assert model_facts("Net") == ModelFacts("Net")
