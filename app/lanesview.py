"""The ranks of a run as rows: a Streamlit component that joins them where they meet."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import streamlit as st

from inspector.languages import language
from inspector.meetings import Lanes
from inspector.render.lane_rows import Column, lane_rows, lanes_asset
from inspector_app.phrases import spoken

_OWN = Path(__file__).parent / "assets" / "lanes.js"

_mount = st.components.v2.component(
    "inspector_lanes",
    css=lanes_asset("lanes.css"),
    js=lanes_asset("lanes.js") + _OWN.read_text(encoding="utf-8"),
)


def lanes_view(
    lanes: Lanes,
    part: list[Column],
    *,
    title: str,
    key: str,
    lane: int,
    op: int | None,
    chosen: Callable[[int, int], None],
) -> None:
    """Show the ranks side by side.

    Args:
        lanes: the ranks.
        part: the columns to show.
        title: what they are, for those who hear the page.
        key: of the component; what is shown may change under it.
        lane: which rank's graph is seen.
        op: which of its ops is selected.
        chosen: called with the lane and the op that were clicked.
    """
    data: dict[str, Any] = {
        "rows": lane_rows(lanes, language(spoken()), part),
        "title": title,
        "lane": lane,
        "op": op,
    }
    _mount(key=key, data=data, on_chosen_change=lambda: _clicked(key, chosen))


def _clicked(key: str, chosen: Callable[[int, int], None]) -> None:
    found = st.session_state[key].chosen
    if isinstance(found, list) and len(found) == 2:
        chosen(int(found[0]), int(found[1]))
