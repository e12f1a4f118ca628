"""The workbench as a Streamlit component: linked graphs, IR, source and the card."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import streamlit as st

from inspector.render.workbench import Shown, script_text, style_text, workbench_payload
from inspector.views import default_open
from inspector.views.static import default_open_static

_HEIGHT = ".wb { height: clamp(560px, calc(100vh - var(--wb-above, 136px)), 1200px); }"
"""The graphs and the card are seen without scrolling; 136 px are the headline's."""

_mount = st.components.v2.component(
    "inspector_workbench", css=style_text() + _HEIGHT, js=script_text()
)


@dataclass
class Opened:
    """Which boxes a viewer has open, per recording."""

    key: str
    dynamic: frozenset[str]
    static: frozenset[str]


def workbench(shown: Shown, *, key: str, selected: str | None = None) -> str | None:
    """Show a workbench and return what is selected in it ("dynamic/op:3"), if anything.

    Args:
        shown: the records; which boxes are open is kept here, in the session.
        key: changes when another recording is shown: its boxes start anew.
        selected: what to select when `key` is new (a link into the page).
    """
    opened = _opened(shown, key)
    payload = _payload(shown, key, opened, selected)
    result = _mount(
        key="workbench",
        data=payload,
        default={"selected": None},
        on_selected_change=_nothing,
        on_toggle_change=_toggled,
    )
    return result.selected or None


def select_anew() -> None:
    """Have the next workbench select what it is given, although its `key` may not be new."""
    st.session_state.pop("_workbench_payload", None)


def _payload(shown: Shown, key: str, opened: Opened, selected: str | None) -> dict[str, Any]:
    """The data of the component; drawn anew only when the recording or a box has changed."""
    wanted = (key, opened.dynamic, opened.static)
    kept: tuple[Any, dict[str, Any]] | None = st.session_state.get("_workbench_payload")
    if kept is not None and kept[0] == wanted:
        return kept[1]
    sequence = st.session_state.get("_workbench_sequence", 0)
    if kept is None or kept[0][0] != key:
        sequence += 1
        st.session_state["_workbench_sequence"] = sequence
    else:
        selected = kept[1]["selected"]
    drawn = Shown(
        shown.recording,
        shown.static,
        shown.overlay,
        shown.static_reason,
        opened.dynamic,
        opened.static,
    )
    payload = workbench_payload(drawn, selected=selected, selected_seq=sequence)
    st.session_state["_workbench_payload"] = (wanted, payload)
    return payload


def _opened(shown: Shown, key: str) -> Opened:
    found: Opened | None = st.session_state.get("_opened")
    if found is None or found.key != key:
        static = frozenset() if shown.static is None else default_open_static(shown.static)
        found = Opened(key, default_open(shown.recording), static)
        st.session_state["_opened"] = found
    return found


def _toggled() -> None:
    """Open or close the box that was clicked."""
    request = st.session_state["workbench"].toggle
    found: Opened | None = st.session_state.get("_opened")
    if not request or found is None:
        return
    box = str(request["id"])
    if request["pane"] == "static":
        found.static = found.static ^ {box}
    else:
        found.dynamic = found.dynamic ^ {box.partition("@")[0]}


def _nothing() -> None:
    """A state of the component needs a callback to be sent."""
