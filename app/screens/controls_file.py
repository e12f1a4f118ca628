"""An uploaded file whose tensors are run instead of those that the controls make."""

from __future__ import annotations

import streamlit as st

from inspector.control_kinds import Uploaded
from inspector.errors import InspectorError
from inspector.language import sentence
from inspector_app.address import Address, acted
from inspector_app.phrases import escaped, prose, reason_of, say, together

KEPT = 2
"""Files that a session remembers, so that the back button finds them."""

_FILES = "_uploaded_files"


def choose_file(address: Address, asked: str | None, key: str) -> Uploaded | None:
    """The file that is in use: uploaded just now or before, None without one.

    A file that cannot be read is told, and the one before stays in use. A field whose file was
    read makes room for an empty one: where another file takes the place of one in a field, the
    browser tells of no file first.

    Args:
        address: that the page was run with. Where it was opened, `asked` decides.
        asked: what the address calls the file.
        key: of the widget.
    """
    from inspector.capture.uploads import ENDINGS

    if address.opened:
        st.session_state[f"{key}/refused"] = ""
        try:
            st.session_state[f"{key}/used"] = file_in_address(asked)
        except InspectorError as error:
            address.complain(prose(reason_of(error)))
            st.session_state[f"{key}/used"] = None
    used: Uploaded | None = st.session_state.get(f"{key}/used")
    field = _field(key)
    with st.expander(say("Inputs from a file"), expanded=used is not None):
        st.file_uploader(
            say("Tensors, an image or a table") if used is None else say("Another file"),
            type=list(ENDINGS),
            key=field,
            on_change=_uploaded,
            args=(key, field),
            max_upload_size=64,
            help=say(
                "Its tensors are run in the place of those that the controls make: `.npy`, `.npz`,"
                " `.pt` (tensors only, nothing in it is run), PNG and JPEG as numbers from 0 to 1,"
                " or a CSV of numbers."
            ),
        )
        if used is not None:
            st.caption(_said(used))
            st.button(say("Leave it out"), key=f"{key}/out", on_click=_left_out, args=(key,))
    refused = st.session_state.get(f"{key}/refused", "")
    if refused:
        stays = "" if used is None else say("{name} stays in use.", name=escaped(used.name))
        st.error(together((prose(refused), stays)), icon=":material/error:")
    return used


def file_in_address(written: str | None) -> Uploaded | None:
    """The file that an address names.

    Raises:
        InspectorError: this session does not have it.
    """
    if written is None:
        return None
    digest, _, name = written.partition("~")
    files: dict[str, Uploaded] = st.session_state.get(_FILES, {})
    if digest not in files:
        raise InspectorError(
            sentence("the uploaded file “{name}”, which has to be chosen again", name=name[:60])
        )
    return files[digest]


def _field(key: str) -> str:
    """The key of the field for a file, of its own for each file that was read."""
    return f"{key}/{st.session_state.get(f'{key}/read', 0)}"


def _uploaded(key: str, field: str) -> None:
    """Take the file, if its tensors can be read; else the one before stays, and that is told."""
    upload = st.session_state[field]
    st.session_state[f"{key}/refused"] = ""
    if upload is None:
        return
    acted()
    try:
        file = _read(upload.name, upload.getvalue())
    except InspectorError as error:
        st.session_state[f"{key}/refused"] = reason_of(error)
        return
    st.session_state[f"{key}/used"] = file
    st.session_state[f"{key}/read"] = st.session_state.get(f"{key}/read", 0) + 1


def _left_out(key: str) -> None:
    acted()
    st.session_state[f"{key}/used"] = None


def _read(name: str, data: bytes) -> Uploaded:
    """The file; this session remembers it.

    Raises:
        InspectorError: its tensors cannot be read.
    """
    from inspector.capture.given import tensors_of

    file = Uploaded(name, data)
    tensors_of(file)
    files: dict[str, Uploaded] = st.session_state.setdefault(_FILES, {})
    files[file.digest] = file
    while len(files) > KEPT:
        del files[next(iter(files))]
    return file


def _said(file: Uploaded) -> str:
    """A file and its tensors in a line."""
    from inspector.capture.given import tensors_of

    shapes = [
        f"{str(tensor.dtype).removeprefix('torch.')} {tuple(tensor.shape)}"
        for tensor in tensors_of(file)
    ]
    return say(
        "{name}: {tensors}, run in the place of the tensors that the controls make.",
        name=escaped(file.name),
        tensors=escaped("; ".join(shapes)),
    )
