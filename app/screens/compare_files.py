"""Choosing two recording files: uploaded, named on the command line, or kept."""

from __future__ import annotations

import os
from dataclasses import dataclass
from pathlib import Path

import streamlit as st

from inspector.errors import FileFormatError, InspectorError
from inspector.library import Entry
from inspector.store import load_bytes
from inspector_app import librarydesk as desk
from inspector_app.address import Address, acted
from inspector_app.pairruns import File, Pair, pair_of_files
from inspector_app.phrases import escaped, reason_of, say, told
from inspector_app.settings import settings

FILES_VARIABLE = "INSPECTOR_FILES"
"""Set by `python -m inspector view`: paths, separated like PATH."""


@dataclass(frozen=True)
class _Known:
    """A recording that can be chosen without an upload: its name, and where it is."""

    name: str
    path: Path


def choose_files(address: Address) -> tuple[Pair | None, dict[str, str]]:
    """The runs of the two files chosen in the sidebar, and what the address says of them.

    What is missing, or is no recording, is said on the page; then there is no pair.
    """
    named = [name for name in os.environ.get(FILES_VARIABLE, "").split(os.pathsep) if name]
    kept = desk.library().entries() if desk.offered() else ()
    known = {
        str(at): _Known(os.path.basename(path), Path(path)) for at, path in enumerate(named, 1)
    }
    starts = [str(min(place, len(named))) for place in (1, 2)]
    if not named:
        starts = [next((entry.id for entry in kept if entry.pinned), ""), ""]
    found: list[File] = []
    shown: dict[str, str] = {}
    for side, start in zip("ab", starts, strict=True):
        upload = st.sidebar.file_uploader(
            say("Recording {side}", side=side.upper()), type=["inspect"], key=f"compare/file/{side}"
        )
        if upload is not None:
            found.append(File(upload.name, upload.getvalue()))
        elif known or kept:
            chosen = _chosen(address, side, known, kept, start)
            if chosen:
                shown[side] = chosen
                found += _read(known, chosen)
    return _pair(found), shown


def _chosen(
    address: Address, side: str, known: dict[str, _Known], kept: tuple[Entry, ...], start: str
) -> str:
    """A file of the command line, by its number from 1, or a kept one by its id; "" for none."""
    names = {at: one.name for at, one in known.items()}
    names |= {entry.id: entry.name for entry in kept}
    label = say("{side}, from the command line", side=side.upper())
    if not known:
        names = {"": "–"} | names
        label = say("{side}, of those that are kept", side=side.upper())
    elif kept:
        label = say("{side}, from the command line or kept", side=side.upper())
    key = f"compare/path/{side}"
    address.options(side, list(names), key=key, start=start, what=say("file"))
    chosen = st.sidebar.selectbox(
        label, list(names), key=key, on_change=acted, format_func=lambda at: names[at]
    )
    return str(chosen)


def _read(known: dict[str, _Known], chosen: str) -> list[File]:
    """The file that was chosen; none where it can't be read, which is said."""
    try:
        one = known.get(chosen)
        if one is None:
            library = desk.library()
            one = _Known(library.entry(chosen).name, library.path(chosen))
        return [File(one.name, one.path.read_bytes())]
    except (InspectorError, OSError) as error:
        st.error(escaped(told(reason_of(error))), icon=":material/error:")
        return []


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
        load_bytes(file.data, file.name, settings().most_records)
    except FileFormatError as error:
        return told(reason_of(error))
    return ""
