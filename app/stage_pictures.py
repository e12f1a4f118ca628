"""One stage of optimisation as a workbench: the graph before, the graph after, and the texts."""

from __future__ import annotations

from typing import Any

import streamlit as st

from inspector.language import sentence
from inspector.languages import language
from inspector.render.labels import labels
from inspector.render.stages import stage_payload
from inspector.render.workbench import script_text, style_text
from inspector.stages import Stage
from inspector.views.stages import with_groups_as_calls
from inspector.views.static import default_open_static
from inspector_app.phrases import spoken, told

_HEIGHT = (
    ".wb { height: clamp(540px, calc(100vh - 340px), 1100px); }"
    ".wb:not(.wb-narrow, .wb-present) { --wb-card: 126px; }"
)
"""What stands above the graphs takes 340 px; the card of an IR node needs little room."""

_LABELS = {
    "cardEmpty": sentence("Click a node or a line to see what became of it."),
    "cardHint": sentence("What it became lights up in the other graph."),
}
_LABELS_ALONE = {
    "cardEmpty": sentence("Click a node or a line to inspect it."),
    "cardHint": sentence("It lights up in the graph, in the IR text and in the source."),
}

_mount = st.components.v2.component(
    "inspector_stages", css=style_text() + _HEIGHT, js=script_text()
)

_STATE = "_stage_pictures"
_ALONE = ("before", "before-text")


def stage_picture(before: Stage | None, after: Stage, key: str) -> None:
    """Show a stage beside the one that it was made from, or by itself.

    Args:
        before: the stage that `after.change` starts from, if any.
        after: the stage; it has a graph.
        key: changes with what is shown: open boxes start anew.
    """
    opened = _opened(before, after, key)
    wanted = (key, spoken(), tuple(opened.items()))
    kept = st.session_state.get(_STATE)
    if kept is None or kept["wanted"] != wanted:
        own = _LABELS_ALONE if before is None else _LABELS
        words = labels(spoken()) | {name: told(text) for name, text in own.items()}
        tell = language(spoken())  # also on the threads that draw, which have no session
        data = stage_payload(before or after, after, translate=tell, labels=words, opened=opened)
        kept = {"wanted": wanted, "data": data if before is not None else _alone(data)}
        st.session_state[_STATE] = kept
    _mount(
        key="stages",
        data=kept["data"],
        default={"selected": None},
        on_selected_change=_nothing,
        on_toggle_change=_toggled,
    )


def _alone(data: dict[str, Any]) -> dict[str, Any]:
    """The first stage comes from nothing: its graph on the left, its texts on the right."""
    panes = [
        {**pane, "side": "left"} if pane["id"] == "after" else pane
        for pane in data["panes"]
        if pane["id"] not in _ALONE
    ]
    return {**data, "panes": panes}


def _opened(before: Stage | None, after: Stage, key: str) -> dict[str, frozenset[str]]:
    found: tuple[str, dict[str, frozenset[str]]] | None = st.session_state.get("_stages_opened")
    if found is None or found[0] != key:
        stages = {"before": before or after, "after": after}
        opened = {
            side: default_open_static(with_groups_as_calls(stage.graph))
            for side, stage in stages.items()
            if stage.graph is not None
        }
        found = (key, opened)
        st.session_state["_stages_opened"] = found
    return found[1]


def _toggled() -> None:
    """Open or close the box that was clicked."""
    request = st.session_state["stages"].toggle
    found: tuple[str, dict[str, frozenset[str]]] | None = st.session_state.get("_stages_opened")
    if request and found is not None and request["pane"] in found[1]:
        found[1][request["pane"]] ^= {str(request["id"])}


def _nothing() -> None:
    """A state of the component needs a callback to be sent."""
