"""A code editor as a Streamlit component: Ace, from the files of the installed package django-ace.

Nothing of it is copied here and nothing comes from another server: a route hands out the few files
that are needed, and Python gets the text back when the typing rests, at a click elsewhere, and at
Ctrl+Enter. What is typed stays in the browser's editor however often the page runs; it is replaced
only by another `code` or `document`, or after `start_anew`. The browser's tab keeps it, too: a
message that is lost on its way, or a reload, loses no work.

One page has one editor for all its documents: Streamlit keeps a component that gives way to one of
another key in the page until the run has ended, so there would be two, one of them lost.
"""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Mapping, Sequence
from functools import cache, partial
from importlib.util import find_spec
from pathlib import Path

import streamlit as st
from starlette.requests import Request
from starlette.responses import FileResponse, Response
from starlette.routing import BaseRoute, Route

from inspector_app.gate import base
from inspector_app.phrases import say

PREFIX = "inspector-editor"
FILES = (
    "ace.js",
    "mode-python.js",
    "theme-github_dark.js",
    "theme-github_light_default.js",
    "ext-searchbox.js",
)
"""Of Ace, for Python: the only files that are handed out."""

_FOLDER = Path(__file__).parent / "assets"

_mount = st.components.v2.component(
    "inspector_editor",
    css=(_FOLDER / "editor.css").read_text(encoding="utf-8"),
    js=(_FOLDER / "editor.js").read_text(encoding="utf-8"),
)


def editor(
    code: str,
    *,
    key: str,
    document: str = "",
    typed: str | None = None,
    height: str = "320px",
    errors: Mapping[int, str] | None = None,
    label: str = "",
    read_only: bool = False,
    on_edit: Callable[[str, str], None] | None = None,
    on_run: Callable[[], None] | None = None,
) -> str:
    """Show an editor of Python code.

    Args:
        code: what stands in it at first. Another text replaces what was typed.
        key: of the component.
        document: which of the page's texts it is. Another one replaces what was typed, too.
        typed: what was typed into it since, as far as the page knows: a browser that has to make
            its editor anew, because something came onto the page above it, goes on with this.
        height: a length of CSS.
        errors: line, counted from 1, and what is wrong with it; gone once something is typed.
        label: what is edited, for screen readers.
        read_only: nothing can be typed, and nothing run.
        on_edit: called with a document and its text, before the page runs again, when something
            was typed: it may be of the document that was shown before.
        on_run: called before the page runs again when Ctrl+Enter was pressed.

    Returns:
        The text as it stands in the editor.
    """
    versions = _versions(key)
    whole = "\0".join([str(st.session_state.get(_number_key(key), 0)), document, code])
    version = hashlib.sha256(whole.encode("utf-8", "replace")).hexdigest()[:16]
    versions[document] = version
    result = _mount(
        key=key,
        data={
            "code": code,
            "typed": code if typed is None else typed,
            "version": version,
            "document": f"{key}/{document}",
            "height": height,
            "errors": [[line, text] for line, text in sorted((errors or {}).items())],
            "files": _address(),
            "label": label or say("Python code"),
            "messages": _messages(),
            "readOnly": read_only,
        },
        default={"text": None},
        on_text_change=partial(_heard, key, on_edit) if on_edit is not None else _nothing,
        on_run_change=on_run or _nothing,
    )
    told = result.text
    if not read_only and isinstance(told, Mapping) and told.get("version") == version:
        return str(told.get("text", ""))
    return code


def start_anew(key: str) -> None:
    """Have the editor of that key show its `code` again, whatever was typed."""
    st.session_state[_number_key(key)] = st.session_state.get(_number_key(key), 0) + 1
    _versions(key).clear()  # what is still on its way from the browser is typed no more


def routes() -> Sequence[BaseRoute]:
    """What serves the editor's files."""
    return [Route(f"{base()}/{PREFIX}/{{version}}/{{name}}", _file)]


def _number_key(key: str) -> str:
    return f"_editor_{key}"


def _versions(key: str) -> dict[str, str]:
    """Document -> the version of it that the browser was given last."""
    found: dict[str, str] = st.session_state.setdefault(f"_editor_versions_{key}", {})
    return found


def _heard(key: str, on_edit: Callable[[str, str], None]) -> None:
    """Pass on what was typed, by the document whose version the browser had."""
    told = st.session_state[key].text
    if not isinstance(told, Mapping):
        return
    for document, version in _versions(key).items():
        if told.get("version") == version:
            on_edit(document, str(told.get("text", "")))


def _nothing() -> None:
    """A state of the component needs a callback to be sent."""


def _address() -> str:
    """Where the browser finds the files; another version of them is at another address."""
    return f"{base()}/{PREFIX}/{_version()}"


def _messages() -> dict[str, str]:
    """What Ace tells screen readers, by its own names for it."""
    leave = say("Editor content, press Enter to start editing, press Escape to exit")
    gutter = say("Line numbers and errors, press Enter to read them, press Escape to exit")
    return {
        "editor.scroller.aria-roledescription": say("editor"),
        "editor.scroller.aria-label": leave,
        "editor.gutter.aria-roledescription": say("line numbers"),
        "editor.gutter.aria-label": gutter,
        "text-input.aria-roledescription": say("editor"),
        "text-input.aria-label": say("Cursor at row {row}", row="$0"),
        "editor.tooltip.disable-editing": say("This code can only be read here"),
        "gutter.annotation.aria-label.error": say("Error in row {row}", row="$0"),
        **{f"search-box.{name}": text for name, text in _search_messages().items()},
    }


def _search_messages() -> dict[str, str]:
    return {
        "find.placeholder": say("Search for"),
        "find-all.text": say("All"),
        "replace.placeholder": say("Replace with"),
        "replace-next.text": say("Replace"),
        "replace-all.text": say("All"),
        "toggle-replace.title": say("Toggle replace mode"),
        "toggle-regexp.title": say("Regular expression search"),
        "toggle-case.title": say("Case-sensitive search"),
        "toggle-whole-word.title": say("Whole-word search"),
        "toggle-in-selection.title": say("Search in selection"),
        "search-counter": say("{at} of {count}", at="$0", count="$1"),
    }


@cache
def ace_folder() -> Path | None:
    """The folder of Ace's files, if the package is installed. It is not imported."""
    spec = find_spec("django_ace")
    for place in (spec.submodule_search_locations or []) if spec is not None else []:
        folder = Path(place) / "static" / "django_ace" / "ace"
        if (folder / FILES[0]).is_file():
            return folder
    return None


@cache
def _version() -> str:
    folder = ace_folder()
    if folder is None:
        return "none"
    return hashlib.sha256((folder / FILES[0]).read_bytes()).hexdigest()[:16]


async def _file(request: Request) -> Response:
    folder, name = ace_folder(), request.path_params["name"]
    if folder is None or name not in FILES:
        return Response("There is no such file.", status_code=404, media_type="text/plain")
    return FileResponse(
        folder / name,
        media_type="text/javascript",
        headers={"cache-control": "public, max-age=31536000, immutable"},
    )
