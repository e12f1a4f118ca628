"""How to read the graphs: the marks, the panes, and the same in code."""

from __future__ import annotations

from pathlib import Path

import streamlit as st

from inspector_app.address import Address
from inspector_app.phrases import spoken

_FOLDER = Path(__file__).parent


def page() -> None:
    """The page."""
    Address("guide").write()
    told = _FOLDER / f"guide.{spoken()}.md"
    text = told if told.exists() else _FOLDER / "guide.md"
    st.markdown(text.read_text(encoding="utf-8"))
