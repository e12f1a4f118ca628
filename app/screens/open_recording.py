"""Recordings: a file from disk, those named on the command line, and those that are kept."""

from __future__ import annotations

import hashlib
import os
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import streamlit as st

import inspector
from inspector.errors import FileFormatError, InspectorError
from inspector.language import sentence
from inspector.library import Entry
from inspector.records import Recording
from inspector.store import load_bytes
from inspector_app import librarydesk as desk
from inspector_app.address import Address, write_some
from inspector_app.component import Place, look_anew, workbench
from inspector_app.parts import BANNER, failure_banner, headline
from inspector_app.phrases import escaped, reason_of, say, told, working
from inspector_app.runs import Run
from inspector_app.screens import library_about, library_cards, ranks
from inspector_app.screens.tables import tables
from inspector_app.settings import settings

FILES_VARIABLE = "INSPECTOR_FILES"
"""Set by `python -m inspector view`: paths, separated like PATH."""

_ABOVE = 136
"""Px above the graph: the headline."""

KEPT = 8
"""Opened files in the server's memory, for all sessions together."""


def page() -> None:
    """The page."""
    address = Address("open")
    named = [name for name in os.environ.get(FILES_VARIABLE, "").split(os.pathsep) if name]
    what = desk.shown(address)
    uploads = st.sidebar.file_uploader(
        say("Recording, or the files of several ranks"),
        type=["inspect"],
        accept_multiple_files=True,
        key=desk.uploader_key(),
        on_change=desk.show,
        args=("",),
    )
    readable = _readable(uploads) if what == "" else []
    side_by_side = ranks.wanted(address, readable, named, what)
    if side_by_side:
        desk.tell()
        _show_ranks(address, side_by_side, what)
        return
    upload, run = _one_of(readable) if readable else (desk.handed(), None)
    chosen = _chosen(address, named) if named else None
    library_cards.style()
    desk.tell()
    if isinstance(what, Entry):
        address.tell()
        _show_kept(address, what)
        return
    opened = None if what == desk.ALL else _opened(upload, run, chosen)
    if opened is None:
        _list(address, what if named else "")
    else:
        address.tell()
        _show_file(address, opened, upload, chosen, named)


def _readable(uploads: Sequence[Any]) -> list[tuple[Any, Run]]:
    """The uploaded files that can be read, as they came; of the others it is said why not."""
    found = []
    for upload in uploads:
        try:
            found.append((upload, _read(upload.name, upload.getvalue())))
        except FileFormatError as error:
            st.error(escaped(told(reason_of(error))), icon=":material/error:")
    return found


def _one_of(readable: Sequence[tuple[Any, Run]]) -> tuple[Any, Run]:
    """The uploaded file that is shown: the one that came last, until another is chosen."""
    if len(readable) == 1:
        return readable[0]
    files = [upload for upload, _ in readable]
    number = st.sidebar.selectbox(
        say("Uploaded file"),
        range(len(files)),
        index=len(files) - 1,
        format_func=lambda number: files[number].name,
        key=f"uploaded/{files[-1].file_id}",
    )
    return readable[number]


def _show_ranks(address: Address, sources: list[ranks.Source], what: str | Entry) -> None:
    """The ranks of a run, or why one of them cannot be read."""
    address.tell()
    opened = []
    for name, source in sources:
        try:
            opened.append((name, _read(name, source)))
        except (FileFormatError, OSError) as error:
            st.error(escaped(told(reason_of(error))), icon=":material/error:")
            return
    shown = {"ranks": "1"}
    if isinstance(what, Entry):
        shown["kept"] = what.id
        with st.sidebar:
            library_about.back()
    else:
        ranks.offer_to_keep(sources)
    ranks.show(address, opened, shown)


def _read(name: str, source: bytes | Path) -> Run:
    if isinstance(source, bytes):
        return _from_bytes(hashlib.sha256(source).hexdigest(), source, name)
    state = os.stat(source)
    return _from_path(str(source), state.st_mtime_ns, state.st_size)


def _list(address: Address, what: str) -> None:
    """What is kept, and how to get a recording."""
    if not desk.offered():
        address.tell()
        _welcome()
        return
    st.markdown(f"#### {say('Recordings')}")
    top = st.container()
    listed = library_cards.library_list(address)
    with top:
        address.tell()
    address.write(kept=what or None, **listed)
    _welcome()


def _show_kept(address: Address, entry: Entry) -> None:
    """A recording of the library."""
    library_about.beside(entry)
    try:
        run = _read(entry.name, desk.library().path(entry.id))
    except (InspectorError, OSError) as error:
        address.write(kept=entry.id)
        st.error(escaped(told(reason_of(error))), icon=":material/error:")
        return
    _draw(address, entry.name, run, {"kept": entry.id})


