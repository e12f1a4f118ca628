"""What is asked of each request before Streamlit sees it, and what becomes of signing in."""

from __future__ import annotations

import asyncio
import json
import os
from types import SimpleNamespace
from typing import Any
from urllib.parse import quote

import pytest
from starlette.requests import HTTPConnection
from streamlit.web.server.starlette.starlette_app_utils import create_signed_value

from inspector.errors import InspectorError
from inspector_app import gate, signing
from inspector_app.gate import Gate, below_base, goes_by
from inspector_app.sandbox import walls
from inspector_app.settings import CLASSROOM, Settings

SECRET = "s" * 64
SITE = "https://course.example.org"
AUTH = {
    "redirect_uri": "https://course.example.org/oauth2callback",
    "cookie_secret": SECRET,
    "client_id": "inspector",
    "client_secret": "secret of the client",
    "server_metadata_url": "https://login.example.org/.well-known/openid-configuration",
}


@pytest.fixture
def known(monkeypatch: pytest.MonkeyPatch) -> dict[str, Any]:
    """The server's settings, its `[auth]` and what it keeps of uploads; to be changed by a test."""
    held: dict[str, Any] = {"settings": Settings(), "auth": {}, "uploads": {}}
    server = SimpleNamespace(uploaded_file_mgr=SimpleNamespace(file_storage=held["uploads"]))
    monkeypatch.setattr(gate, "settings", lambda: held["settings"])
    monkeypatch.setattr(gate, "sign_in", lambda: held["auth"])
    monkeypatch.setattr(signing, "get_cookie_secret", lambda: SECRET)
    monkeypatch.setattr(signing, "get_origin_from_redirect_uri", lambda: SITE)
    monkeypatch.setattr(gate.runtime, "get_instance", lambda: server)
    return held


async def answering(scope: Any, receive: Any, send: Any) -> None:
    """Stands for Streamlit: everything is answered with 200."""
    if scope["type"] == "websocket":
        await send({"type": "websocket.accept"})
        return
    await send({"type": "http.response.start", "status": 200, "headers": []})
    await send({"type": "http.response.body", "body": b"answered"})


def asked(
    path: str,
    *,
    door: Gate | None = None,
    kind: str = "http",
    method: str = "GET",
    query: str = "",
    **headers: str,
) -> tuple[int, str]:
    """The status and the text of the answer; 403 and "" for a websocket that is refused."""
    given = {"host": "localhost:8501", **headers}
    scope = {
        "type": kind, "path": path, "method": method, "query_string": query.encode(),
        "headers": [(k.replace("_", "-").encode(), v.encode("latin-1")) for k, v in given.items()],
    }  # fmt: skip
    sent: list[Any] = []

    async def send(message: Any) -> None:
        sent.append(message)

    asyncio.run((door or Gate(answering))(scope, None, send))  # type: ignore[arg-type]
    if kind == "websocket":
        return (101 if sent[0]["type"] == "websocket.accept" else 403), ""
    return sent[0]["status"], sent[1]["body"].decode()


# -- by which name ---------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("host", "known_by"),
    [
        ("localhost:8501", True),
        ("127.0.0.1:8501", True),
        ("192.168.1.7", True),
        ("[::1]:8501", True),
        ("lab-machine:8501", True),
        ("a.localhost", True),
        ("course.example.org", True),
        ("evil.example.com:8501", False),
        ("127.0.0.1.evil.example.com", False),
        ("localhost.evil.example.com", False),
        ("[::1", False),
    ],
)
def test_the_server_of_ones_own_machine_goes_by_no_name_that_another_site_can_have(
    known: dict[str, Any], host: str, known_by: bool
) -> None:
    known["auth"] = AUTH  # it tells the name that the server has
    assert goes_by(host) is known_by


def test_another_sites_page_that_leads_here_reaches_nothing(known: dict[str, Any]) -> None:
    """As with DNS rebinding: to the browser both are one site."""
    host = "evil.example.com:8501"
    for path in ("/", "/inspector-data/x/picture", "/_stcore/health"):
        status, said = asked(path, host=host)
        assert status == 421
        assert "evil.example.com:8501" in said
    assert asked("/_stcore/stream", kind="websocket", host=host)[0] == 403
    assert asked("/_stcore/stream", kind="websocket")[0] == 101
    known["settings"] = CLASSROOM  # has a proxy before it, and a name
    assert asked("/", host=host) == (200, "answered")


