"""Explore a sample model: choose an input, see what changes."""

from __future__ import annotations

from urllib.parse import urlencode

import streamlit as st

import inspector
import sample_models
from inspector_app.address import Address, write_some
from inspector_app.choice import choose_input, choose_one, choose_sample
from inspector_app.component import Place, look_anew, workbench
from inspector_app.parts import escaped, failure_banner, headline
from inspector_app.phrases import say
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
    address.tell()
    if address.opened:
        look_anew()
    run = run_sample(sample.name, input_name, prefer)
    before = _input_before(sample, input_name)
    previous = None if before is None else run_sample(sample.name, before, prefer)
    place = Place.of_address(address.asked) if same or not address.opened else Place()
    if not same:
        place = _followed(place, previous, run)
    address.write(**shown, **place.as_address())
    link = "" if before is None else _compare_link(sample.name, before, input_name)
    headline(sample.title, sample.teaches, run, previous, link)
    failure_banner(run.recording)
    _reason(run)
    _show(run, f"{sample.name}/{input_name}/{prefer}", place)


def _followed(place: Place, before: Run | None, now: Run) -> Place:
    """The place after a switch: the same tabs, and of the same sample the same op and boxes."""
    if before is None:
        return Place(panes=place.panes, wide=place.wide)
    found = inspector.compare(before.recording, now.recording)
    partner = {f"op:{a}": f"op:{b}" for a, b in found.common}
    partner |= {f"call:{a}": f"call:{b}" for a, b in found.calls}
    pane, _, item = (place.selected or "").partition("/")
    selected = partner.get(item) if pane == "dynamic" else item if pane == "static" else None
    toggled = (box if box.startswith("ir:") else partner.get(box) for box in place.toggled)
    return Place(
        selected=f"{pane}/{selected}" if selected else None,
        toggled=tuple(box for box in toggled if box),
        panes=place.panes,
        wide=place.wide,
    )


def _input_before(sample: sample_models.Sample, input_name: str) -> str | None:
    """The input of the same sample that was shown before this one."""
    last: tuple[str, str] | None = st.session_state.get("_shown")
    before: tuple[str, str] | None = st.session_state.get("_before")
    if last != (sample.name, input_name):
        before = last
        st.session_state["_before"], st.session_state["_shown"] = last, (sample.name, input_name)
    if before is None or before[0] != sample.name or before[1] == input_name:
        return None
    return before[1]


def _compare_link(sample: str, before: str, now: str) -> str:
    """Markdown that leads to the page with both inputs in one picture."""
    query = urlencode({"sample": sample, "a": before, "b": now})
    words = say("Compare with “{name}”", name=escaped(before))
    # Relative: the app may be served below a path.
    return f":material/compare: [{words}](./compare?{query})"


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
