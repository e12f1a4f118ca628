"""Tabs of which only the one that is seen is made; the choice outlives a change of language."""

from __future__ import annotations

from collections.abc import Callable, Mapping

import streamlit as st

Part = tuple[str, Callable[[], None]]
"""The title in the session's language, and what draws it."""


def tabs(parts: Mapping[str, Part], key: str) -> None:
    """Show tabs and draw the one that is open: each click in a graph draws it again.

    Args:
        parts: by a name that is the same in all languages.
        key: of the widget.
    """
    titles = {name: title for name, (title, _) in parts.items()}
    chosen: str | None = st.session_state.get(f"_{key}/name")
    # Streamlit knows an open tab by its title.
    if chosen in titles and st.session_state.get(key) not in titles.values():
        st.session_state[key] = titles[chosen]
    drawn = st.tabs(list(titles.values()), on_change="rerun", key=key)
    for tab, (name, (_, draw)) in zip(drawn, parts.items(), strict=True):
        if tab.open:
            st.session_state[f"_{key}/name"] = name
            with tab:
                draw()
