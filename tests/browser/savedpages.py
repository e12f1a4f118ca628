"""Opens saved pages from disk, offline, for the tests of what they do there."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from playwright.sync_api import Browser, FrameLocator, Locator, Page, expect

Open = Callable[..., Page]


@pytest.fixture
def open_file(browser: Browser, tmp_path: Path) -> Iterator[Open]:
    """Opens the text of a page from disk, offline; fails on any complaint of the browser."""
    contexts, complaints = [], []

    def open_file(text: str, ready: str = ".wb .node", theme: str = "light") -> Page:
        file = tmp_path / "page.html"
        file.write_text(text, "utf-8")
        context = browser.new_context(
            offline=True, color_scheme=theme, viewport={"width": 1280, "height": 800}
        )
        contexts.append(context)
        shown = context.new_page()
        shown.on("console", lambda said: complaints.append(f"{said.type}: {said.text}"))
        shown.on("pageerror", lambda error: complaints.append(f"uncaught: {error}"))
        shown.on("request", lambda request: own(request.url) or complaints.append(request.url))
        shown.goto(file.as_uri())
        if ready:
            expect(shown.locator(ready).first).to_be_visible(timeout=30_000)
        return shown

    def own(url: str) -> bool:
        return url.startswith((tmp_path.as_uri(), "blob:", "data:", "about:"))

    yield open_file
    for context in contexts:
        context.close()
    assert not complaints, complaints


def node(shown: Page, name: str, pane: str = "dynamic") -> Locator:
    """An item that is drawn."""
    return shown.locator(f'.wb-panel[data-pane="{pane}"] .node[data-id="{name}"]')


def closed(shown: Page) -> Locator:
    """The closed boxes of the graph of what ran."""
    return shown.locator('.wb-panel[data-pane="dynamic"] .node.box')


def fit(shown: Page | FrameLocator) -> None:
    """Show the whole graph of what ran: a page opens at the cause of the first error."""
    expect(shown.locator(".wb-card .wb-close").first).to_be_visible()
    shown.locator('.wb-panel[data-pane="dynamic"] .wb-zoom button', has_text="Fit").click()
