"""The library of recordings on its page: what is open, and what its buttons do.

Buttons act in callbacks, before the page is drawn; what the library refuses then is told on the
page drawn next.
"""

from __future__ import annotations

import hashlib
import os
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from urllib.parse import urlencode
from zoneinfo import ZoneInfo

import streamlit as st

from inspector.errors import InspectorError
from inspector.library import Entry, Library
from inspector.library.places import OFF, VARIABLE
from inspector.records import Recording
from inspector.render.thumbnail import thumbnail
from inspector_app.address import Address, acted
from inspector_app.phrases import escaped, language_query, prose, say
from inspector_app.settings import settings

ALL = "all"
"""In the place of an entry's id: the list of them."""

_SHOWN, _REFUSED, _REMOVED, _SAID = (
    f"_library_{name}" for name in ("shown", "refused", "removed", "said")
)
_UPLOADS, _FORM, _HANDED = "_library_uploads", "_library_form", "_library_handed"


@dataclass(frozen=True)
class Handed:
    """A recording's file that was uploaded on another page: its name, and what is in it."""

    name: str
    data: bytes

    def getvalue(self) -> bytes:
        """Its bytes, as of a file that was uploaded here."""
        return self.data


def offered() -> bool:
    """Whether recordings can be kept here: one folder is not for people who are strangers."""
    return os.environ.get(VARIABLE) != OFF and not settings().classroom


def library() -> Library:
    """The library of the server's user."""
    return Library(picture=thumbnail)


def show(what: str) -> None:
    """Show an entry by its id, `ALL`, or "" for an opened file: a callback."""
    acted()
    st.session_state[_SHOWN] = what
    st.session_state.pop(_HANDED, None)
    forget_form()
    if what:  # an uploaded file is put away
        st.session_state[_UPLOADS] = int(st.session_state.get(_UPLOADS, 0)) + 1
        st.session_state.pop("_file", None)


def shown(address: Address) -> str | Entry:
    """What is to be shown: an entry, `ALL`, or "" for an opened file."""
    if not offered():
        return ""
    if address.opened:
        st.session_state[_SHOWN] = address.asked.get("kept", "")
    what = str(st.session_state.get(_SHOWN, ""))
    if what in ("", ALL):
        return what
    try:
        return library().entry(what)
    except InspectorError:
        if address.opened:
            address.complain(say("the recording “{name}”", name=escaped(what)))
        st.session_state[_SHOWN] = ALL
        return ALL


def hand_over(name: str, data: bytes) -> None:
    """Have the page show a file that was uploaded on another one."""
    show("")
    st.session_state[_UPLOADS] = int(st.session_state.get(_UPLOADS, 0)) + 1
    st.session_state[_HANDED] = Handed(name, data)


def handed() -> Handed | None:
    """The file that another page handed over, until another one is chosen here."""
    found: Handed | None = st.session_state.get(_HANDED)
    return found


def uploader_key() -> str:
    """Of the field for files; a new one is empty."""
    return f"open/upload/{st.session_state.get(_UPLOADS, 0)}"


def attempt(change: Callable[[], Entry | int]) -> Entry | None:
    """Change the library; what it refuses is told by `tell`."""
    try:
        done = change()
    except InspectorError as error:
        st.session_state[_REFUSED] = error.message
        return None
    return done if isinstance(done, Entry) else None


def tell() -> None:
    """What a callback has to say, and a way back for a recording that was removed."""
    refused: str | None = st.session_state.pop(_REFUSED, None)
    if refused is not None:
        st.error(prose(refused), icon=":material/error:")
    said: str | None = st.session_state.pop(_SAID, None)
    if said is not None:
        st.toast(said, icon=":material/bookmark_added:")
    removed: Entry | None = st.session_state.get(_REMOVED)
    if removed is None:
        return
    with st.container(
        key="library-undo", border=True, horizontal=True, vertical_alignment="center"
    ):
        st.markdown(say("“{name}” is in the trash.", name=escaped(removed.name)))
        st.button(say("Undo"), icon=":material/undo:", on_click=restore, args=(removed.id,))
        st.button(
            "",
            icon=":material/close:",
            help=say("Close"),
            type="tertiary",
            key="library/undo/close",
            on_click=_forget_removed,
        )


