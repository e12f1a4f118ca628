"""Pages of a workbench without the app: everything inline, or a `Book` that answers."""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Iterator
from typing import Any

from playwright.sync_api import Browser, Page, Route

from inspector.errors import InspectorError
from inspector.render.answers import Book, answer
from inspector.render.workbench import script_text, style_text

PAGE = """<!doctype html><meta charset="utf-8"><link rel="icon" href="data:,">
<style>html, body, #host { margin: 0; height: 100%% } %s</style><div id="host"></div>
<script type="module">
import { mountWorkbench } from "/workbench.js";
const data = await (await fetch("/data")).json();
window.told = [];
mountWorkbench(document.getElementById("host"), data, { onPlace: (place) => told.push(place) });
</script>"""

Serve = Callable[..., Page]


def served(browser: Browser) -> Iterator[Serve]:
    """For a fixture: `serve(inline data)` or `serve(book=…)` opens a page; none may complain."""
    pages: list[Page] = []
    complaints: list[str] = []

    def open_page(
        data: dict[str, Any] | None = None, book: Book | None = None, **context: Any
    ) -> Page:
        page = browser.new_page(viewport={"width": 1280, "height": 800}, **context)
        pages.append(page)
        page.set_default_timeout(8000)
        page.on("pageerror", lambda error: complaints.append(str(error)))
        frame = {"source": "/ask", "place": {}, "place_seq": 1, "labels": {}}
        page.route("http://bench.test/**", lambda route: _fulfil(route, data or frame, book))
        page.goto("http://bench.test/")
        page.wait_for_selector(".wb-panel[data-pane=dynamic] .node")
        return page

    yield open_page
    for page in pages:
        page.close()
    assert complaints == []


def _fulfil(route: Route, data: dict[str, Any], book: Book | None) -> None:
    path = re.sub(r"^https?://bench\.test|\?.*$", "", route.request.url)
    if path == "/":
        route.fulfill(content_type="text/html", body=PAGE % style_text())
    elif path == "/workbench.js":
        route.fulfill(content_type="text/javascript", body=script_text())
    elif path == "/data":
        route.fulfill(json=data)
    else:
        assert book is not None
        try:
            asked = json.loads(route.request.post_data or "{}")
            route.fulfill(json=answer(book, path.rsplit("/", 1)[1], asked))
        except InspectorError as error:
            route.fulfill(json={"error": str(error)})