def test_a_refusal_is_in_the_language_that_the_browser_asks_for(known: dict[str, Any]) -> None:
    _, said = asked("/", host="evil.example.com", accept_language="zh-CN,zh;q=0.9")
    assert "此服务器" in said


# -- who -------------------------------------------------------------------------------------------


def cookie(who: object, secret: str = SECRET) -> str:
    return create_signed_value(secret, signing.IDENTITY, json.dumps(who)).decode()


@pytest.mark.parametrize(
    "path", ["/inspector-data/name/picture", "/media/x.csv", "/_stcore/upload_file/a/b"]
)
def test_what_goes_by_a_name_is_given_only_to_who_has_signed_in(
    known: dict[str, Any], path: str
) -> None:
    assert asked(path)[0] == 200  # nobody needs to sign in
    known["auth"] = AUTH
    good = cookie({"is_logged_in": True, "sub": "x", "origin": SITE})
    assert asked(path, cookie=f"_streamlit_user={good}")[0] == 200
    assert asked(path, cookie=f"_streamlit_user={good}", origin=SITE)[0] == 200
    elsewhere = "https://other.example.org"
    assert asked(path, cookie=f"_streamlit_user={good}", origin=elsewhere)[0] == 401
    for bad in (
        "",
        "\xff\xfe",
        good[:-2],
        good.swapcase(),
        cookie({"is_logged_in": True, "origin": SITE}, secret="t" * 64),
        cookie({"is_logged_in": False, "origin": SITE}),
        cookie({"is_logged_in": "yes", "origin": SITE}),
        cookie({"is_logged_in": True}),
        cookie({"is_logged_in": True, "origin": elsewhere}),
        cookie([True]),
        cookie("chunks-1"),
    ):
        status, said = asked(path, cookie=f"_streamlit_user={bad}")
        assert (status, "Sign in first" in said) == (401, True), bad
    assert asked(path)[0] == 401


def test_the_workbench_hears_a_refusal_in_its_own_words(known: dict[str, Any]) -> None:
    known["auth"] = AUTH
    assert json.loads(asked("/inspector-data/name/picture")[1]) == {
        "error": "Sign in first: reload the page."
    }


