"""Below the graph of two runs: all differences as a table, and how far the numbers drift."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import streamlit as st

from inspector.language import sentence
from inspector.render.cardparts import number_text
from inspector.render.compare_figures import drift_figure, first_beyond
from inspector.render.pairrows import DifferenceRow
from inspector_app.pairruns import Pair
from inspector_app.phrases import say, told
from inspector_app.tabbed import tabs

Go = Callable[[int], None]

TOLERANCES = tuple(10.0**power for power in range(-8, 1))
_KINDS = {
    "decision": sentence("decision"),
    "loop": sentence("loop"),
    "only A": sentence("only A"),
    "only B": sentence("only B"),
    "changed": sentence("changed"),
}
_ROWS = 5_000
"""Of the table; a browser gets slow with more."""


def compare_tables(pair: Pair, key: str, go: Go) -> None:
    """The differences and the drift, the one that is chosen.

    Args:
        pair: the two runs.
        key: of the widgets.
        go: callback that selects an op of both in the graph.
    """
    tabs(
        {
            "differences": (say("Differences"), lambda: _differences(pair, key, go)),
            "numbers": (say("Numbers"), lambda: _drift(pair, key, go)),
        },
        "compare/tabs",
    )


def _differences(pair: Pair, key: str, go: Go) -> None:
    rows = pair.book.differences
    if not rows:
        st.caption(say("Both runs did the same: the same ops with the same shapes and arguments."))
        return
    st.caption(say("Choose a row: the graph shows it."))
    table = f"{key}/table"

    def chosen() -> None:
        marked = st.session_state[table].selection.rows
        if marked:
            go(rows[marked[0]].op)

    st.dataframe(
        [_row(row) for row in rows[:_ROWS]],
        key=table,
        hide_index=True,
        width="stretch",
        on_select=chosen,
        selection_mode="single-row",
    )
    if len(rows) > _ROWS:
        st.caption(say("The first {count:,} of {all:,} differences.", count=_ROWS, all=len(rows)))


def _row(row: DifferenceRow) -> dict[str, Any]:
    return {
        say("what"): told(_KINDS.get(row.kind, row.kind)),
        say("op"): told(row.name),
        say("module"): row.module,
        say("line"): row.place,
        "A": told(row.a),
        "B": told(row.b),
    }


def _drift(pair: Pair, key: str, go: Go) -> None:
    if not pair.drifts:
        st.caption(say("No op of both runs has results of the same shape: nothing to measure."))
        return
    tolerance: float = st.select_slider(
        say("Tolerance (relative)"),
        TOLERANCES,
        value=1e-3,
        format_func=lambda value: f"{value:g}",
        key=f"{key}/tolerance",
        width=420,
    )
    dark = st.context.theme.type == "dark"
    figure = drift_figure(
        pair.a.recording, pair.drifts, tolerance, theme="dark" if dark else "light", translate=told
    )
    if figure is not None:
        st.plotly_chart(figure, width="stretch")
    _first(pair, tolerance, go)
    alone = len(pair.comparison.only_a) + len(pair.comparison.only_b)
    if alone:
        st.caption(say("Measured on the ops of both runs; {count:,} ran in one only.", count=alone))


def _first(pair: Pair, tolerance: float, go: Go) -> None:
    first = first_beyond(pair.drifts, tolerance)
    if first is None:
        st.caption(say("No op of both is further apart than {limit:g}.", limit=tolerance))
        return
    op = pair.a.recording.ops[first.a]
    st.button(
        say(
            "First beyond {limit:g}: {op}, {distance} apart",
            limit=tolerance,
            op=op.name,
            distance=number_text(first.distance),
        ),
        icon=":material/arrow_upward:",
        type="tertiary",
        on_click=go,
        args=(pair.op_of_a(first.a),),
        help=say("Select it in the graph."),
    )
