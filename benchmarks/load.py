"""Many people at once: each opens samples and clicks on nodes, with pauses as people make them.

    python benchmarks/load.py [USERS] [--browsers B] [--minutes M] [--rounds R] [--url ADDRESS]

Starts the app on a free port (or takes the one at ADDRESS), and prints how long a click took, the
median and the slowest twentieth; how many sessions were lost; and the server's memory before
anybody came, at its highest, and when all had left, after each round: it is flat when the second
round adds nothing.
B of the users have a real browser, where a click is done when its card is on the page and the
server has answered and rests. The others ask the server the same without one (`load_visitor.py`):
thirty browsers that draw without a graphics card would be the load that is measured.
Needs Playwright and a Chromium (`$CHROMIUM`, else the one on PATH), and Linux for the memory.
"""

from __future__ import annotations

import argparse
import asyncio
import os
import random
import shutil
import signal
import socket
import statistics
import subprocess
import sys
import time
import urllib.request
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path

import websockets
from load_visitor import Refused, Visitor
from playwright.async_api import Browser, Error, Page, async_playwright

ROOT = Path(__file__).parents[1]
SAMPLES = (
    "linear_regression",
    "branching",
    "dynamic_rnn",
    "while_loop",
    "mixture_of_experts",
    "transformer",
)
"""Each user opens one after the other."""

THINKING = 1.0, 4.0
"""Seconds between two clicks of one user, at least and at most."""

CLICKS = 5
"""Of one user on one sample."""

LONGEST_CLICK_MS = 30_000
QUIET_MS = 200
"""So long nothing may happen after a click: the server hears of it a moment later."""

LEFT_SECONDS = 20
"""After the last user has left, before the memory is read again."""

LOST = Error, Refused, OSError, RuntimeError, TimeoutError, websockets.WebSocketException

# Notes what the server has not answered yet.
WATCH = """(() => {
  const under = window.underWay = { sent: 0, heard: 0 };
  window.WebSocket = class extends window.WebSocket {
    constructor(...given) {
      super(...given);
      this.addEventListener("message", () => { under.heard = under.sent; });
    }
    send(message) { under.sent += 1; super.send(message); }
  };
})()"""

# A click is done when there is a card, and the server has answered and rests. The page may draw the
# graph anew meanwhile, so everything is looked up again each time.
CLICK = """async ([number, longest, quiet]) => {
  const state = () => document.querySelector('[data-testid="stApp"]').dataset.testScriptState;
  const shadows = () => [...document.querySelectorAll("*")].map((one) => one.shadowRoot);
  const all = (what) => [document, ...shadows().filter(Boolean)]
    .flatMap((root) => [...root.querySelectorAll(what)]);
  const card = () => all(".wb-card").map((one) => one.textContent).join("");
  const nodes = () => all(".wb-viewport .node");
  const before = card(), start = performance.now();
  const clicked = nodes()[number % nodes().length];
  clicked.dispatchEvent(new MouseEvent("click", {bubbles: true}));
  for (let busy = start, now = start; now - start < longest; now = performance.now()) {
    const rests = underWay.heard >= underWay.sent && state() === "notRunning";
    if (!rests || !card()) busy = now;
    else if (now - busy > quiet) return [busy - start, card() !== before];
    await new Promise((done) => setTimeout(done, 5));
  }
  return [longest, false];
}"""


@dataclass
class Seen:
    """What users of one kind saw.

    Attributes:
        clicks: ms until the card.
        opened: ms until a sample's graph was there.
        lost: one sentence for each session that broke.
    """

    clicks: list[float] = field(default_factory=list)
    opened: list[float] = field(default_factory=list)
    lost: list[str] = field(default_factory=list)

    def tell(self, who: str) -> None:
        """Print it."""
        print(_row(f"{who}: a click, ms", self.clicks))
        print(_row(f"{who}: a sample opened, ms", self.opened))
        print(f"{who}: sessions lost: {len(self.lost)}")
        for sentence in self.lost:
            print(f"  {sentence}")


@dataclass(frozen=True)
class Asked:
    """How many come, and how long they stay in each round."""

    users: int
    browsers: int
    seconds: float


