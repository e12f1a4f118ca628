"""What the sidebar of *Your own code* chooses: what to begin with, and how it is recorded."""

from __future__ import annotations

from urllib.parse import urlencode

import streamlit as st

import sample_models
from inspector.errors import InspectorError
from inspector.language import sentence
from inspector_app.address import Address, acted
from inspector_app.ownruns import Options, Seat
from inspector_app.ownstarts import EXAMPLE, Start, of_archive, of_sample, of_text, template
from inspector_app.phrases import language_query, named, prose, reason_of, say, told
from inspector_app.sandbox.orders import LARGEST_ATTACHED

TEMPLATE, FILE = "template", "file"
"""What an editor can begin with, beside the samples."""

_START, _INPUT, _UPLOAD, _SHAPES = "code/start", "code/input", "code/upload", "code/shapes"

NONE, SCRIPT, TRACE = "none", "script", "trace"
_GRAPHS = {
    NONE: sentence("None"),
    SCRIPT: sentence("Script"),
    TRACE: sentence("Trace"),
}
_VALUES = {"stats": sentence("Statistics"), "full": sentence("All numbers")}


def choose_start(address: Address, seat: Seat) -> tuple[Start, dict[str, str]]:
    """The choices of what the editor begins with.

    Args:
        address: that the page was run with.
        seat: of the session.

    Returns:
        What it begins with, and what the address says of it.
    """
    catalog = sample_models.catalog()
    names = [TEMPLATE, *catalog, *([FILE] if seat.uploaded is not None else [])]
    last = seat.chosen if seat.chosen in names else TEMPLATE
    address.options("start", names, key=_START, start=last, what=say("program"))
    with st.sidebar:
        chosen = str(
            st.selectbox(
                say("Begin with"),
                names,
                key=_START,
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
        _upload(seat)
    return start, shown


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
        type=["py", "pt", "pth", "inspect"],
        key=_UPLOAD,
        help=say(
            "A program (`.py`), a TorchScript archive (`.pt`, `.pth`) or a recording (`.inspect`)."
        ),
        max_upload_size=min(LARGEST_ATTACHED >> 20, st.get_option("server.maxUploadSize")),
        on_change=_taken,
        args=(seat,),
    )


def tell_of_file(seat: Seat) -> None:
    """Say of the file that was uploaded last why it is not in the editor, if it is not."""
    if seat.refused:
        st.error(prose(seat.refused), icon=":material/error:")
    elif seat.recording:
        page = "?".join(filter(None, ["open", urlencode(language_query())]))
        words = say("This is a recording: [open it on its own page]({page}).", page=page)
        st.info(words, icon=":material/folder_open:")


def _taken(seat: Seat) -> None:
    """Take the file that was uploaded just now, or refuse it."""
    given = st.session_state.get(_UPLOAD)
    seat.refused = ""
    seat.recording = given is not None and given.name.lower().endswith(".inspect")
    if given is None or seat.recording:
        return
    name, data = str(given.name), given.getvalue()
    try:
        start = _start_of(name, data)
    except InspectorError as error:
        seat.refused = reason_of(error)
        return
    seat.upload(name, data)
    st.session_state[_START] = FILE
    st.session_state[_SHAPES] = ""
    acted()
    if start.archive:
        seat.run(start, Options(script=start.script))


def _start_of(name: str, data: bytes, shapes: str = "") -> Start:
    if name.lower().endswith(".py"):
        return of_text(name, data)
    return of_archive(name, data, shapes)


def _file(seat: Seat) -> Start:
    """The uploaded file; of an archive also the shapes of its inputs."""
    assert seat.uploaded is not None
    name, data = seat.uploaded
    if name.lower().endswith(".py"):
        return of_text(name, data)
    st.session_state.setdefault(_SHAPES, seat.shapes)
    shapes = seat.shapes = st.text_input(
        say("Inputs"),
        key=_SHAPES,
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
