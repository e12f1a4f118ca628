"""The workbench as a Streamlit component: linked graphs, IR, source, the card and the timeline.

Only a name travels through Streamlit. What is drawn, the browser asks the server for (`served.py`),
and which boxes, tabs and item are shown is the browser's own affair, its *place*: Python hears of
it to write it into the address, and commands a place when the address says another one.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

import streamlit as st

from inspector.render.answers import Book
from inspector.render.labels import labels
from inspector.render.workbench import script_text, style_text
from inspector_app.phrases import spoken
from inspector_app.served import address_of, name_in, shelf

_HEIGHT = ".wb { height: clamp(560px, calc(100vh - var(--wb-above, 136px)), 1200px); }"
"""The graphs and the card are seen without scrolling; 136 px are the headline's."""

PARAMETERS = ("select", "toggled", "panes", "wide", "at", "runs")
"""Of the address: the item, the boxes, the tabs, the side that is alone, the moment, and which of
two runs are seen."""

RUNS = ("a", "b", "sides", "flicker")
"""What is seen of two runs, if it is not both in one picture."""

_mount = st.components.v2.component(
    "inspector_workbench", css=style_text() + _HEIGHT, js=script_text()
)


@dataclass(frozen=True)
class Place:
    """What of a recording a viewer looks at.

    Args:
        selected: the item, as "dynamic/op:3".
        toggled: boxes that are not as they are at first.
        panes: pane -> side, of those on top of their side.
        wide: the side that is alone, "" for both.
        moment: in the time of the run; None is the end.
        runs: which of two runs are seen, one of `RUNS`; "" for both in one picture.
    """

    selected: str | None = None
    toggled: tuple[str, ...] = ()
    panes: Mapping[str, str] = field(default_factory=dict)
    wide: str = ""
    moment: int | None = None
    runs: str = ""

    @classmethod
    def of_address(cls, asked: Mapping[str, str]) -> Place:
        """The place that an address names; what it says wrongly is left out."""
        panes = (part.partition(":") for part in asked.get("panes", "").split(",") if part)
        moment = asked.get("at", "")
        return cls(
            selected=asked.get("select"),
            toggled=tuple(box for box in asked.get("toggled", "").split(",") if box),
            panes={pane: side for pane, _, side in panes if side in ("left", "right")},
            wide=asked["wide"] if asked.get("wide") in ("left", "right") else "",
            moment=int(moment) if moment.isdecimal() and len(moment) < 10 else None,
            runs=asked["runs"] if asked.get("runs") in RUNS else "",
        )

    def as_address(self) -> dict[str, str | None]:
        """The parameters of an address that names this place; None for what goes without saying."""
        panes = ",".join(f"{pane}:{side}" for pane, side in self.panes.items())
        return {
            "select": self.selected,
            "toggled": ",".join(self.toggled) or None,
            "panes": panes or None,
            "wide": self.wide or None,
            "at": None if self.moment is None else str(self.moment),
            "runs": self.runs or None,
        }

    @classmethod
    def of_browser(cls, told: Mapping[str, Any]) -> Place:
        """The place that the component tells of."""
        sides: Mapping[str, str] = told.get("sides") or {}
        tabs: Mapping[str, str] = told.get("tabs") or {}
        shown = {pane: side for side, pane in tabs.items() if pane}
        moved = {pane: side for pane, side in sides.items() if pane not in shown}
        return cls(
            selected=told.get("selected"),
            toggled=tuple(sorted(map(str, told.get("toggled") or ()))),
            panes=moved | shown,  # what is on top last: it wins
            wide=told.get("maximised") or "",
            moment=told.get("moment"),
            runs=told["runs"] if told.get("runs") in RUNS else "",
        )

    def as_command(self) -> dict[str, Any]:
        """As the component takes it."""
        return {
            "selected": self.selected,
            "toggled": list(self.toggled),
            "tabs": {side: pane for pane, side in self.panes.items()},
            "sides": dict(self.panes),
            "maximised": self.wide or None,
            "moment": self.moment,
            "runs": self.runs,
        }


def workbench(book: Book, *, key: str, place: Place | None = None) -> Place:
    """Show a workbench in the session's language and return what is looked at in it.

    Args:
        book: the records.
        key: changes when another recording is shown: its place starts anew.
        place: what to look at when `key` is new, or when `look_anew` was called.
    """
    name = shelf().put(book)
    language_changed = st.session_state.get("_workbench_language", spoken()) != spoken()
    st.session_state["_workbench_language"] = spoken()
    if language_changed and st.session_state.get("_workbench_key") == key:
        place = st.session_state["_workbench_looked"]
        look_anew()
    number = _command(key)
    command = _commanded(number, place or Place())
    result = _mount(
        key="workbench",
        data={
            "source": address_of(name, spoken()),
            "language": spoken(),
            "labels": labels(spoken()),
            "ops": len(book.recording.ops),
            "place": command.as_command(),
            "place_seq": number,
        },
        default={"place": None},
        on_place_change=_nothing,
        on_lost_change=_forgotten,
    )
    told = result.place
    heard = isinstance(told, Mapping) and told.get("seq") == number
    looked = Place.of_browser(told) if heard else command
    st.session_state["_workbench_looked"] = looked
    return looked


def look_anew() -> None:
    """Have the next workbench go to the place it is given, although its `key` may not be new."""
    st.session_state.pop("_workbench_key", None)


def _command(key: str) -> int:
    """The number of the place commanded last; a new key is a new command."""
    number: int = st.session_state.get("_workbench_command", 0)
    if st.session_state.get("_workbench_key") != key:
        number += 1
        st.session_state["_workbench_key"] = key
        st.session_state["_workbench_command"] = number
    return number


def _commanded(number: int, place: Place) -> Place:
    """The place of a command: what was said when it was new, not what the address says since."""
    kept: tuple[int, Place] | None = st.session_state.get("_workbench_place")
    if kept is None or kept[0] != number:
        kept = (number, place)
        st.session_state["_workbench_place"] = kept
    return kept[1]


def _nothing() -> None:
    """A state of the component needs a callback to be sent."""


def _forgotten() -> None:
    """The browser asked about a recording that is no longer kept: it gets another name."""
    lost = st.session_state["workbench"].lost
    if lost:
        shelf().forget(name_in(str(lost)))
