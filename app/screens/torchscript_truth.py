"""Does the graph tell the truth? Where it and the Python code part, on the line, and why."""

from __future__ import annotations

import os

import streamlit as st

import inspector
import sample_models
from inspector.errors import ScriptError
from inspector.language import sentence
from inspector.render.cardparts import number_text
from inspector.verdicts import LineMark, Parting, Side, Truth
from inspector.views import words
from inspector_app.address import acted
from inspector_app.listing import listing, source_rows
from inspector_app.phrases import escaped, prose, say, say_count, told
from inspector_app.staticruns import StaticWork
from inspector_app.truthruns import Verdict, verdict_on

_OFFERED = 3
_MARKS = {"error": "wrong", "warning": "warning", "note": ""}
_ICONS = {"error": ":red[:material/error:]", "warning": ":orange[:material/warning:]"}
_BY = {"compiler": sentence("compiler")}
"""Who said it, where that is no class of warnings."""

_AGREEMENTS = {
    "bits": sentence("equal, bit for bit"),
    "statistics": sentence("equal in every statistic"),
    "rounding": sentence("equal up to rounding"),
    "differs": sentence("different"),
    "unknown": sentence("not compared"),
}


_COLUMNS = {
    "op": sentence("op"),
    "name": sentence("name"),
    "line": sentence("line"),
    "IR node": sentence("IR node"),
    "result": sentence("result"),
    "mean in Python": sentence("mean in Python"),
    "mean in the graph": sentence("mean in the graph"),
}


def truth_view(
    sample: sample_models.Sample, work: StaticWork, input_name: str, traced_with: str
) -> None:
    """Compare the graph with the Python code.

    Args:
        sample, work: what is shown.
        input_name: the input that both run.
        traced_with: the input that a trace is taken with.
    """
    kind = "trace" if work.static is None else work.static.kind
    found = verdict_on(sample.name, input_name, kind, traced_with)
    if found.truth is None:
        reason = "" if found.refusal is None else found.refusal.message
        st.error(say("The graph could not be made: {reason}", reason=prose(reason)))
        return
    _verdict(found.truth, input_name, traced_with)
    if found.truth.parting is not None:
        _sides(found.truth, found.truth.parting, traced_with)
    _next(sample, found.truth, input_name, traced_with)
    marks = (*found.marks, *_compiler_marks(work))
    if marks or found.truth.parting is not None:
        left, right = st.columns([11, 9], gap="small")
        with left:
            _code(found, marks)
        with right:
            _marks(marks)
    _tables(found, found.truth)
    for note in found.truth.notes:
        st.caption(prose(note))


def _verdict(truth: Truth, input_name: str, traced_with: str) -> None:
    if truth.kind == "trace":
        st.markdown(
            say(
                "A trace taken with **{a}**, run with **{b}**, against the Python code run with"
                " **{b}**:",
                a=escaped(told(traced_with)),
                b=escaped(told(input_name)),
            )
        )
    if truth.agrees:
        st.success(prose(truth.summary), icon=":material/check_circle:")
    elif truth.parting is not None and truth.parting.kind == "random":
        st.warning(prose(truth.summary), icon=":material/casino:")
    else:
        st.error(prose(truth.summary), icon=":material/error:")


def _sides(truth: Truth, parting: Parting, traced_with: str) -> None:
    """Both values, next to each other, and what to do."""
    python, graph = st.columns(2, gap="small")
    with python.container(border=True, height="stretch"):
        _side(say("**The Python code**"), parting.dynamic)
    title = say("**The script**")
    if truth.kind == "trace":
        title = say("**The trace taken with “{name}”**", name=escaped(told(traced_with)))
    with graph.container(border=True, height="stretch"):
        _side(title, parting.static)
    if parting.difference is not None:
        difference = number_text(parting.difference)
        st.markdown(say("The values differ by {difference} at most.", difference=difference))
    if parting.remedy:
        st.markdown(say("**What to do:** {remedy}", remedy=prose(parting.remedy)))


def _side(title: str, side: Side) -> None:
    st.markdown(title)
    st.markdown(prose(side.text) or say(":gray[nothing]"))
    if side.shape is not None:
        st.markdown(f":blue-badge[{escaped(told(words.dimensions(side.shape)))} {side.dtype}]")
    summary = side.summary
    if summary is not None and summary.min is not None:
        names = ("min", "max", "mean", "std")
        numbers = {name: number_text(getattr(summary, name)) for name in names}
        st.markdown(escaped(say("min {min} · max {max} · mean {mean} · std {std}", **numbers)))


