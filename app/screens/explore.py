"""Explore a sample model: choose an input, see what changes."""

from __future__ import annotations

import streamlit as st

import sample_models
from inspector.render.workbench import Shown
from inspector_app.component import workbench
from inspector_app.parts import escaped, failure_banner, headline, tables
from inspector_app.runs import Run, run_sample

STATIC = {"script": "Script (compiled from the source)", "trace": "Trace (what this input ran)"}


def page() -> None:
    """The page."""
    sample = _choose_sample()
    input_name = _choose_input(sample)
    prefer = _choose_static()
    selected = st.query_params.get("select")
    _remember(sample=sample.name, input=input_name, graph=prefer)
    run = run_sample(sample.name, input_name, prefer)
    headline(sample.title, sample.teaches, run, previous=_previous(sample, input_name, prefer))
    failure_banner(run.recording)
    _reason(run)
    _show(run, f"{sample.name}/{input_name}/{prefer}", selected)


def _choose_sample() -> sample_models.Sample:
    catalog = sample_models.catalog()
    names = list(catalog)
    asked = st.query_params.get("sample")
    if asked is not None and asked not in catalog and "sample" not in st.session_state:
        try:
            sample_models.get(asked)
        except sample_models.UnknownSample as error:
            st.error(f"{escaped(str(error))} Showing “{catalog[names[0]].title}” instead.")
    start = names.index(asked) if asked in catalog else 0
    name = st.sidebar.selectbox(
        "Sample model",
        names,
        index=start,
        key="sample",
        format_func=lambda key: catalog[key].title,
        help="Each sample is one short file in sample_models/.",
    )
    return catalog[name]


def _choose_input(sample: sample_models.Sample) -> str:
    names = list(sample.inputs)
    asked = st.query_params.get("input")
    start = names.index(asked) if asked in names else 0
    name = st.sidebar.radio(
        "Input",
        names,
        index=start,
        key=f"input/{sample.name}",
        captions=[sample.inputs[name].description for name in names],
        help="Switch it and watch the graph change.",
    )
    return str(name)


def _choose_static() -> str:
    asked = st.query_params.get("graph")
    start = list(STATIC).index(asked) if asked in STATIC else 0
    chosen = st.sidebar.radio(
        "TorchScript", list(STATIC), index=start, key="graph", format_func=STATIC.__getitem__
    )
    return str(chosen)


def _remember(**choices: str) -> None:
    """Keep the address of what is shown, so that it can be shared."""
    for name, value in choices.items():
        if st.query_params.get(name) != value:
            st.query_params[name] = value
            if name in ("sample", "input"):
                st.query_params.pop("select", None)


def _previous(sample: sample_models.Sample, input_name: str, prefer: str) -> Run | None:
    """The run of the same sample that was shown before this one."""
    last: tuple[str, str] | None = st.session_state.get("_shown")
    before: tuple[str, str] | None = st.session_state.get("_before")
    if last != (sample.name, input_name):
        before = last
        st.session_state["_before"], st.session_state["_shown"] = last, (sample.name, input_name)
    if before is None or before[0] != sample.name or before[1] == input_name:
        return None
    return run_sample(sample.name, before[1], prefer)


def _reason(run: Run) -> None:
    if not run.reason:
        return
    instead = "The trace of this input is shown instead." if run.static is not None else ""
    words, button = st.columns([5, 1], vertical_alignment="center")
    words.caption(f":material/info: {escaped(run.reason)} {instead}")
    if run.reason_detail:
        with button.popover("Compiler's text", width="stretch"):
            st.code(run.reason_detail, language="text")


@st.fragment
def _show(run: Run, key: str, selected: str | None) -> None:
    shown = Shown(run.recording, run.static, run.overlay, run.reason)
    now = workbench(shown, key=key, selected=selected)
    if now is not None and now != st.query_params.get("select"):
        st.query_params["select"] = now
    tables(run.recording, run.static, run.overlay, name=key.replace("/", "-").replace(" ", "_"))
