"""Explore a sample model: choose an input, see what changes."""

from __future__ import annotations

import streamlit as st

import sample_models
from inspector_app.address import Address, write_some
from inspector_app.choice import choose_input, choose_one, choose_sample
from inspector_app.component import Place, look_anew, workbench
from inspector_app.parts import escaped, failure_banner, headline
from inspector_app.runs import Run, run_sample
from inspector_app.screens.tables import tables

STATIC = {"script": "Script (compiled from the source)", "trace": "Trace (what this input ran)"}


def page() -> None:
    """The page."""
    address = Address("explore")
    sample = choose_sample(address, "sample")
    input_name = choose_input(address, sample, "input")
    prefer = choose_one(address, "TorchScript", STATIC, "graph", None)
    shown = {"sample": sample.name, "input": input_name, "graph": prefer}
    same = all(address.asked.get(name, value) == value for name, value in shown.items())
    place = Place.of_address(address.asked) if same else Place()
    address.tell()
    if address.opened:
        look_anew()
    address.write(**shown, **place.as_address())
    run = run_sample(sample.name, input_name, prefer)
    headline(sample.title, sample.teaches, run, previous=_previous(sample, input_name, prefer))
    failure_banner(run.recording)
    _reason(run)
    _show(run, f"{sample.name}/{input_name}/{prefer}", place)


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
def _show(run: Run, key: str, place: Place) -> None:
    now = workbench(run.book, key=key, place=place)
    write_some(**now.as_address())
    tables(run, key.replace("/", "-").replace(" ", "_"), now.selected)
