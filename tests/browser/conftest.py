"""Drives the real app in the system's Chromium.

    def test_run_shows_a_graph(open_page, settle):
        page = open_page("/", theme="dark")
        page.get_by_role("button", name="Run").click()
        settle(page)

`open_page` waits until the page is idle; after an action, call `settle(page)`. A test fails
on anything that the page wrote to the console as an error, on an uncaught JavaScript error,
on a request to another machine, and on a Streamlit exception box. When a test fails, a
screenshot of each open page is left in `artifacts/`.
"""

from __future__ import annotations

import os
import re
import signal
import socket
import subprocess
import sys
import time
import urllib.request
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from chromium import find_chromium, why_missing
from playwright.sync_api import Browser, ConsoleMessage, Page, Request, sync_playwright

ROOT = Path(__file__).resolve().parents[2]
LESSONS = Path(__file__).with_name("lessons")
START_TIMEOUT_S = 60.0
IDLE_TIMEOUT_MS = 60_000
CHROMIUM_ARGS = (
    "--no-sandbox",  # CI runs as root
    "--disable-gpu",
    "--disable-quic",
    "--disable-dev-shm-usage",  # containers give /dev/shm 64 MB
    "--no-first-run",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
)

# Notes what is under way: a message to the server that nothing answered yet (on a busy machine
# the page says "notRunning" until then), and questions of the workbench.
WATCH = """() => {
    const under = { sent: 0, heard: 0, asked: 0 };
    window.__underWay = () => under.sent > under.heard || under.asked > 0;
    window.WebSocket = class extends window.WebSocket {
        constructor(...given) {
            super(...given);
            this.addEventListener('message', () => { under.heard = under.sent; });
            this.addEventListener('close', () => { under.heard = under.sent; });
        }
        send(message) { under.sent += 1; super.send(message); }
    };
    const fetch = window.fetch;
    window.fetch = (...given) => {
        under.asked += 1;
        return fetch(...given).finally(() => { under.asked -= 1; });
    };
}"""

# Idle for `quiet` ms on end: a click may be passed on a moment later.
IDLE = """quiet => {
    const app = document.querySelector('[data-testid="stApp"]');
    const idle = app
        && app.getAttribute('data-test-connection-state') === 'CONNECTED'
        && app.getAttribute('data-test-script-state') === 'notRunning'
        && !document.querySelector('[data-testid="stSkeleton"], .st-key-recording')
        && !window.__underWay();
    const now = performance.now();
    if (!idle) { window.__idleSince = undefined; return false; }
    window.__idleSince ??= now;
    return now - window.__idleSince >= quiet;
}"""

OpenPage = Callable[..., Page]


