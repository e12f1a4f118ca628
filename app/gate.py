"""What is asked of each request before Streamlit sees it: by which name, who, and how much.

A browser lets a page of another site ask this server once that site's name leads here ("DNS
rebinding"): to browser and server it is then the same site. So the server of one's own machine
answers only by names that are no other site's. And what Streamlit hands out or takes in by an
address of its own, it gives to whoever has that address: where people sign in, only to who has.
"""

from __future__ import annotations

import ipaddress
import json
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager
from http import HTTPStatus
from urllib.parse import urlsplit

import streamlit as st
from starlette.requests import HTTPConnection
from starlette.responses import PlainTextResponse, Response
from starlette.types import ASGIApp, Receive, Scope, Send
from streamlit import config, runtime

from inspector.language import ENGLISH, Sentence, sentence
from inspector.languages import language
from inspector_app.settings import settings
from inspector_app.signing import CALLBACK, language_of, leading_back, sign_in, signed_in

OF_WHO_SIGNED_IN = ("inspector-data/", "media/", "_stcore/upload_file/")
"""Below the base path: what goes by a name that only a session was told."""

SIGNING_IN = ("auth/login", "auth/logout", CALLBACK)

METRICS = "_stcore/metrics"
"""Figures of the server: whoever asks has all that it remembers walked through."""

UPLOADS_EACH = 3
"""Times the size of one upload that a session's uploads may have together."""

UPLOADED_TOGETHER = 2**30
"""Bytes of all sessions' uploads."""

_FULL = sentence("There are as many people here as this server has room for. Come back later.")
_SIGN_IN = sentence("Sign in first: reload the page.")
_NO_SIZE = sentence("An upload says its size first.")
_MUCH = sentence(
    "Your uploads are larger than this server keeps for one session. Remove some of them."
)
_TOGETHER = sentence("The uploads of all who are here take all the room there is. Try it later.")
_NOT_HERE = sentence("There is nothing here.")


