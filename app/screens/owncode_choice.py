"""What the sidebar of *Your own code* chooses: what to begin with, and how it is recorded."""

from __future__ import annotations

import streamlit as st

import sample_models
from inspector.errors import InspectorError
from inspector.language import sentence
from inspector_app import librarydesk
from inspector_app.address import Address, acted
from inspector_app.editor import start_anew
from inspector_app.ownnotebooks import of_notebook
from inspector_app.ownruns import Options, Seat
from inspector_app.ownstarts import EXAMPLE, Start, of_archive, of_sample, of_text, template
from inspector_app.phrases import language_query, named, printable, prose, reason_of, say, told
from inspector_app.screens import open_recording

EDITOR = "code-editor"
"""Key of the page's editor."""

TEMPLATE, FILE = "template", "file"
"""What an editor can begin with, beside the samples."""

_INPUT, _UPLOAD = "code/input", "code/upload"

NONE, SCRIPT, TRACE = "none", "script", "trace"
_GRAPHS = {
    NONE: sentence("None"),
    SCRIPT: sentence("Script"),
    TRACE: sentence("Trace"),
}
_VALUES = {"stats": sentence("Statistics"), "full": sentence("All numbers")}


def choose_start(address: Address, seat: Seat, *, files: bool) -> tuple[Start, dict[str, str]]:
    """The choices of what the editor begins with.

    Args:
        address: that the page was run with.
        seat: of the session.
        files: whether one may be uploaded.

    Returns:
        What it begins with, and what the address says of it.
    """
    catalog = sample_models.catalog()
    names = [TEMPLATE, *catalog, *([FILE] if seat.uploaded is not None else [])]
    last = seat.chosen if seat.chosen in names else TEMPLATE
    key = _key("start", seat)
    address.options("start", names, key=key, start=last, what=say("program"))
    with st.sidebar:
        chosen = str(
            st.selectbox(
                say("Begin with"),
                names,
                key=key,
                on_change=acted,
                format_func=lambda one: _title(one, seat),
            )
        )
        seat.chosen = chosen
        if chosen in catalog:
            start, shown = _sample(address, catalog[chosen], seat)
        elif chosen == FILE:
            start, shown = _file(seat), {}  # no address can open it again
        else:
            start, shown = template(), {"start": TEMPLATE}
        if files:
            _upload(seat)
    return start, shown


def _key(name: str, seat: Seat) -> str:
    """Of a widget that an upload sets: a busy browser would tell what the one before was set to."""
    return f"code/{name}/{seat.uploads}"


def _title(name: str, seat: Seat) -> str:
    if name == TEMPLATE:
        return say("A small template")
    if name == FILE and seat.uploaded is not None:
        return seat.uploaded[0]
    return told(sample_models.get(name).title)


def _sample(
    address: Address, sample: sample_models.Sample, seat: Seat
) -> tuple[Start, dict[str, str]]:
    inputs = list(sample.inputs)
    last = seat.given if seat.given in inputs else inputs[0]
    address.options("input", inputs, key=_INPUT, start=last, what=say("input"))
    given = st.selectbox(
        say("Input"),
        inputs,
        key=_INPUT,
        on_change=acted,
        format_func=lambda one: told(named(one)),
    )
    seat.given = str(given)
    return of_sample(sample, seat.given), {"start": sample.name, "input": str(given)}


# -- files ----------------------------------------------------------------------------------------


def _upload(seat: Seat) -> None:
    st.file_uploader(
        say("Open a file"),
        type=["py", "ipynb", "pt", "pth", "inspect"],
        key=_UPLOAD,
        help=say(
            "A program (`.py`), a notebook (`.ipynb`), a TorchScript archive (`.pt`, `.pth`) or a"
            " recording (`.inspect`)."
        ),
        on_change=_taken,
        args=(seat,),
    )


def tell_of_file(seat: Seat) -> None:
    """Say of the file that was uploaded last why it is not in the editor, if it is not.

    A recording is shown on its own page at once.
    """
    if seat.recording:
        seat.recording = False
        page = st.Page(open_recording.page, url_path="open")
        st.switch_page(page, query_params=language_query())
    if seat.refused:
        st.error(prose(seat.refused), icon=":material/error:")


def _taken(seat: Seat) -> None:
    """Take the file that was uploaded just now, or refuse it."""
    given = st.session_state.get(_UPLOAD)
    seat.refused = ""
    if given is None:
        return
    name, data = printable(str(given.name)), given.getvalue()
    if name.lower().endswith(".inspect"):
        librarydesk.hand_over(name, data)
        seat.recording = True
        return
    try:
        start = _start_of(name, data)
    except InspectorError as error:
        seat.refused = reason_of(error)
        return
    begin_with_file(seat, name, data)
    acted()
    if start.archive:
        seat.run(start, Options(script=start.script))


def begin_with_file(seat: Seat, name: str, data: bytes) -> None:
    """Have the editor begin with a file: a program, or the one that loads an archive."""
    seat.upload(name, data)
    seat.chosen = FILE
    start_anew(EDITOR)


def _start_of(name: str, data: bytes, shapes: str = "") -> Start:
    if name.lower().endswith(".py"):
        return of_text(name, data)
    if name.lower().endswith(".ipynb"):
        return of_notebook(name, data)
    return of_archive(name, data, shapes)


def _file(seat: Seat) -> Start:
    """The uploaded file; of an archive also the shapes of its inputs."""
    assert seat.uploaded is not None
    name, data = seat.uploaded
    if name.lower().endswith((".py", ".ipynb")):
        return _start_of(name, data)
    key = _key("shapes", seat)
    st.session_state.setdefault(key, seat.shapes)
    shapes = seat.shapes = st.text_input(
        say("Inputs"),
        key=key,
        max_chars=200,
        placeholder=EXAMPLE,
        help=say(
            "The shape of each input, with `;` between them: the program then calls the model with"
            " such tensors. float32 where no dtype is named."
        ),
    )
    try:
        return of_archive(name, data, shapes)
    except InspectorError as error:
        st.error(prose(reason_of(error)), icon=":material/error:")
        return of_archive(name, data)


# -- how it is recorded ---------------------------------------------------------------------------


def choose_options(start: Start) -> Options:
    """The choices of how a program is recorded."""
    with st.sidebar.expander(say("How it is recorded"), icon=":material/tune:"):
        values = st.segmented_control(
            say("Values of tensors"),
            list(_VALUES),
            default="stats",
            required=True,
            key="code/values",
            format_func=lambda one: told(_VALUES[one]),
        )
        kernels = st.toggle(
            say("Kernels"), key="code/kernels", help=say("Record the ATen kernels of each op, too.")
        )
        if start.archive:
            script, trace = start.script, ""
        else:
            script, trace = _torchscript(start)
    return Options(str(values), bool(kernels), script, trace)


def _torchscript(start: Start) -> tuple[str, str]:
    """Of which names of the program TorchScript is made: by the compiler, or by tracing a call."""
    kind = st.segmented_control(
        say("TorchScript"),
        list(_GRAPHS),
        default=SCRIPT if start.script else NONE,
        required=True,
        key=f"code/torchscript/{start.key}",
        format_func=lambda one: told(_GRAPHS[one]),
    )
    if kind == SCRIPT:
        name = st.text_input(
            say("Variable of the model"), start.script or "model", key=f"code/script/{start.key}"
        )
        return name.strip(), ""
    if kind == TRACE:
        call = st.text_input(
            say("Call to trace"),
            "model(x)",
            key=f"code/trace/{start.key}",
            help=say("Variables of the program only, no expressions."),
        )
        return "", call.strip()
    return "", ""