def _next(sample: sample_models.Sample, truth: Truth, input_name: str, traced_with: str) -> None:
    """What to try next: a trace run with its own input says little."""
    if truth.kind != "trace":
        st.markdown(
            say(
                "A script keeps branches and loops, so it should tell the truth for every input."
                " A trace keeps what one input did: choose *Trace* in the sidebar, and run it with"
                " another input than it was taken with."
            )
        )
        return
    if input_name != traced_with:
        return
    others = [name for name in sample.inputs if name != input_name][:_OFFERED]
    if not others:
        return
    with st.container(horizontal=True, vertical_alignment="center", gap="small"):
        st.markdown(
            say("That is the input the trace was taken with. Run it with another one:"),
            width="content",
        )
        for name in others:
            st.button(told(name), key=f"truth/{name}", on_click=_run_with, args=(sample.name, name))


def _run_with(sample: str, input_name: str) -> None:
    """Choose another input in the sidebar."""
    st.session_state[f"ts/input/{sample}"] = input_name
    acted()


# -- the code and its marks ------------------------------------------------------------------------


def _compiler_marks(work: StaticWork) -> tuple[LineMark, ...]:
    """The lines that the compiler refused."""
    errors = (
        ScriptError(one.message, detail=one.detail, file=one.file, line=one.line)
        for one in work.refusals
    )
    return tuple(mark for error in errors for mark in inspector.line_marks(None, error=error))


def _code(found: Verdict, marks: tuple[LineMark, ...]) -> None:
    sources = found.sources or {}
    parting = None if found.truth is None else found.truth.parting
    place = None if parting is None else parting.source
    files = [place.file] if place is not None else []
    files += [mark.file for mark in marks] + list(sources)
    file = next((file for file in files if file in sources), None)
    if file is None:
        st.info(say("The Python source of this run is not known."))
        return
    here = [mark for mark in marks if mark.file == file]
    lines = {mark.line: _MARKS[mark.severity] for mark in reversed(here)}
    current = min(lines, default=None)
    if place is not None and place.file == file:
        current = place.line
    listing(
        source_rows(sources[file], lines),
        title=os.path.basename(file),
        key="truth/code",
        shown=None if current is None else current - 1,
        height="330px",
    )


def _marks(marks: tuple[LineMark, ...]) -> None:
    """What the tracer and the compiler said, each with its line and a remedy."""
    said = [mark for mark in marks if mark.kind != "parting"]
    if not said:
        st.markdown(say(":gray[Neither the tracer nor the compiler warned of anything.]"))
        return
    with st.container(height=330, border=True):
        for mark in said:
            icon = _ICONS.get(mark.severity, ":material/info:")
            place = say("{file}, line {line}", file=os.path.basename(mark.file), line=mark.line)
            by = told(_BY.get(mark.kind, mark.kind))
            st.markdown(f"{icon} **{escaped(by)}** :gray[{escaped(place)}]")
            st.markdown(prose(mark.message))
            if mark.remedy:
                st.markdown(say("**What to do:** {remedy}", remedy=prose(mark.remedy)))


# -- tables ----------------------------------------------------------------------------------------


def _tables(found: Verdict, truth: Truth) -> None:
    if truth.outputs:
        with st.expander(say("The results, compared"), expanded=truth.parting is not None):
            st.dataframe(
                [
                    {
                        say("result"): each.index,
                        say("compared"): told(_AGREEMENTS[each.agreement]),
                        say("in Python"): told(each.dynamic.text),
                        say("in the graph"): told(each.static.text),
                        say("difference at most"): number_text(each.difference),
                    }
                    for each in truth.outputs
                ],
                hide_index=True,
                width="stretch",
            )
    if not found.agreed:
        if truth.parting is not None:
            st.caption(say("They part at once: no op before it could be compared."))
        return
    count = len(found.agreed)
    title = say_count(
        "The one op and its node", "The {count} ops in order, with their nodes", count
    )
    if truth.parting is not None:
        title = say_count(
            "The op before they part, with its node",
            "The {count} ops before they part, with their nodes",
            count,
        )
    with st.expander(title):
        columns = {name: told(title) for name, title in _COLUMNS.items()}
        st.dataframe(
            [row | {"result": told(row["result"])} for row in found.agreed],
            hide_index=True,
            width="stretch",
            column_config=columns,
        )
        st.caption(say("What counts as equal: {rule}", rule=escaped(told(truth.tolerance))))
