"""Choosing two recording files: uploaded, or named on the command line."""

from __future__ import annotations

import os
from pathlib import Path

import streamlit as st

from inspector.errors import FileFormatError
from inspector.store import load_bytes
from inspector_app.address import Address, acted
from inspector_app.pairruns import File, Pair, pair_of_files
from inspector_app.phrases import escaped, reason_of, say, told

FILES_VARIABLE = "INSPECTOR_FILES"
"""Set by `python -m inspector view`: paths, separated like PATH."""


def choose_files(address: Address) -> tuple[Pair | None, dict[str, str]]:
    """The runs of the two files chosen in the sidebar, and what the address says of them.

    What is missing, or is no recording, is said on the page; then there is no pair.
    """
    named = [name for name in os.environ.get(FILES_VARIABLE, "").split(os.pathsep) if name]
    found: list[File] = []
    shown: dict[str, str] = {}
    for place, side in enumerate("ab"):
        upload = st.sidebar.file_uploader(
            say("Recording {side}", side=side.upper()), type=["inspect"], key=f"compare/file/{side}"
        )
        if upload is not None:
            found.append(File(upload.name, upload.getvalue()))
        elif named:
            path = _named(address, side, named, min(place, len(named) - 1))
            shown[side] = str(named.index(path) + 1)
            try:
                found.append(File(os.path.basename(path), Path(path).read_bytes()))
            except OSError as error:
                st.error(escaped(str(error)), icon=":material/error:")
    return _pair(found), shown


def _named(address: Address, side: str, paths: list[str], start: int) -> str:
    """A file of the command line; the address has its number, from 1."""
    numbers = [str(number + 1) for number in range(len(paths))]
    key = f"compare/path/{side}"
    address.options(side, numbers, key=key, start=numbers[start], what=say("file"))
    chosen = st.sidebar.selectbox(
        say("{side}, from the command line", side=side.upper()),
        numbers,
        key=key,
        on_change=acted,
        format_func=lambda number: os.path.basename(paths[int(number) - 1]),
    )
    return paths[int(chosen) - 1]


def _pair(files: list[File]) -> Pair | None:
    if len(files) < 2:
        st.info(
            say(
                "Choose two recordings (`.inspect`) in the sidebar. They may be of two inputs, of"
                " train and eval, of two versions of the code, dtypes or devices: ops are paired by"
                " where in the program they ran."
            ),
            icon=":material/compare:",
        )
        return None
    if files[0].data == files[1].data:
        st.info(say("A and B are the same recording. Choose another one for A or B."))
        return None
    try:
        return pair_of_files(files[0], files[1])
    except FileFormatError:
        for side, file in zip("AB", files, strict=True):
            if problem := _problem(file):
                st.error(f"**{side}** {escaped(problem)}", icon=":material/error:")
        return None


def _problem(file: File) -> str:
    """Why a file is no recording; empty where it is one."""
    try:
        load_bytes(file.data, file.name)
    except FileFormatError as error:
        return told(reason_of(error))
    return ""
