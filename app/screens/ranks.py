"""The ranks of one run on the page *Recordings*: side by side, with the graph of one of them."""

from __future__ import annotations

import os
import re
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import streamlit as st

from inspector.errors import RanksError
from inspector.lanes import lanes
from inspector.library import Entry
from inspector.meetings import Lanes, Mismatch
from inspector.ranks import rank_of
from inspector.render.lane_rows import Column, columns, longest_wait, summary
from inspector_app import librarydesk as desk
from inspector_app.address import Address, acted, write_some
from inspector_app.component import Place, look_anew, workbench
from inspector_app.lanesview import lanes_view
from inspector_app.parts import failure_banner
from inspector_app.phrases import escaped, prose, reason_of, say, say_count, told
from inspector_app.runs import Run

RANKS_VARIABLE = "INSPECTOR_RANKS"
"""Set by `python -m inspector view` where the files are the ranks of one run."""

Source = tuple[str, bytes | Path]
"""The name of a recording, and where it is."""

_TOGGLE, _LANE, _GO, _LAID = "open/ranks", "_ranks_lane", "_ranks_go", "_ranks_laid"
_RANK = re.compile(r"rank\d+")
_MOST = 300
"""Columns that are drawn at once."""

_ABOVE, _ROW, _MESSAGE = 176, 46, 96
"""Px: all that stands above the graph without ranks; a rank; a mismatch."""


def wanted(
    address: Address, uploads: Sequence[tuple[Any, Run]], named: Sequence[str], what: str | Entry
) -> list[Source]:
    """The recordings that are to be shown side by side; none where one is shown by itself.

    Args:
        address: of the page.
        uploads: files from the browser, and what is in them.
        named: on the command line.
        what: a kept recording that is open, the list of them, or "" for a file.
    """
    of_ranks = all(rank_of(run.recording.meta) is not None for _, run in uploads)
    if len(uploads) > 1 and of_ranks:
        return [(upload.name, upload.getvalue()) for upload, _ in uploads]
    if isinstance(what, Entry):
        mates = _mates(what)
        found: list[Source] = [(one.name, desk.library().path(one.id)) for one in mates]
        return found if len(found) > 1 and _toggled(address, start=False) else []
    from_command_line = os.environ.get(RANKS_VARIABLE) == "1"
    alone = uploads or desk.handed() is not None or what != ""
    if from_command_line and not alone and _toggled(address, start=True):
        return [(os.path.basename(path), Path(path)) for path in named]
    return []


def _toggled(address: Address, *, start: bool) -> bool:
    if address.opened or _TOGGLE not in st.session_state:
        st.session_state[_TOGGLE] = address.asked.get("ranks", "1" if start else "0") == "1"
    address.keep(_TOGGLE)
    return st.sidebar.toggle(say("Ranks side by side"), key=_TOGGLE, on_change=acted)


def offer_to_keep(sources: Sequence[Source]) -> None:
    """A button in the sidebar that keeps all of them."""
    if desk.offered():
        st.sidebar.button(
            say("Keep these recordings"),
            icon=":material/bookmark_add:",
            width="stretch",
            on_click=_keep,
            args=(sources,),
        )


def _keep(sources: Sequence[Source]) -> None:
    """Keep all, and show them as kept: a callback."""
    for name, source in sources:
        desk.keep(source, name.removesuffix(".inspect"))
    st.session_state[_TOGGLE] = True


def _mates(entry: Entry) -> list[Entry]:
    """Kept recordings whose names differ in the rank only, the newest of each; with `entry`."""
    if _RANK.search(entry.name) is None:
        return [entry]
    stem = _RANK.sub("", entry.name, count=1)
    found: dict[str, Entry] = {}
    for one in sorted(desk.library().entries(), key=lambda one: one.added):
        if _RANK.search(one.name) is not None and _RANK.sub("", one.name, count=1) == stem:
            found[one.name] = one
    found[entry.name] = entry
    return list(found.values())


