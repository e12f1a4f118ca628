"""Signing in by OpenID Connect: what Streamlit's `st.login` leaves open, before and after it.

A secrets file that cannot be read would leave every page open, so it stops the server. A service
that does not answer, or does not confirm who somebody is, brings them back to the page that asks,
which says so. Who signs in comes back to where they were, and not to the first page.
"""

from __future__ import annotations

import importlib.util
import json
import re
from collections.abc import Mapping
from pathlib import Path
from urllib.parse import parse_qs, parse_qsl, quote, unquote, urlencode

import streamlit as st
from starlette.requests import HTTPConnection
from starlette.types import Message, Send
from streamlit import config
from streamlit.auth_util import get_cookie_with_chunks, get_origin_from_redirect_uri
from streamlit.web.server.server_util import get_cookie_secret
from streamlit.web.server.starlette.starlette_app_utils import decode_signed_value

from inspector.errors import InspectorError
from inspector.language import code_of, sentence

IDENTITY = "_streamlit_user"
"""Streamlit's cookie that says who has signed in."""

CALLBACK = "oauth2callback"
"""Where the sign-in service leads back to."""

_CAME_FROM = "_inspector_came_from"
"""Our cookie that keeps, while somebody is at the service, from where they went there."""

_LONGEST_ADDRESS = 1500
_PLAIN_ADDRESS = re.compile(r"/(?![/\\])[!-~]*")
"""A path with its query on this server: "//other.example.org" would lead to another one."""

TRIED = "signin"
"""Of the address: what came of trying to sign in, if nothing did; one of `TROUBLE`."""

TROUBLE = {
    "unreachable": sentence(
        "The sign-in service does not answer. Try again in a minute; if it stays so, tell "
        "whoever runs this server."
    ),
    "refused": sentence(
        "You are not signed in: the sign-in service did not confirm who you are. Try again; if it "
        "stays so, tell whoever runs this server."
    ),
}

_NEEDED = ("redirect_uri", "cookie_secret", "client_id", "client_secret", "server_metadata_url")
_SHORTEST_SECRET = 32


def sign_in() -> Mapping[str, object]:
    """What `[auth]` of secrets.toml says; empty where nobody needs to sign in."""
    return dict(st.secrets.get("auth", {})) if st.secrets.load_if_toml_exists() else {}


def check_sign_in() -> None:
    """Look whether people can sign in where they have to.

    Raises:
        InspectorError: there are secrets that cannot be read, or something is missing or wrong in
            their `[auth]`.
    """
    for path in config.get_option("secrets.files"):
        if Path(path).exists() and not st.secrets.load_if_toml_exists():
            raise InspectorError(
                sentence("{path} cannot be read: it is no TOML, or a line is wrong.", path=path)
            )
    auth = sign_in()
    if not auth:
        return
    if importlib.util.find_spec("authlib") is None:
        raise InspectorError(
            sentence("Signing in needs Authlib: `pip install 'torch-graph-inspector[classroom]'`.")
        )
    services = [dict(auth), *(dict(one) for one in auth.values() if isinstance(one, Mapping))]
    values = {name: str(value) for one in services for name, value in one.items()}
    for name in _NEEDED:
        if "REPLACE" in values.get(name, "REPLACE"):
            raise InspectorError(
                sentence("`{name}` is missing in [auth] of the server's secrets.", name=name)
            )
    if len(values["cookie_secret"]) < _SHORTEST_SECRET:
        raise InspectorError(
            sentence(
                "`cookie_secret` in [auth] is shorter than {count} characters: it could be "
                "guessed, and anybody could sign in as anybody.",
                count=_SHORTEST_SECRET,
            )
        )


def signed_in(asking: HTTPConnection) -> bool:
    """Whether who asks has signed in here: by Streamlit's own cookie, judged as Streamlit does.

    The cookie names the site that it was made for. One that was copied from another site, where the
    same secret signs, holds as little here as on the pages.
    """
    secret, cookies = get_cookie_secret(), asking.cookies

    def part(name: str) -> bytes | None:
        return decode_signed_value(secret, name, cookies.get(name, ""))

    try:
        who = json.loads(get_cookie_with_chunks(part, IDENTITY) or b"{}")
    except ValueError:
        return False
    # Of a download, browsers do not say from where it is asked for.
    origin = asking.headers.get("origin") or get_origin_from_redirect_uri()
    mine = isinstance(who, dict) and origin is not None and who.get("origin") == origin
    return mine and who.get("is_logged_in") is True


