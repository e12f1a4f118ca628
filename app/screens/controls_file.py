"""An uploaded file whose tensors are run instead of those that the controls make."""

from __future__ import annotations

import streamlit as st

from inspector.control_kinds import Uploaded
from inspector.errors import InspectorError
from inspector_app.address import Address, acted
from inspector_app.parts import escaped
from inspector_app.phrases import prose, say

KEPT = 2
"""Files that a session remembers, so that the back button finds them."""

_FILES = "_uploaded_files"


def choose_file(address: Address, asked: str | None, key: str) -> Uploaded | None:
    """The file that is in use: uploaded just now or before, None without one.

    A file that cannot be read is told, and the one before stays in use.

    Args:
        address: that the page was run with. Where it was opened, `asked` decides.
        asked: what the address calls the file.
        key: of the widget.
    """
    from inspector.capture.uploads import ENDINGS

    if address.opened:
        try:
            st.session_state[f"{key}/used"] = file_in_address(asked)
        except InspectorError as error:
            address.complain(prose(str(error)))
            st.session_state[f"{key}/used"] = None
    used: Uploaded | None = st.session_state.get(f"{key}/used")
    with st.expander(say("Inputs from a file"), expanded=used is not None):
        upload = st.file_uploader(
            say("Tensors, an image or a table"),
            type=list(ENDINGS),
            key=key,
            on_change=_moved,
            args=(key,),
            max_upload_size=64,
            help=say(
                "Its tensors are run in the place of those that the controls make: `.npy`, `.npz`,"
                " `.pt` (tensors only, nothing in it is run), PNG and JPEG as numbers from 0 to 1,"
                " or a CSV of numbers."
            ),
        )
        if st.session_state.pop(f"{key}/moved", False):
            used = None if upload is None else _read(upload.name, upload.getvalue(), used)
            st.session_state[f"{key}/used"] = used
        other = upload is not None and (used is None or upload.name != used.name)
        if upload is not None and other:
            st.caption(say("{name} is not in use.", name=escaped(upload.name)))
        if used is not None:
            st.caption(_said(used))
            if upload is None or other:
                st.button(say("Leave it out"), key=f"{key}/out", on_click=_left_out, args=(key,))
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
            say("the uploaded file “{name}”, which has to be chosen again", name=name[:60])
        )
    return files[digest]


def _moved(key: str) -> None:
    acted()
    st.session_state[f"{key}/moved"] = True


def _left_out(key: str) -> None:
    acted()
    st.session_state[f"{key}/used"] = None


def _read(name: str, data: bytes, before: Uploaded | None) -> Uploaded | None:
    """The file, if its tensors can be read; else that is told, and it stays as it was."""
    from inspector.capture.given import tensors_of

    file = Uploaded(name, data)
    try:
        tensors_of(file)
    except InspectorError as error:
        st.error(prose(str(error)), icon=":material/error:")
        return before
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
