"""Open a recording: a file from disk, or the ones named on the command line."""

from __future__ import annotations

import os

import streamlit as st

import inspector
from inspector.errors import FileFormatError
from inspector.records import Recording
from inspector.store import load_bytes
from inspector_app.component import workbench
from inspector_app.parts import escaped, failure_banner, headline, tables
from inspector_app.runs import Run

FILES_VARIABLE = "INSPECTOR_FILES"
"""Set by `python -m inspector view`: paths, separated like PATH."""

_NO_IR = "A recording file holds what ran. Its TorchScript is not part of it."


def page() -> None:
    """The page."""
    named = [name for name in os.environ.get(FILES_VARIABLE, "").split(os.pathsep) if name]
    upload = st.sidebar.file_uploader("Recording", type=["inspect"])
    chosen = st.sidebar.selectbox("From the command line", named) if named else None
    opened = _opened(upload, chosen)
    if opened is None:
        _welcome()
        return
    name, recording = opened
    run = Run(recording, None, None, _NO_IR)
    model = escaped(str(recording.meta.get("model", "a block of code")))
    headline(escaped(name), f"Model: {model}", run, previous=None)
    failure_banner(recording)
    _show(run, name)


def _opened(upload: object, chosen: str | None) -> tuple[str, Recording] | None:
    """The recording to show; a file that can't be read leaves the one shown before."""
    try:
        if upload is not None:
            data, name = upload.getvalue(), upload.name  # type: ignore[attr-defined]
            st.session_state["_file"] = (name, load_bytes(data, name))
        elif chosen is not None:
            st.session_state["_file"] = (os.path.basename(chosen), inspector.load(chosen))
    except FileFormatError as error:
        st.error(escaped(str(error)), icon=":material/error:")
    found: tuple[str, Recording] | None = st.session_state.get("_file")
    return found


def _welcome() -> None:
    st.markdown("### Open a recording")
    st.markdown(
        "Choose a `.inspect` file in the sidebar. You get one from the page *Explore a model* "
        "(tab *Save*), from your own code, or from a script as it is:"
    )
    st.code(
        "import inspector\n\n"
        'recording = inspector.record(model, x, loss="sum")\n'
        'recording.save("run.inspect")',
        language="python",
    )
    st.code("python -m inspector record -o run.inspect train.py --its --own arguments", "bash")


@st.fragment
def _show(run: Run, key: str) -> None:
    workbench(run.book, key=f"file/{key}")
    tables(run.recording, None, None, name=key.removesuffix(".inspect"))
