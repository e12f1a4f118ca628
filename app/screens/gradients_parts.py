"""What the views of gradients share: what they are about, the step to look at, a chart, a link."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import streamlit as st

from inspector.gradients import GradientReport
from inspector.records import Recording
from inspector_app.phrases import say
from inspector_app.screens.gradients_words import about

Link = Callable[[int], str | None]
"""Number of an autograd node -> the address of it in the graph; None where it is in none."""


@dataclass(frozen=True)
class Shown:
    """What the views are about.

    Attributes:
        recording, report: the run and its gradients.
        key: begins the keys of all widgets.
        link: leads from an autograd node to the graph.
        on_step: told which step is looked at (from 1; None: the last one).
    """

    recording: Recording
    report: GradientReport
    key: str
    link: Link
    on_step: Callable[[int | None], None] | None = None


def no_link(node: int) -> str | None:
    """A node that no graph can be opened at."""
    return None


def choose_step(shown: Shown) -> int:
    """The round to look at, by a slider; the last one at first. Ids count from 0.

    The choice is kept apart from the slider, which is not on every view.
    """
    count = len(shown.report.rounds)
    if count == 1:
        return 0
    key, kept = f"{shown.key}/step", step_key(shown.key)
    if not 1 <= st.session_state.get(key, 0) <= count:
        wanted = st.session_state.get(kept) or count
        st.session_state[key] = min(max(1, wanted), count)
    step = int(st.slider(say("Training step"), 1, count, key=key))
    st.session_state[kept] = None if step == count else step
    if shown.on_step is not None:
        shown.on_step(None if step == count else step)
    return step - 1


def step_key(key: str) -> str:
    """Where the chosen step is kept in the session: counted from 1, None for the last one."""
    return f"_{key}/step"


def theme() -> str:
    """Which colours the page has."""
    return "dark" if st.context.theme.type == "dark" else "light"


def chart(figure: Any, described: str) -> None:
    """A chart, with what it shows for those who cannot see it."""
    st.plotly_chart(figure, width="stretch", config={"displayModeBar": False}, alt=described)


def nothing(shown: Shown) -> None:
    """Why there is no chart: no values, or nothing to show."""
    reason = about(shown.report, shown.recording, "no values", "no backward")
    st.info(reason or say("There is nothing to draw: no gradient with values came here."))


def graph_link(shown: Shown, node: int) -> str:
    """A link to an autograd node, as Markdown after a sentence; "" where there is none."""
    address = shown.link(node)
    return "" if address is None else f" [{say('Show it in the graph')}]({address})"
