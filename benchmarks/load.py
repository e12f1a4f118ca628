"""Many people at once: each opens samples in a browser of their own and clicks on nodes.

    python benchmarks/load.py [USERS] [--minutes M] [--url ADDRESS]

Starts the app on a free port (or takes the one at ADDRESS), and prints how long a click took until
its card was on the page, the median and the slowest twentieth; how many sessions were lost; and
the server's memory before anybody came, at its highest, and once all had left. A click is measured
in the browser: until its card is there, and the server has answered and rests. Users
wait between clicks as people do.
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

LONGEST_CLICK_MS = 30_000
QUIET_MS = 200
"""So long nothing may happen after a click: the server hears of it a moment later."""

LEFT_SECONDS = 20
"""After the last user has left, before the memory is read again."""

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
    """What all users saw.

    Attributes:
        clicks: ms until the card.
        opened: ms until a sample's graph was on the page.
        lost: one sentence for each session that broke.
    """

    clicks: list[float] = field(default_factory=list)
    opened: list[float] = field(default_factory=list)
    lost: list[str] = field(default_factory=list)


def main() -> None:
    """Print what was measured."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("users", type=int, nargs="?", default=30)
    parser.add_argument("--minutes", type=float, default=3.0)
    parser.add_argument("--url", help="of a server that runs; its memory is not read")
    asked = parser.parse_args()
    with _server(asked.url) as (address, process):
        before = _memory(process)
        seen, highest = asyncio.run(_crowd(address, asked.users, asked.minutes * 60, process))
        time.sleep(LEFT_SECONDS)
        after = _memory(process)
    print(f"{asked.users} users, {asked.minutes:g} minutes, {os.cpu_count()} cores")
    print(_row("a click, ms", seen.clicks))
    print(_row("a sample opened, ms", seen.opened))
    print(f"sessions lost: {len(seen.lost)}")
    for sentence in seen.lost:
        print(f"  {sentence}")
    if process is not None:
        print(f"memory of the server, MiB: {before} before, {highest} at most, {after} after")
    sys.exit(1 if seen.lost else 0)


def _row(name: str, times: list[float]) -> str:
    if len(times) < 2:
        return f"{name}: {len(times)} only"
    slowest = statistics.quantiles(times, n=20)[-1]
    return f"{name}: {statistics.median(times):.0f} median, {slowest:.0f} for 95 % ({len(times)})"


async def _crowd(
    address: str, users: int, seconds: float, process: subprocess.Popen[bytes] | None
) -> tuple[Seen, int]:
    """All users at once, who come over the first fifth of the time; and the highest memory."""
    path = os.environ.get("CHROMIUM") or shutil.which("chromium") or shutil.which("google-chrome")
    seen, highest = Seen(), 0
    async with async_playwright() as playwright:
        browser = await playwright.chromium.launch(
            executable_path=path, args=["--no-sandbox", "--disable-dev-shm-usage"]
        )
        until = time.monotonic() + seconds
        waits = [number * seconds / 5 / users for number in range(users)]
        crowd = asyncio.gather(
            *(
                _user(browser, address, number, wait, until, seen)
                for number, wait in enumerate(waits)
            ),
        )
        while not crowd.done():
            highest = max(highest, _memory(process))
            await asyncio.wait([asyncio.ensure_future(asyncio.sleep(1.0))])
        await crowd
        await browser.close()
    return seen, highest


async def _user(
    browser: Browser, address: str, number: int, wait: float, until: float, seen: Seen
) -> None:
    await asyncio.sleep(wait)
    chance = random.Random(number)
    context = await browser.new_context(viewport={"width": 1280, "height": 800})
    await context.add_init_script(WATCH)
    page = await context.new_page()
    try:
        turn = number
        while time.monotonic() < until:
            await _open(page, address, SAMPLES[turn % len(SAMPLES)], seen)
            turn += 1
            for _ in range(5):
                await asyncio.sleep(chance.uniform(*THINKING))
                what = [chance.randrange(1000), LONGEST_CLICK_MS, QUIET_MS]
                took, new = await page.evaluate(CLICK, what)
                if took >= LONGEST_CLICK_MS:
                    raise TimeoutError("a click was never answered")
                if new:  # otherwise the same node was clicked twice
                    seen.clicks.append(took)
                if await page.locator('[data-testid="stException"]').count():
                    raise RuntimeError("the page shows an exception")
    except (Error, TimeoutError, RuntimeError) as error:
        seen.lost.append(f"user {number}: {str(error).splitlines()[0]}")
    finally:
        await context.close()


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
