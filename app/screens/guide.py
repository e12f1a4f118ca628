"""How to read the graphs: the marks, the panes, and the same in code."""

from __future__ import annotations

from pathlib import Path

import streamlit as st


def page() -> None:
    """The page."""
    text = Path(__file__).with_name("guide.md").read_text(encoding="utf-8")
    st.markdown(text)