class Gate:
    """The outermost layer of the app: `st.App(…, middleware=[Middleware(Gate)])`.

    Args:
        app: what answers what is let through.
    """

    def __init__(self, app: ASGIApp) -> None:
        self._app = app
        self._open = 0
        self._coming: Counter[str] = Counter()  # session -> bytes of uploads under way

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Let a request through, or refuse it with a sentence."""
        if scope["type"] not in ("http", "websocket"):
            await self._app(scope, receive, send)
            return
        asking = HTTPConnection(scope)
        refusal = self._refusal(asking)
        if refusal is None:
            with self._counted(asking):
                await self._app(scope, receive, _sending(asking, send))
        elif scope["type"] == "websocket":
            await send({"type": "websocket.close", "code": 1008})  # the handshake ends with 403
        else:
            await _said(asking, *refusal)(scope, receive, send)

    def _refusal(self, asking: HTTPConnection) -> tuple[HTTPStatus, Sentence] | None:
        known, path = settings(), _path(asking)
        if not known.classroom and not goes_by(asking.headers.get("host", "")):
            return HTTPStatus.MISDIRECTED_REQUEST, _name_refused(asking.headers["host"])
        if known.classroom and path == METRICS:
            return HTTPStatus.NOT_FOUND, _NOT_HERE
        if path.startswith(OF_WHO_SIGNED_IN) and sign_in() and not signed_in(asking):
            return HTTPStatus.UNAUTHORIZED, _SIGN_IN
        if known.sessions is not None and self._open >= known.sessions and _enters(asking):
            return HTTPStatus.SERVICE_UNAVAILABLE, _FULL
        if known.upload_mb is not None and _uploads(asking):
            return self._upload_refused(asking, known.upload_mb << 20)
        return None

    def _upload_refused(
        self, asking: HTTPConnection, one: int
    ) -> tuple[HTTPStatus, Sentence] | None:
        session, size = _session_of(asking), _size_of(asking)
        if size is None:
            return HTTPStatus.LENGTH_REQUIRED, _NO_SIZE
        held = _uploaded()
        if held[session] + self._coming[session] + size > UPLOADS_EACH * one:
            return HTTPStatus.REQUEST_ENTITY_TOO_LARGE, _MUCH
        if held.total() + self._coming.total() + size > UPLOADED_TOGETHER:
            return HTTPStatus.INSUFFICIENT_STORAGE, _TOGETHER
        return None

    @contextmanager
    def _counted(self, asking: HTTPConnection) -> Iterator[None]:
        """While it is answered, an open page or an upload is one of those there are."""
        pages = int(asking.scope["type"] == "websocket")
        session, size = _session_of(asking), (_size_of(asking) or 0) * _uploads(asking)
        self._open += pages
        self._coming[session] += size
        try:
            yield
        finally:
            self._open -= pages
            self._coming[session] -= size
            if self._coming[session] <= 0:
                del self._coming[session]


def base() -> str:
    """Where the app is served, as "/inspector"; "" at the top."""
    path = str(st.get_option("server.baseUrlPath") or "").strip("/")
    return f"/{path}" if path else ""


def below_base(path: str) -> str:
    """The part of an address's path that is the app's own, without a slash before it."""
    return path.removeprefix(base()).lstrip("/")


def goes_by(host: str) -> bool:
    """Whether the server of one's own machine goes by this name.

    It does by an address, by a name without a dot, which no site has, and by those it was started
    with.

    Args:
        host: as a browser says it, with or without a port; "" from what is no browser.
    """
    try:
        name = (urlsplit(f"//{host}").hostname or "").rstrip(".")
    except ValueError:
        return False
    if "." not in name and ":" not in name:
        return True
    try:
        ipaddress.ip_address(name)
    except ValueError:
        return name.endswith(".localhost") or name in _own_names()
    return True


def _own_names() -> set[str | None]:
    told = [config.get_option("browser.serverAddress"), config.get_option("server.address")]
    addresses = [*config.get_option("server.corsAllowedOrigins"), sign_in().get("redirect_uri", "")]
    return {*told, *(urlsplit(str(address)).hostname for address in addresses)}


def _name_refused(host: str) -> Sentence:
    return sentence(
        "This server does not go by the name “{name}”. Open it by its number or as localhost, or "
        "start it with --browser.serverAddress and that name.",
        name=host[:80],
    )


def _path(asking: HTTPConnection) -> str:
    return below_base(str(asking.scope["path"]))


def _enters(asking: HTTPConnection) -> bool:
    """Whether it opens a page: what belongs to a page that is open already goes on."""
    if asking.scope["type"] == "websocket":
        return True
    return _path(asking) == "" or asking.headers.get("sec-fetch-dest") == "document"


def _sending(asking: HTTPConnection, send: Send) -> Send:
    path = _path(asking)
    if path not in SIGNING_IN:
        return send
    return leading_back(asking, path, f"{base()}/", send)


def _uploads(asking: HTTPConnection) -> bool:
    return asking.scope.get("method") == "PUT" and _path(asking).startswith("_stcore/upload_file/")


def _session_of(asking: HTTPConnection) -> str:
    return (_path(asking).split("/") + [""] * 3)[2]


def _size_of(asking: HTTPConnection) -> int | None:
    said = asking.headers.get("content-length", "")
    return int(said) if said.isascii() and said.isdigit() and len(said) < 16 else None


def _uploaded() -> Counter[str]:
    """Session -> bytes that it has uploaded and Streamlit keeps."""
    kept = getattr(runtime.get_instance().uploaded_file_mgr, "file_storage", {})
    return Counter(
        {
            session: sum(len(file.data) for file in list(files.values()))
            for session, files in list(kept.items())
        }
    )


def _said(asking: HTTPConnection, status: HTTPStatus, reason: Sentence) -> Response:
    """A refusal in the language that the browser asks for."""
    said = language(language_of(asking) or ENGLISH)(reason)
    if _path(asking).startswith("inspector-data/"):
        told = json.dumps({"error": said})
        return Response(told, status_code=status, media_type="application/json")
    return PlainTextResponse(said, status_code=status)
