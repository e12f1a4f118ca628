"""Whether a sample's graph tells the truth about one input, found once for all sessions."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import streamlit as st

import inspector
import sample_models
from inspector.errors import ScriptError
from inspector.language import sentence
from inspector.records import Overlay
from inspector.render.cardparts import number_text
from inspector.torchscript.rehearsal import Rehearsal, rehearse
from inspector.verdicts import LineMark, Truth
from inspector.views import words
from inspector_app.phrases import reason_of, working
from inspector_app.runs import one_at_a_time
from inspector_app.staticruns import Refusal

ROWS = 500
"""The ops before the parting that are listed, the last ones."""


@dataclass(frozen=True)
class Verdict:
    """What came of it, without the values that were compared.

    `truth` is None where there is no graph: `refusal` says why. `agreed` are rows of a table:
    the ops before the two part, with what each side made. `sources` are the files that `marks`
    and the parting are in.
    """

    truth: Truth | None
    marks: tuple[LineMark, ...] = ()
    agreed: tuple[dict[str, Any], ...] = ()
    sources: Mapping[str, str] | None = None
    refusal: Refusal | None = None


@working(sentence("Running the graph against the Python code …"))
@st.cache_resource(max_entries=64, show_spinner=False)
def verdict_on(name: str, input_name: str, kind: str, traced_with: str) -> Verdict:
    """Make a sample's graph, run it and the Python code with one input, and compare.

    Args:
        name: of the sample.
        input_name: what both are run with.
        kind: "script" or "trace".
        traced_with: the input that the trace is taken with.
    """
    sample = sample_models.get(name)
    given = sample.static_inputs(sample.inputs[input_name].make())
    made_with = sample.static_inputs(sample.inputs[traced_with].make())
    with one_at_a_time:
        model = sample.static(sample.build())
        try:
            found = rehearse(model, made_with, given, "script" if kind == "script" else "trace")
        except ScriptError as error:
            marks = inspector.line_marks(None, error=error)
            refusal = Refusal(reason_of(error), error.detail, error.file, error.line)
            return Verdict(None, marks, refusal=refusal)
    verdict = inspector.truth(
        found.static,
        found.recording,
        found.run,
        traced_with=found.traced_with,
        same_seed=True,
        returned=found.returned,
    )
    overlay = inspector.overlay(found.static, found.recording, found.run)
    return Verdict(
        truth=verdict,
        marks=inspector.line_marks(found.static, overlay, verdict),
        agreed=tuple(_agreed(found, overlay, verdict)),
        sources={**found.static.sources, **found.recording.sources},
    )


def _agreed(found: Rehearsal, overlay: Overlay, verdict: Truth) -> list[dict[str, Any]]:
    """The ops before the parting with their nodes and what both sides made."""
    parting = verdict.parting
    end = len(found.recording.ops)
    if parting is not None:
        end = 0 if parting.op is None else parting.op
    visits: Counter[int] = Counter()
    rows: list[dict[str, Any]] = []
    for op in found.recording.ops[:end]:
        node = overlay.op_to_node.get(op.id)
        if node is None:
            continue
        made = (found.run.values.get(node, ()) if found.run else ())[visits[node] :][:1]
        visits[node] += 1
        own = found.recording.tensors[op.outputs[0]] if op.outputs else None
        theirs = made[0][0] if made and made[0] else None
        rows.append(
            {
                "op": op.id,
                "name": op.name,
                "line": None if op.source is None else op.source.line,
                "IR node": found.static.nodes[node].kind,
                "result": "" if own is None else words.shape(own),
                "mean in Python": _mean(own),
                "mean in the graph": _mean(theirs),
            }
        )
    return rows[-ROWS:]


def _mean(value: Any) -> str:
    summary = getattr(value, "summary", None)
    return "" if summary is None else number_text(summary.mean)
