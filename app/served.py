"""What the workbench's JavaScript asks the server for, under an unguessable name per recording.

    POST /inspector-data/<name>/picture   {"toggled": ["call:3"]}   ->  JSON
    POST /inspector-data/<name>/file      {"pane": "dynamic", "kind": "svg"}   ->  a file

A recording can be asked about only by who was given its name. The ones used last are kept; of one
that was forgotten the page is told so, and registers it anew.
"""

from __future__ import annotations

import json
import logging
import secrets
import threading
from collections import OrderedDict
from collections.abc import Sequence
from typing import Any

import streamlit as st
from starlette.concurrency import run_in_threadpool
from starlette.requests import Request
from starlette.responses import JSONResponse, Response
from starlette.routing import BaseRoute, Route

from inspector.errors import InspectorError
from inspector.render.answers import Book, answer, drawn_file

PREFIX = "inspector-data"
KEPT = 24
"""Recordings that can be asked about at the same time, for all sessions together."""

LARGEST_QUESTION = 1_000_000
"""Bytes."""

_TYPES = {
    "svg": "image/svg+xml",
    "png": "image/png",
    "pdf": "application/pdf",
    "dot": "text/vnd.graphviz",
}
_log = logging.getLogger(__name__)


class Shelf:
    """Books by name and by what they are of, those used last at the end."""

    def __init__(self, kept: int = KEPT) -> None:
        self._kept = kept
        self._lock = threading.Lock()
        self._books: OrderedDict[str, Book] = OrderedDict()
        self._names: dict[str, str] = {}

    def put(self, key: str, book: Book) -> str:
        """Give a book its name; the same one as long as it is the same key and recording."""
        with self._lock:
            name = self._names.get(key)
            known = None if name is None else self._books.get(name)
            if name is not None and known is not None and _same(known, book):
                self._books.move_to_end(name)
                return name
            name = secrets.token_urlsafe(18)
            self._names[key], self._books[name] = name, book
            while len(self._books) > self._kept:
                forgotten, _ = self._books.popitem(last=False)
                self._names = {k: n for k, n in self._names.items() if n != forgotten}
            return name

    def get(self, name: str) -> Book | None:
        """The book of that name, if it is still kept."""
        with self._lock:
            found = self._books.get(name)
            if found is not None:
                self._books.move_to_end(name)
            return found


def _same(one: Book, other: Book) -> bool:
    return (
        one.recording is other.recording
        and one.static is other.static
        and one.overlay is other.overlay
        and one.static_reason == other.static_reason
    )


@st.cache_resource(show_spinner=False)
def shelf() -> Shelf:
    """The server's one shelf: shared by the sessions, as the samples' recordings are."""
    return Shelf()


def address_of(name: str) -> str:
    """Where the browser asks about the book of that name."""
    base = str(st.get_option("server.baseUrlPath") or "").strip("/")
    return "/".join(["", *([base] if base else []), PREFIX, name])


def routes() -> Sequence[BaseRoute]:
    """What the app serves besides its pages."""
    return [Route(f"/{PREFIX}/{{name}}/{{question}}", _answer, methods=["POST"])]


async def _answer(request: Request) -> Response:
    book = shelf().get(request.path_params["name"])
    if book is None:
        return _refused(404, "This recording is no longer kept here. Reload the page.")
    body = await request.body()
    if len(body) > LARGEST_QUESTION:
        return _refused(413, "This question is too long.")
    try:
        asked = json.loads(body or b"{}")
        if not isinstance(asked, dict):
            return _refused(400, "A question is a JSON object.")
        return await run_in_threadpool(_worked_out, book, request.path_params["question"], asked)
    except ValueError:
        return _refused(400, "A question is a JSON object.")


def _worked_out(book: Book, question: str, asked: dict[str, Any]) -> Response:
    try:
        if question == "file":
            data, kind = drawn_file(book, asked)
            pane = str(asked.get("pane"))
            headers = {"content-disposition": f'attachment; filename="graph-{pane}.{kind}"'}
            return Response(data, media_type=_TYPES[kind], headers=headers)
        found = json.dumps(answer(book, question, asked), allow_nan=False, separators=(",", ":"))
        return Response(found, media_type="application/json")
    except InspectorError as error:
        return _refused(422, str(error))
    except Exception:
        # Whoever asks gets no traceback; whoever runs the server does.
        _log.exception("The question %r failed", question)
        return _refused(500, "This could not be worked out: an error of the inspector itself.")


def _refused(status: int, reason: str) -> Response:
    return JSONResponse({"error": reason}, status_code=status)