def main() -> None:
    """Print what was measured."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("users", type=int, nargs="?", default=30)
    parser.add_argument("--browsers", type=int, default=2, help="users with a real browser")
    parser.add_argument("--minutes", type=float, default=2.5, help="of each round")
    parser.add_argument("--rounds", type=int, default=2)
    parser.add_argument("--url", help="of a server that runs; its memory is not read")
    given = parser.parse_args()
    asked = Asked(given.users, min(given.browsers, given.users), given.minutes * 60)
    drawn, unseen = Seen(), Seen()
    with _server(given.url) as (address, process):
        memory = [f"{_memory(process)} before"]
        for _ in range(given.rounds):
            highest = asyncio.run(_crowd(address, asked, process, drawn, unseen))
            time.sleep(LEFT_SECONDS)
            memory += [f"{highest} at most", f"{_memory(process)} when all had left"]
    print(
        f"{asked.users} users ({asked.browsers} with a browser), {given.rounds} rounds of"
        f" {given.minutes:g} minutes, {os.cpu_count()} cores"
    )
    unseen.tell("without a browser")
    drawn.tell("with a browser")
    if process is not None:
        print(f"memory of the server, MiB: {', '.join(memory)}")
    sys.exit(1 if drawn.lost or unseen.lost else 0)


def _row(name: str, times: list[float]) -> str:
    if len(times) < 2:
        return f"{name}: {len(times)} only"
    slowest = statistics.quantiles(times, n=20)[-1]
    return f"{name}: {statistics.median(times):.0f} median, {slowest:.0f} for 95 % ({len(times)})"


async def _crowd(
    address: str,
    asked: Asked,
    process: subprocess.Popen[bytes] | None,
    drawn: Seen,
    unseen: Seen,
) -> int:
    """One round; all come over its first fifth. Returns the highest memory, MiB."""
    path = os.environ.get("CHROMIUM") or shutil.which("chromium") or shutil.which("google-chrome")
    highest = 0
    until = time.monotonic() + asked.seconds
    async with async_playwright() as playwright:
        browser = await playwright.chromium.launch(
            executable_path=path, args=["--no-sandbox", "--disable-dev-shm-usage"]
        )
        people = []
        for number in range(asked.users):
            wait = number * asked.seconds / 5 / asked.users
            if number < asked.browsers:
                people.append(_with_browser(browser, address, number, wait, until, drawn))
            else:
                people.append(_without(address, number, wait, until, unseen))
        crowd = asyncio.gather(*people)
        while not crowd.done():
            highest = max(highest, _memory(process))
            await asyncio.wait([asyncio.ensure_future(asyncio.sleep(1.0))])
        await crowd
        await browser.close()
    return highest


async def _without(address: str, number: int, wait: float, until: float, seen: Seen) -> None:
    await asyncio.sleep(wait)
    chance, visitor, turn = random.Random(number), Visitor(address), number
    try:
        while time.monotonic() < until:
            seen.opened.append(await visitor.open(SAMPLES[turn % len(SAMPLES)]))
            turn += 1
            for _ in range(CLICKS):
                await asyncio.sleep(chance.uniform(*THINKING))
                seen.clicks.append(await visitor.click(chance))
    except LOST as error:
        seen.lost.append(_told(number, error))
    finally:
        await visitor.leave()


async def _with_browser(
    browser: Browser, address: str, number: int, wait: float, until: float, seen: Seen
) -> None:
    await asyncio.sleep(wait)
    chance, turn = random.Random(number), number
    context = await browser.new_context(viewport={"width": 1280, "height": 800})
    await context.add_init_script(WATCH)
    page = await context.new_page()
    try:
        while time.monotonic() < until:
            await _open(page, address, SAMPLES[turn % len(SAMPLES)], seen)
            turn += 1
            for _ in range(CLICKS):
                await asyncio.sleep(chance.uniform(*THINKING))
                what = [chance.randrange(1000), LONGEST_CLICK_MS, QUIET_MS]
                took, new = await page.evaluate(CLICK, what)
                if took >= LONGEST_CLICK_MS:
                    raise TimeoutError("a click was never answered")
                if new:  # otherwise the same node was clicked twice
                    seen.clicks.append(took)
                if await page.locator('[data-testid="stException"]').count():
                    raise RuntimeError("the page shows an exception")
    except LOST as error:
        seen.lost.append(_told(number, error))
    finally:
        await context.close()


def _told(number: int, error: BaseException) -> str:
    words = str(error).splitlines()[:1] or [type(error).__name__]
    return f"user {number}: {words[0]}"


async def _open(page: Page, address: str, sample: str, seen: Seen) -> None:
    start = time.monotonic()
    await page.goto(f"{address}/?sample={sample}", timeout=60_000)
    await page.locator(".wb-viewport .node").first.wait_for(timeout=60_000)
    seen.opened.append((time.monotonic() - start) * 1000)


# -- the server ------------------------------------------------------------------------------------


@contextmanager
def _server(url: str | None) -> Iterator[tuple[str, subprocess.Popen[bytes] | None]]:
    """The address, and the process where it is ours."""
    if url is not None:
        yield url.rstrip("/"), None
        return
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = probe.getsockname()[1]
    command = [sys.executable, "-m", "streamlit", "run", "app/main.py"]
    command += ["--server.port", str(port), "--server.headless", "true"]
    process = subprocess.Popen(
        command,
        cwd=ROOT,
        env=os.environ | {"OMP_NUM_THREADS": "1"},
        stdin=subprocess.DEVNULL,
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
        start_new_session=True,
    )
    address = f"http://127.0.0.1:{port}"
    try:
        _wait_until_healthy(address, process)
        yield address, process
    finally:
        os.killpg(process.pid, signal.SIGTERM)
        process.wait(timeout=20)


def _wait_until_healthy(address: str, process: subprocess.Popen[bytes]) -> None:
    deadline = time.monotonic() + 120
    while time.monotonic() < deadline and process.poll() is None:
        try:
            with urllib.request.urlopen(f"{address}/_stcore/health", timeout=2):
                return
        except OSError:
            time.sleep(0.2)
    sys.exit("the app's server did not come up")


def _memory(process: subprocess.Popen[bytes] | None) -> int:
    """MiB that the server's own process holds."""
    if process is None:
        return 0
    status = Path(f"/proc/{process.pid}/status").read_text(encoding="ascii")
    line = next(line for line in status.splitlines() if line.startswith("VmRSS:"))
    return int(line.split()[1]) // 1024


if __name__ == "__main__":
    main()
