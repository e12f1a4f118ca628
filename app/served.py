"""What the workbench's JavaScript asks the server for, under an unguessable name per recording.

    POST /inspector-data/<name>/picture         {"toggled": ["call:3"]}   ->  JSON
    POST /inspector-data/<name>/file            {"pane": "dynamic", "kind": "svg"}   ->  a file
    POST /inspector-data/<name>.zh_CN/picture   the same in another language

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
from starlette.responses import Response
from starlette.routing import BaseRoute, Route

from inspector.errors import InspectorError
from inspector.language import ENGLISH, Translate, sentence
from inspector.languages import language
from inspector.render.answers import Book, answer, drawn_file
from inspector_app.gate import base
from inspector_app.phrases import reason_of

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
_FORGOTTEN = sentence("This recording is no longer kept here. Reload the page.")
_TOO_LONG = sentence("This question is too long.")
_NO_OBJECT = sentence("A question is a JSON object.")
_BROKEN = sentence("This could not be worked out: an error of the inspector itself.")
_log = logging.getLogger(__name__)

Key = tuple[int, int, int, int, str]


class Shelf:
    """Books by name, those used last at the end."""

    def __init__(self, kept: int = KEPT) -> None:
        self._kept = kept
        self._lock = threading.Lock()
        self._books: OrderedDict[str, tuple[Key, Book]] = OrderedDict()
        self._names: dict[Key, str] = {}

    def put(self, book: Book) -> str:
        """Give a book its name: the same one for the same records, as long as it is kept."""
        # The book keeps its records alive, so that nothing else can have their ids.
        runs = id(book.recording), id(book.beside)
        key: Key = (*runs, id(book.static), id(book.overlay), book.static_reason)
        with self._lock:
            name = self._names.get(key)
            if name is None:
                name = self._names[key] = secrets.token_urlsafe(18)
                self._books[name] = (key, book)
                while len(self._books) > self._kept:
                    _, (oldest, _) = self._books.popitem(last=False)
                    del self._names[oldest]
            self._books.move_to_end(name)
            return name

    def forget(self, name: str) -> None:
        """Give the book of that name away; put again, it gets another one."""
        with self._lock:
            found = self._books.pop(name, None)
            if found is not None:
                del self._names[found[0]]

    def get(self, name: str) -> Book | None:
        """The book of that name, if it is still kept."""
        with self._lock:
            if name not in self._books:
                return None
            self._books.move_to_end(name)
            return self._books[name][1]


@st.cache_resource(show_spinner=False)
def shelf() -> Shelf:
    """The server's one shelf: shared by the sessions, as the samples' recordings are."""
    return Shelf()


def address_of(name: str, code: str = ENGLISH) -> str:
    """Where the browser asks about the book of that name, to be told in a language."""
    told = name if code == ENGLISH else f"{name}.{code}"
    return f"{base()}/{PREFIX}/{told}"


def name_in(address: str) -> str:
    """The name of the book that the browser asks about there."""
    return address.rpartition("/")[2].partition(".")[0]


def routes() -> Sequence[BaseRoute]:
    """What the app serves besides its pages."""
    return [Route(f"{base()}/{PREFIX}/{{name}}/{{question}}", _answer, methods=["POST"])]


async def _answer(request: Request) -> Response:
    name, _, code = request.path_params["name"].partition(".")
    tell = language(code)
    book = shelf().get(name)
    if book is None:
        return _refused(200, tell(_FORGOTTEN), lost=True)
    body = await _body(request)
    if body is None:
        return _refused(413, tell(_TOO_LONG))
    try:
        asked = json.loads(body or b"{}")
    except (ValueError, RecursionError):  # no JSON, or nested without end
        asked = None
    if not isinstance(asked, dict):
        return _refused(400, tell(_NO_OBJECT))
    told = book.told_in(code)
    return await run_in_threadpool(_worked_out, told, request.path_params["question"], asked, tell)


async def _body(request: Request) -> bytes | None:
    """What was sent; None where it is too long, of which no more than that is read."""
    body = bytearray()
    async for part in request.stream():
        body += part
        if len(body) > LARGEST_QUESTION:
            return None
    return bytes(body)


def _worked_out(book: Book, question: str, asked: dict[str, Any], tell: Translate) -> Response:
    try:
        if question == "file":
            data, kind = drawn_file(book, asked)
            pane = str(asked.get("pane"))
            headers = {"content-disposition": f'attachment; filename="graph-{pane}.{kind}"'}
            return Response(data, media_type=_TYPES[kind], headers=headers)
        found = json.dumps(answer(book, question, asked), allow_nan=False, separators=(",", ":"))
        return Response(found, media_type="application/json")
    except InspectorError as error:
        return _refused(200, tell(reason_of(error)))
    except Exception:
        # Whoever asks gets no traceback; whoever runs the server does.
        _log.exception("The question %r failed", question)
        return _refused(500, tell(_BROKEN))


def _refused(status: int, reason: str, **more: bool) -> Response:
    """A refusal in words. What the inspector says no to is an answer, with status 200."""
    # All in ASCII: a reason can repeat half a character (a lone surrogate) of what was asked.
    said = json.dumps({"error": reason, **more})
    return Response(said, status_code=status, media_type="application/json")