def language_of(asking: HTTPConnection) -> str | None:
    """The language that a browser asks for, if it is one of ours."""
    return code_of(asking.headers.get("accept-language", "").partition(",")[0].partition(";")[0])


def leading_back(asking: HTTPConnection, path: str, home: str, send: Send) -> Send:
    """Send an answer of Streamlit's sign-in, which would lead to the first page in any case.

    It leads back to the page from where somebody went to sign in or out, in its language. One
    without success leads to the page that asks, which says so.

    Args:
        asking: what is answered.
        path: its path below the base.
        home: the address of the first page.
        send: where the answer goes.
    """
    back = False

    async def told(message: Message) -> None:
        nonlocal back
        if message["type"] == "http.response.start":
            trouble, here = _trouble(asking, path, message), _came_from(asking, path, home)
            location = dict(message["headers"]).get(b"location")
            back = bool(trouble) or location == home.encode()
            if back:
                message = _leading(message, _address(asking, here or home, trouble))
            elif here:
                message = {**message, "headers": [*message["headers"], _kept(here, home)]}
        elif back and message["type"] == "http.response.body":
            message = {"type": "http.response.body"}
        await send(message)

    return told


def _came_from(asking: HTTPConnection, path: str, home: str) -> str:
    """The address on this server from where somebody went to sign in or out; "" if not known."""
    if path == CALLBACK:  # back from the service
        here = unquote(asking.cookies.get(_CAME_FROM, ""))
    else:
        site, _, rest = asking.headers.get("referer", "").partition("://")[2].partition("/")
        here = f"/{rest}" if site == asking.headers.get("host") else ""
    whole = here.startswith(home) and len(here) <= _LONGEST_ADDRESS
    return here if whole and _PLAIN_ADDRESS.fullmatch(here) else ""


def _kept(here: str, home: str) -> tuple[bytes, bytes]:
    """The header that has a browser keep an address while it is at the service."""
    value = f"{_CAME_FROM}={quote(here, safe='')}; Path={home}; Max-Age=900; HttpOnly; SameSite=Lax"
    return b"set-cookie", value.encode("latin-1")


def _trouble(asking: HTTPConnection, path: str, answer: Message) -> str:
    """Which of `TROUBLE` an answer means; "" where all went well."""
    if path == "auth/login" and answer["status"] >= 400:
        return "unreachable"
    if path != CALLBACK:
        return ""
    # After signing out, services lead there, too, with nothing to confirm.
    asked = parse_qs(str(asking.scope.get("query_string", b""), "latin-1"))
    named = f"{IDENTITY}=".encode()
    cookies = [value for name, value in answer["headers"] if name.lower() == b"set-cookie"]
    given = any(
        one.startswith(named) and one[len(named) :][:2] not in (b'""', b"; ") for one in cookies
    )
    return "refused" if {"code", "error"} & set(asked) and not given else ""


def _address(asking: HTTPConnection, here: str, trouble: str) -> str:
    """An address of this server, with what came of trying to sign in there."""
    place, _, query = here.partition("?")
    asked = {name: value for name, value in parse_qsl(query) if name != TRIED}
    if trouble:
        code = language_of(asking)
        asked = {TRIED: trouble, **({"lang": code} if code else {}), **asked}
    return f"{place}?{urlencode(asked)}" if asked else place


def _leading(message: Message, where: str) -> Message:
    """The start of the same answer as one that leads elsewhere; its cookies stay."""
    left_out = (b"location", b"content-length", b"content-type")
    kept = [(name, value) for name, value in message["headers"] if name.lower() not in left_out]
    headers = [*kept, (b"location", where.encode("latin-1")), (b"content-length", b"0")]
    return {**message, "status": 302, "headers": headers}