@pytest.hookimpl(tryfirst=True)  # pytest-xdist reads the groups in the same hook
def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Mark these tests; those of the app stay on one worker, for there is one server for all."""
    for item in items:
        if Path(__file__).parent in item.path.parents:
            item.add_marker(pytest.mark.browser)
            served = "server" in getattr(item, "fixturenames", ())
            item.add_marker(pytest.mark.xdist_group("browser" if served else item.path.stem))


@pytest.hookimpl(wrapper=True)
def pytest_runtest_makereport(item: pytest.Item) -> Iterator[None]:
    """Leave word of a failed test for `open_page`, which then takes screenshots."""
    report = yield
    if report.when == "call":
        item.stash[FAILED] = report.failed
    return report


FAILED = pytest.StashKey[bool]()


@pytest.fixture(scope="session")
def chromium() -> str:
    """Path of the browser. Without one the test is skipped, or fails where `CI=true`."""
    path = find_chromium()
    if path is None:
        complain = pytest.fail if os.environ.get("CI") == "true" else pytest.skip
        complain(why_missing())
    return path


@pytest.fixture(scope="session")
def server(chromium: str, tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """Address of the real app, served on a free port for the whole session."""
    log = tmp_path_factory.mktemp("server") / "log.txt"
    port = _free_port()
    command = [sys.executable, "-m", "streamlit", "run", "app/main.py"]
    command += ["--server.port", str(port), "--server.headless", "true"]
    with log.open("wb") as output:
        process = subprocess.Popen(
            command,
            cwd=ROOT,
            env=os.environ | {"OMP_NUM_THREADS": "1", "INSPECTOR_LESSONS": str(LESSONS)},
            stdin=subprocess.DEVNULL,
            stdout=output,
            stderr=subprocess.STDOUT,
            start_new_session=True,  # the app may have children: end the whole group
        )
    address = f"http://127.0.0.1:{port}"
    try:
        _wait_until_healthy(address, process, log)
        yield address
    finally:
        _end_group(process)


# Per module, not per session: Playwright's sync API leaves an event loop running in this
# thread while it lives, which would break any later test on this worker that needs its own.
@pytest.fixture(scope="module")
def browser(chromium: str) -> Iterator[Browser]:
    """A headless Chromium."""
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=chromium, args=list(CHROMIUM_ARGS))
        yield browser
        browser.close()


@pytest.fixture
def open_page(request: pytest.FixtureRequest, server: str, browser: Browser) -> Iterator[OpenPage]:
    """`open_page(path="/", theme="light", size=(1280, 800))`: a page of the app, idle."""
    contexts = []
    complaints: list[str] = []

    def open_page(path: str = "/", theme: str = "light", size: tuple[int, int] = (1280, 800)):
        width, height = size
        context = browser.new_context(
            color_scheme=theme, viewport={"width": width, "height": height}
        )
        contexts.append(context)
        context.add_init_script(f"({WATCH})()")
        page = context.new_page()
        _listen(page, server, complaints)
        page.goto(f"{server}/{path.lstrip('/')}")
        settle(page)
        return page

    yield open_page

    if request.node.stash.get(FAILED, False):
        _take_screenshots(request.node.nodeid, contexts)
    for context in contexts:
        context.close()
    assert not complaints, "the page complained:\n" + "\n".join(complaints)


def settle(page: Page, quiet_ms: int = 300) -> None:
    """Wait until the page has been idle for `quiet_ms`; fail if it shows an exception box."""
    page.evaluate("window.__idleSince = undefined")
    page.wait_for_function(IDLE, arg=quiet_ms, timeout=IDLE_TIMEOUT_MS)
    boxes = page.locator('[data-testid="stException"]')
    assert boxes.count() == 0, f"the page shows an exception:\n{boxes.first.inner_text()}"


@pytest.fixture(name="settle")
def settle_fixture() -> Callable[..., None]:
    """`settle(page)`, for tests."""
    return settle


def _listen(page: Page, server: str, complaints: list[str]) -> None:
    def on_console(message: ConsoleMessage) -> None:
        # Below a page's own path Streamlit looks for its server there first, and gets a 404.
        streamlit_asks = "/_stcore/" in message.location.get("url", "")
        if message.type == "error" and not streamlit_asks:
            complaints.append(f"console: {message.text} ({message.location.get('url', '')})")

    def on_request(request: Request) -> None:
        local = (server, server.replace("http", "ws", 1), "data:", "blob:")
        if not request.url.startswith(local):
            complaints.append(f"asked another machine: {request.url}")

    page.on("console", on_console)
    page.on("pageerror", lambda error: complaints.append(f"uncaught: {error}"))
    page.on("request", on_request)


def _free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


def _wait_until_healthy(address: str, process: subprocess.Popen[bytes], log: Path) -> None:
    deadline = time.monotonic() + START_TIMEOUT_S
    while process.poll() is None and time.monotonic() < deadline:
        try:
            with urllib.request.urlopen(f"{address}/_stcore/health", timeout=2):
                return
        except OSError:
            time.sleep(0.1)
    what = "did not come up" if process.poll() is None else f"ended with {process.returncode}"
    tail = "\n".join(log.read_text(errors="replace").splitlines()[-30:])
    pytest.fail(f"the app's server {what}; the end of its log:\n{tail}")


def _end_group(process: subprocess.Popen[bytes]) -> None:
    for sign in (signal.SIGTERM, signal.SIGKILL):
        try:
            os.killpg(process.pid, sign)
            process.wait(timeout=5)
        except ProcessLookupError:
            return
        except subprocess.TimeoutExpired:
            continue


def _take_screenshots(test: str, contexts: list) -> None:
    folder = ROOT / "artifacts"
    folder.mkdir(exist_ok=True)
    name = re.sub(r"\W+", "-", test).strip("-")
    pages = [page for context in contexts for page in context.pages]
    for number, page in enumerate(pages):
        page.screenshot(path=folder / f"{name}-{number}.png", full_page=True)