def test_below_a_base_path_the_same_is_asked(
    known: dict[str, Any], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(gate, "base", lambda: "/course")
    known["auth"] = AUTH
    assert below_base("/course/media/x") == "media/x"
    assert asked("/course/media/x")[0] == 401
    assert asked("/course//media/x")[0] == 401


@pytest.mark.parametrize(
    ("changed", "said"),
    [
        ({"client_id": "REPLACE"}, "`client_id` is missing"),
        ({"redirect_uri": None}, "`redirect_uri` is missing"),
        ({"server_metadata_url": None}, "`server_metadata_url` is missing"),
        ({"cookie_secret": "short"}, "shorter than 32"),
    ],
)
def test_a_server_whose_sign_in_cannot_work_does_not_start(
    changed: dict[str, str | None], said: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    auth = {name: text for name, text in {**AUTH, **changed}.items() if text is not None}
    monkeypatch.setattr(signing, "sign_in", lambda: auth)
    monkeypatch.setattr(signing.importlib.util, "find_spec", lambda _: object())
    with pytest.raises(InspectorError, match=said):
        signing.check_sign_in()
    monkeypatch.setattr(signing, "sign_in", lambda: AUTH)
    signing.check_sign_in()


def test_secrets_that_cannot_be_read_stop_the_server_instead_of_opening_it(
    tmp_path: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = tmp_path / "secrets.toml"
    path.write_text("[auth\nclient_id = 1")
    monkeypatch.setattr(signing.config, "get_option", lambda _: [str(path)])
    monkeypatch.setattr(signing.st, "secrets", SimpleNamespace(load_if_toml_exists=lambda: False))
    with pytest.raises(InspectorError, match="cannot be read"):
        signing.check_sign_in()


@pytest.mark.parametrize(
    ("path", "query", "status", "cookies", "leads_to"),
    [
        ("auth/login", "provider=x", 400, [], "signin=unreachable"),
        ("auth/login", "provider=x", 302, [], ""),
        ("oauth2callback", "code=x&state=y", 302, [], "signin=refused"),
        ("oauth2callback", "error=access_denied", 302, [], "signin=refused"),
        ("oauth2callback", "code=x", 302, [b'_streamlit_user=""; Max-Age=0'], "signin=refused"),
        ("oauth2callback", "code=x", 302, [b"_streamlit_user=abc; Path=/"], ""),
        ("oauth2callback", "", 302, [], ""),  # back from signing out
    ],
)
def test_who_could_not_sign_in_is_led_back_and_told(
    path: str, query: str, status: int, cookies: list[bytes], leads_to: str
) -> None:
    sent = led_back(path, query, status, [(b"set-cookie", one) for one in cookies])
    headers = dict(sent[0]["headers"])
    if leads_to:
        assert sent[0]["status"] == 302
        assert headers[b"location"] == f"/course/?{leads_to}&lang=zh_CN".encode()
    else:
        assert (sent[0]["status"], headers[b"location"]) == (status, b"/course/")
    assert [value for name, value in sent[0]["headers"] if name == b"set-cookie"] == cookies


def led_back(
    path: str,
    query: str,
    status: int,
    headers: list[tuple[bytes, bytes]],
    to: bytes = b"/course/",
    **asking: str,
) -> list[Any]:
    """What is sent where Streamlit's sign-in answers so, for an app below /course."""
    given = {"host": "course.example.org", "accept-language": "zh-CN", **asking}
    scope = {
        "type": "http", "path": f"/{path}", "query_string": query.encode(),
        "headers": [(name.encode(), value.encode("latin-1")) for name, value in given.items()],
    }  # fmt: skip
    sent: list[Any] = []

    async def send(message: Any) -> None:
        sent.append(message)

    async def answered() -> None:
        told = signing.leading_back(HTTPConnection(scope), path, "/course/", send)
        start = {"type": "http.response.start", "status": status}
        await told({**start, "headers": [(b"location", to), *headers]})
        await told({"type": "http.response.body", "body": b"as it was"})

    asyncio.run(answered())
    leads_home = dict(sent[0]["headers"])[b"location"] != to or to == b"/course/"
    assert sent[1].get("body", b"") == (b"" if leads_home else b"as it was")
    return sent


GIVEN = [(b"set-cookie", b"_streamlit_user=abc; Path=/")]
SERVICE = b"https://login.example.org/authorize?x=1"


def kept_by(referer: str, path: str = "auth/login") -> str:
    """The cookie of ours that a browser keeps when it goes to the service from that page."""
    sent = led_back(path, "provider=x", 302, [], SERVICE, referer=referer)
    assert (b"location", SERVICE) in sent[0]["headers"]
    kept = [value for name, value in sent[0]["headers"] if name == b"set-cookie"]
    assert all(
        one.endswith(b"; Path=/course/; Max-Age=900; HttpOnly; SameSite=Lax") for one in kept
    )
    return b"".join(kept).partition(b";")[0].decode()


def test_who_signs_in_or_out_comes_back_to_where_they_were_in_their_language() -> None:
    for path, query, headers in (
        ("auth/login", "code=x", GIVEN),
        ("auth/logout", "", []),  # the service leads back with nothing to confirm
    ):
        kept = kept_by(f"{SITE}/course/code?lang=zh_CN&start=rnn", path)
        sent = led_back("oauth2callback", query, 302, headers, cookie=kept)
        assert dict(sent[0]["headers"])[b"location"] == b"/course/code?lang=zh_CN&start=rnn"


def test_who_was_refused_reads_so_on_the_page_where_they_were_and_not_once_they_are_in() -> None:
    kept = kept_by(f"{SITE}/course/code?start=rnn&lang=en")
    sent = led_back("oauth2callback", "error=x", 302, [], cookie=kept)
    told = dict(sent[0]["headers"])[b"location"]
    assert told == b"/course/code?signin=refused&lang=en&start=rnn"
    kept = kept_by(f"{SITE}{told.decode()}")
    sent = led_back("oauth2callback", "code=x", 302, GIVEN, cookie=kept)
    assert dict(sent[0]["headers"])[b"location"] == b"/course/code?lang=en&start=rnn"


@pytest.mark.parametrize(
    "referer",
    [
        "https://other.example.org/course/code",
        "https://course.example.org/other/app",
        "https://course.example.org//other.example.org/course/",
        f"https://course.example.org/course/{'x' * 2000}",
        "https://course.example.org/course/\xe9\r\nset-cookie: a=b",
        "https://[::1",
        "",
    ],
)
def test_nothing_leads_elsewhere(referer: str) -> None:
    assert kept_by(referer) == ""
    forged = f"_inspector_came_from={quote(referer.removeprefix(SITE), safe='')}"
    sent = led_back("oauth2callback", "code=x", 302, GIVEN, cookie=forged)
    assert dict(sent[0]["headers"])[b"location"] == b"/course/"


# -- how much --------------------------------------------------------------------------------------


def test_a_full_server_says_so_and_who_is_there_goes_on(known: dict[str, Any]) -> None:
    known["settings"] = Settings(classroom=True, sessions=1)
    door = Gate(staying)

    async def visit() -> tuple[int, ...]:
        leave = asyncio.Event()
        first = asyncio.create_task(knock(door, "websocket", "/_stcore/stream", leave))
        await asyncio.sleep(0)
        page = await knock(door, "http", "/", leave)
        other = await knock(door, "http", "/lessons", leave, [(b"sec-fetch-dest", b"document")])
        data = await knock(door, "http", "/inspector-data/x/card", leave)
        second = await knock(door, "websocket", "/_stcore/stream", leave)
        leave.set()
        await first
        return page, other, data, second, await knock(door, "http", "/", leave)

    assert asyncio.run(visit()) == (503, 503, 200, 403, 200)


async def staying(scope: Any, receive: Any, send: Any) -> None:
    """A websocket stays open until its visitor leaves."""
    if scope["type"] == "websocket":
        await scope["leave"].wait()
    await answering(scope, receive, send)


async def knock(door: Gate, kind: str, path: str, leave: asyncio.Event, headers: Any = ()) -> int:
    sent: list[Any] = []

    async def send(message: Any) -> None:
        sent.append(message)

    scope = {
        "type": kind, "path": path, "method": "GET", "query_string": b"", "leave": leave,
        "headers": list(headers),
    }  # fmt: skip
    await door(scope, None, send)  # type: ignore[arg-type]
    return int(sent[0].get("status", 101 if sent[0]["type"] == "websocket.accept" else 403))


def test_a_sessions_uploads_have_a_size_together(known: dict[str, Any]) -> None:
    known["settings"] = Settings(classroom=True, upload_mb=1)
    mib = 2**20

    def put(session: str, size: str) -> int:
        path = f"/_stcore/upload_file/{session}/new"
        return asked(path, method="PUT", **({"content_length": size} if size else {}))[0]

    def kept(*sizes: int) -> dict[str, Any]:
        return {str(n): SimpleNamespace(data=bytes(size)) for n, size in enumerate(sizes)}

    assert put("a", str(mib)) == 200
    known["uploads"]["a"] = kept(mib, mib)
    assert put("a", str(mib)) == 200  # three times the size of one
    known["uploads"]["a"] = kept(mib, mib, 1)
    assert put("a", str(mib)) == 413
    assert put("b", str(mib)) == 200
    for size in ("", "many", "-1", "9" * 30):
        assert put("b", size) == 411


def test_all_uploads_have_a_size_together(
    known: dict[str, Any], monkeypatch: pytest.MonkeyPatch
) -> None:
    known["settings"] = Settings(classroom=True, upload_mb=1)
    monkeypatch.setattr(gate, "UPLOADED_TOGETHER", 100)
    known["uploads"]["a"] = {"1": SimpleNamespace(data=bytes(60))}
    path = "/_stcore/upload_file/b/1"
    assert asked(path, method="PUT", content_length="40")[0] == 200
    assert asked(path, method="PUT", content_length="41")[0] == 507


def test_a_classroom_does_not_tell_what_its_server_keeps(known: dict[str, Any]) -> None:
    assert asked("/_stcore/metrics")[0] == 200
    known["settings"] = CLASSROOM
    assert asked("/_stcore/metrics")[0] == 404


# -- a server that is not root, as in a container --------------------------------------------------


@pytest.fixture
def nobody() -> None:
    if os.name != "posix" or os.geteuid() != 0:
        pytest.skip("becomes another user")
    return


def _as_nobody(hidden: bool) -> int:
    """Exit code of a process of no rights that goes to namespaces of its own: 0 if it could."""
    child = os.fork()
    if child == 0:
        code = 3
        try:
            os.setgroups([])
            os.setresgid(65534, 65534, 65534)
            os.setresuid(65534, 65534, 65534)
            (walls.hide_memory if hidden else walls.show_memory)()
            code = 0 if walls.leave_namespaces() else 1
        finally:
            os._exit(code)
    return os.waitstatus_to_exitcode(os.waitpid(child, 0)[1])


def test_a_process_that_hides_its_memory_can_have_namespaces_as_well(nobody: None) -> None:
    """Files of such a process in /proc are root's: it could not say who it is in there."""
    assert _as_nobody(hidden=True) == _as_nobody(hidden=False) in (0, 1)