def _show_file(
    address: Address, opened: tuple[str, Run], upload: Any, chosen: str | None, named: list[str]
) -> None:
    """A file that was uploaded or named on the command line; it can be kept."""
    name, run = opened
    if desk.offered():
        source: bytes | Path | Recording = run.recording
        if upload is not None and upload.name == name:
            source = upload.getvalue()
        elif chosen is not None and os.path.basename(chosen) == name:
            source = Path(chosen)
        with st.sidebar:
            library_about.back()
            st.button(
                say("Keep this recording"),
                icon=":material/bookmark_add:",
                width="stretch",
                on_click=desk.keep,
                args=(source, name.removesuffix(".inspect")),
            )
    # An uploaded file has no name that an address could open again.
    shown = {"file": _names(named).get(chosen, "")} if chosen and upload is None else {}
    _draw(address, name, run, shown)


def _draw(address: Address, name: str, run: Run, shown: dict[str, str]) -> None:
    """The workbench of a recording; `shown` is what the address says of it."""
    if address.opened:
        look_anew()
    same = all(address.asked.get(key, value) == value for key, value in shown.items())
    place = Place.of_address(address.asked) if same else Place()
    address.write(**shown, **place.as_address())
    model = escaped(str(run.recording.meta.get("model", say("a block of code"))))
    headline(escaped(name), say("Model: {model}", model=model), run, previous=None)
    failure_banner(run.recording)
    if run.recording.failure is not None:
        st.html(f"<style>:root {{ --wb-above: {_ABOVE + BANNER}px }}</style>")
    _show(run, name, place)


def _names(paths: list[str]) -> dict[str, str]:
    """Path -> what an address calls it: its name, with its number where several have the same."""
    plain = [os.path.basename(path) for path in paths]
    return {
        path: name if plain.count(name) == 1 else f"{number + 1}-{name}"
        for number, (path, name) in enumerate(zip(paths, plain, strict=True))
    }


def _chosen(address: Address, paths: list[str]) -> str:
    """Which of the files named on the command line is shown."""
    by_name = {name: path for path, name in _names(paths).items()}
    names = list(by_name)
    address.options("file", names, key="file", start=names[0], what=say("file"))
    label = say("From the command line")
    return by_name[
        str(st.sidebar.selectbox(label, names, key="file", on_change=desk.show, args=("",)))
    ]


def _opened(upload: Any, run: Run | None, path: str | None) -> tuple[str, Run] | None:
    """The recording to show; a file that can't be read leaves the one shown before.

    Args:
        upload: the file from the browser, if that is shown.
        run: what is in it, where it was read already.
        path: the file named on the command line.
    """
    try:
        if upload is not None:
            run = run or _read(upload.name, upload.getvalue())
            st.session_state["_file"] = (upload.name, run)
        elif path is not None:
            st.session_state["_file"] = (os.path.basename(path), _read(path, Path(path)))
    except (FileFormatError, OSError) as error:
        st.error(escaped(told(reason_of(error))), icon=":material/error:")
    found: tuple[str, Run] | None = st.session_state.get("_file")
    return found


@working(sentence("Reading the recording …"))
@st.cache_resource(max_entries=KEPT, show_spinner=False)
def _from_bytes(digest: str, _data: bytes, _name: str) -> Run:
    """An uploaded file, once for all sessions that upload the same bytes."""
    return _run(load_bytes(_data, _name, settings().most_records))


@working(sentence("Reading the recording …"))
@st.cache_resource(max_entries=KEPT, show_spinner=False)
def _from_path(path: str, changed_ns: int, size: int) -> Run:
    """A file on the server's disk, read anew when it changes."""
    return _run(inspector.load(path))


def _run(recording: Recording) -> Run:
    reason = sentence("A recording file holds what ran. Its TorchScript is not part of it.")
    return Run(recording, None, None, reason)


def _welcome() -> None:
    st.markdown(say("### Open a recording"))
    st.markdown(
        say(
            "Choose a `.inspect` file in the sidebar. You get one from the page *Explore a model*"
            " (tab *Save*), from your own code, or from a script as it is:"
        )
    )
    st.code(
        "import inspector\n\n"
        'recording = inspector.record(model, x, loss="sum")\n'
        'recording.save("run.inspect")',
        language="python",
    )
    st.code("python -m inspector record -o run.inspect train.py --its --own arguments", "bash")


@st.fragment
def _show(run: Run, key: str, place: Place) -> None:
    now = workbench(run.book, key=f"file/{key}/{id(run)}", place=place)
    write_some(**now.as_address())
    tables(run, key.removesuffix(".inspect"), now.selected)