def show(address: Address, opened: Sequence[tuple[str, Run]], shown: dict[str, str]) -> None:
    """The page of several ranks.

    Args:
        address: of the page.
        opened: the recordings' names and contents.
        shown: what the address says of them.
    """
    try:
        laid, parts = _laid([run for _, run in opened])
    except RanksError as error:
        address.write(**shown)
        st.error(escaped(told(reason_of(error))), icon=":material/error:")
        return
    by_recording = {id(run.recording): run for _, run in opened}
    runs = [by_recording[id(recording)] for recording in laid.recordings]
    if address.opened:
        look_anew()
        asked = address.asked.get("rank", "")
        known = asked.isdecimal() and int(asked) in laid.ranks
        st.session_state[_LANE] = laid.ranks.index(int(asked)) if known else 0
    place = Place.of_address(address.asked)
    address.write(**shown, rank=str(laid.ranks[_lane(laid)]), **place.as_address())
    st.markdown(f"#### {escaped(_stem([name for name, _ in opened]))}")
    st.caption(
        " ".join(escaped(told(text)) for text in (summary(laid), longest_wait(laid)) if text)
    )
    _mismatches(laid)
    _show(laid, parts, runs, place)


def _laid(runs: Sequence[Run]) -> tuple[Lanes, list[Column]]:
    """The ranks side by side, worked out once for a session."""
    key = tuple(sorted(id(run.recording) for run in runs))
    known: tuple[Any, Lanes, list[Column]] | None = st.session_state.get(_LAID)
    if known is None or known[0] != key:
        found = lanes(run.recording for run in runs)
        known = st.session_state[_LAID] = key, found, columns(found)
    return known[1], known[2]


def _stem(names: Sequence[str]) -> str:
    """What the files have in common: "run" of "run.rank0.inspect" and "run.rank1.inspect"."""
    stems = {_RANK.sub("", name.removesuffix(".inspect"), count=1).strip(".-_ ") for name in names}
    only = stems.pop() if len(stems) == 1 else ""
    return only or ", ".join(names)


def _mismatches(laid: Lanes) -> None:
    """The first thing that is wrong in full, the others to be opened."""
    for number, one in enumerate(laid.mismatches[:1]):
        _mismatch(laid, one, number)
    others = laid.mismatches[1:]
    if others:
        with st.expander(say_count("1 more mismatch", "{count} more mismatches", len(others))):
            for number, one in enumerate(others[:20], 1):
                _mismatch(laid, one, number)


def _mismatch(laid: Lanes, one: Mismatch, number: int) -> None:
    with st.container(key=f"ranks-mismatch-{number}"):
        st.error(f"**{prose(one.message)}** {prose(one.help)}", icon=":material/error:")


@st.fragment
def _show(laid: Lanes, parts: list[Column], runs: Sequence[Run], place: Place) -> None:
    top = st.container()
    lane = _lane(laid)
    run = runs[lane]
    asked: int | None = st.session_state.pop(_GO, None)
    if asked is not None:
        place = Place(selected=f"dynamic/op:{asked}") if asked >= 0 else Place()
    now = workbench(run.book, key=f"ranks/{lane}/{id(run.recording)}", place=place)
    write_some(rank=str(laid.ranks[lane]), **now.as_address())
    above = _ABOVE + _ROW * len(laid.ranks) + (_MESSAGE if laid.mismatches else 0)
    st.html(f"<style>:root {{ --wb-above: {above}px }}</style>")
    with top:
        lanes_view(
            laid,
            _part(parts),
            title=say("Ranks side by side"),
            key="ranks/lanes",
            lane=lane,
            op=_op(now.selected),
            chosen=_go,
        )
    failure_banner(run.recording)


def _part(parts: list[Column]) -> list[Column]:
    """The columns that are drawn: of very many, those that are chosen."""
    if len(parts) <= _MOST:
        return parts
    first = st.slider(
        say("Messages from"), 1, len(parts), 1, step=_MOST, key="ranks/part", width=400
    )
    return parts[first - 1 : first - 1 + _MOST]


def _lane(laid: Lanes) -> int:
    return min(int(st.session_state.get(_LANE, 0)), len(laid.ranks) - 1)


def _op(selected: str | None) -> int | None:
    """The op that is selected in the graph of what ran."""
    kind, _, number = (selected or "").rpartition(":")
    return int(number) if kind == "dynamic/op" and number.isdecimal() else None


def _go(lane: int, op: int) -> None:
    """Show the graph of a lane and select an op of it: a callback."""
    st.session_state[_LANE], st.session_state[_GO] = lane, op
    look_anew()
