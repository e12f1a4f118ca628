"""Explore a sample model: choose an input, see what changes."""

from __future__ import annotations

import streamlit as st

import sample_models
from inspector.render.workbench import Shown
from inspector_app.address import Address, write_one
from inspector_app.choice import choose_input, choose_one, choose_sample
from inspector_app.component import select_anew, workbench
from inspector_app.parts import escaped, failure_banner, headline, tables
from inspector_app.runs import Run, run_sample

STATIC = {"script": "Script (compiled from the source)", "trace": "Trace (what this input ran)"}


def page() -> None:
    """The page."""
    address = Address("explore")
    sample = choose_sample(address, "sample")
    input_name = choose_input(address, sample, "input")
    prefer = choose_one(address, "TorchScript", STATIC, "graph", None)
    shown = {"sample": sample.name, "input": input_name, "graph": prefer}
    same = all(address.asked.get(name, value) == value for name, value in shown.items())
    selected = address.asked.get("select") if same else None
    address.tell()
    if address.opened:
        select_anew()
    address.write(**shown, select=selected)
    run = run_sample(sample.name, input_name, prefer)
    headline(sample.title, sample.teaches, run, previous=_previous(sample, input_name, prefer))
    failure_banner(run.recording)
    _reason(run)
    _show(run, f"{sample.name}/{input_name}/{prefer}", selected)


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
    if now != st.session_state.get("_selected"):
        st.session_state["_selected"] = now
        if now is not None:
            write_one("select", now)
    tables(run.recording, run.static, run.overlay, name=key.replace("/", "-").replace(" ", "_"))