def keep(source: bytes | Path | Recording, name: str) -> None:
    """Keep what is open and show it as kept; the same file is kept once: a callback."""
    digest = _digest(source)
    before = next((one for one in library().entries() if one.digest == digest), None)
    entry = before or attempt(lambda: library().add(source, name[:200]))
    if entry is not None:
        show(entry.id)
        st.session_state[_SAID] = (
            say("Kept as “{name}”.", name=escaped(entry.name))
            if before is None
            else say("It is kept already, as “{name}”.", name=escaped(entry.name))
        )


def remove(entry: Entry) -> None:
    """Put a recording into the trash, and offer the way back: a callback."""
    if attempt(lambda: library().remove(entry.id)) is not None:
        show(ALL)
        st.session_state[_REMOVED] = entry


def restore(id: str) -> None:
    """Take a recording out of the trash: a callback."""
    acted()
    attempt(lambda: library().restore(id))
    _forget_removed()


def pin(entry: Entry) -> None:
    """Make a recording a baseline, or no longer: a callback."""
    acted()
    attempt(lambda: library().pin(entry.id, not entry.pinned))


def empty_trash() -> None:
    """Delete what is in the trash: a callback."""
    acted()
    attempt(library().empty_trash)
    _forget_removed()


def rebuild() -> None:
    """Make again what can be: a callback."""
    acted()
    attempt(library().rebuild)


def in_form(entry: Entry) -> tuple[Entry, list[str]]:
    """An entry, and the tags to choose from, as they were when its form was opened.

    What others change meanwhile neither empties the form nor is undone by it.
    """
    before: tuple[Entry, list[str]] | None = st.session_state.get(_FORM)
    if before is None or before[0].id != entry.id:
        before = entry, tags_of((entry, *library().entries()))
        st.session_state[_FORM] = before
    return before


def tags_of(entries: Iterable[Entry]) -> list[str]:
    """The tags in use, sorted."""
    return sorted({tag for entry in entries for tag in entry.tags}, key=str.casefold)


def forget_form() -> None:
    """Open the form anew."""
    st.session_state.pop(_FORM, None)


def describe(entry: Entry, name: str, tags: list[str], note: str) -> None:
    """Write down what was changed in the form.

    Args:
        entry: as it was when the form was opened.
        name, tags, note: as they are to be.
    """
    kept = library()

    def change() -> Entry:
        if name != entry.name:
            kept.rename(entry.id, name)
        if gone := [tag for tag in entry.tags if tag not in tags]:
            kept.untag(entry.id, *gone)
        if new := [tag for tag in tags if tag not in entry.tags]:
            kept.tag(entry.id, *new)
        if note.strip() != entry.note:
            kept.note(entry.id, note)
        return kept.entry(entry.id)

    attempt(change)
    forget_form()


def comparison_link(one: Entry, other: Entry, words: str) -> str:
    """A link to the comparison of two, as Markdown; the baseline or the older one is A."""
    a, b = sorted((one, other), key=lambda entry: (not entry.pinned, entry.added))
    query = {"of": "files", "a": a.id, "b": b.id} | language_query()
    return f":material/compare: [{words}](./compare?{urlencode(query)})"


def when(entry: Entry) -> str:
    """When it was kept, by the clock of whoever looks."""
    moment = datetime.strptime(entry.added, "%Y-%m-%dT%H:%M:%S.%fZ").replace(tzinfo=UTC)
    try:
        moment = moment.astimezone(ZoneInfo(st.context.timezone or "UTC"))
    except (KeyError, ValueError):  # a zone that is not known here
        pass
    return moment.strftime("%Y-%m-%d %H:%M")


def _forget_removed() -> None:
    st.session_state.pop(_REMOVED, None)


def _digest(source: bytes | Path | Recording) -> str:
    if isinstance(source, bytes):
        return hashlib.sha256(source).hexdigest()
    if isinstance(source, Path):
        try:
            with open(source, "rb") as file:
                return hashlib.file_digest(file, "sha256").hexdigest()
        except OSError:
            return ""
    return ""
