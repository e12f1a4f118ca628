"""Signing in by OpenID Connect: what Streamlit's `st.login` leaves open, before and after it.

A secrets file that cannot be read would leave every page open, so it stops the server. A service
that does not answer, or does not confirm who somebody is, brings them back to the page that asks,
which says so.
"""

from __future__ import annotations

import importlib.util
import json
from collections.abc import Mapping
from pathlib import Path
from urllib.parse import parse_qs, urlencode

import streamlit as st
from starlette.requests import HTTPConnection
from starlette.types import Message, Send
from streamlit import config
from streamlit.auth_util import get_cookie_with_chunks
from streamlit.web.server.server_util import get_cookie_secret
from streamlit.web.server.starlette.starlette_app_utils import decode_signed_value

from inspector.errors import InspectorError
from inspector.language import code_of, sentence

IDENTITY = "_streamlit_user"
"""Streamlit's cookie that says who has signed in."""

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


def signed_in(cookies: Mapping[str, str]) -> bool:
    """Whether these cookies say that somebody has signed in here, in Streamlit's own signature."""

    def part(name: str) -> bytes | None:
        return decode_signed_value(get_cookie_secret(), name, cookies.get(name, ""))

    try:
        who = json.loads(get_cookie_with_chunks(part, IDENTITY) or b"{}")
    except ValueError:
        return False
    return isinstance(who, dict) and who.get("is_logged_in") is True


def language_of(asking: HTTPConnection) -> str | None:
    """The language that a browser asks for, if it is one of ours."""
    return code_of(asking.headers.get("accept-language", "").partition(",")[0].partition(";")[0])


def telling_trouble(asking: HTTPConnection, path: str, home: str, send: Send) -> Send:
    """Send an answer of Streamlit's sign-in; one without success leads back to the page that asks.

    Args:
        asking: what is answered.
        path: its path below the base.
        home: the address of that page.
        send: where the answer goes.
    """
    back = False

    async def told(message: Message) -> None:
        nonlocal back
        if message["type"] == "http.response.start":
            trouble = _trouble(asking, path, message)
            back = bool(trouble)
            if back:
                message = _leading(message, f"{home}?{_query(asking, trouble)}")
        elif back and message["type"] == "http.response.body":
            message = {"type": "http.response.body"}
        await send(message)

    return told


def _trouble(asking: HTTPConnection, path: str, answer: Message) -> str:
    """Which of `TROUBLE` an answer means; "" where all went well."""
    if path == "auth/login" and answer["status"] >= 400:
        return "unreachable"
    if path != "oauth2callback":
        return ""
    # After signing out, services lead there, too, with nothing to confirm.
    asked = parse_qs(str(asking.scope.get("query_string", b""), "latin-1"))
    named = f"{IDENTITY}=".encode()
    cookies = [value for name, value in answer["headers"] if name.lower() == b"set-cookie"]
    given = any(
        one.startswith(named) and one[len(named) :][:2] not in (b'""', b"; ") for one in cookies
    )
    return "refused" if {"code", "error"} & set(asked) and not given else ""


def _query(asking: HTTPConnection, trouble: str) -> str:
    code = language_of(asking)
    return urlencode({TRIED: trouble, **({"lang": code} if code else {})})


def _leading(message: Message, where: str) -> Message:
    """The start of the same answer as one that leads elsewhere; its cookies stay."""
    left_out = (b"location", b"content-length", b"content-type")
    kept = [(name, value) for name, value in message["headers"] if name.lower() not in left_out]
    headers = [*kept, (b"location", where.encode("latin-1")), (b"content-length", b"0")]
    return {**message, "status": 302, "headers": headers}
