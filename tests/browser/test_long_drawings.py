"""Pictures that take long: what is said, Cancel, the panes that come later; and hostile names."""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Iterator
from typing import Any

import pytest
from handmade import Program
from playwright.sync_api import Browser, Page, Route, expect

from inspector.records import Recording
from inspector.render.answers import Book, answer
from inspector.render.workbench import Shown, script_text, style_text, workbench_payload

PAGE = """<!doctype html><meta charset="utf-8">
<style>html, body, #host { margin: 0; height: 100%%; } %s</style>
<div id="host"></div>
<script type="module">
import { mountWorkbench } from "/workbench.js";
const data = await (await fetch("/data")).json();
window.told = [];
mountWorkbench(document.getElementById("host"), data, { onPlace: (place) => told.push(place) });
</script>"""

HOSTILE = (
    '"quoted" \\ \'',
    "</text></svg><img src=x onerror='window.broken = 1'><script>window.broken = 1</script>",
    "two\nlines",
    "👩‍🔬 семь 七",
    "a&b;&lt;",
)


def two_blocks() -> Recording:
    """Two calls of two ops each, and the autograd nodes of all four."""
    program = Program()
    root = program.call("", type="Net")
    x = program.tensor()
    for name in ("first", "second"):
        block = program.call(name, root)
        x = program.op("exp", program.op("sin", x, call=block), call=block)
    for number in range(4):
        following = (number + 1,) if number < 3 else ()
        program.grad("ExpBackward0", 3 - number, *following)
    return program.recording(inputs=(0,))


class Served:
    """A workbench that asks; questions named in `held` are not answered but kept."""

    def __init__(self, browser: Browser, book: Book, data: dict[str, Any] | None = None) -> None:
        self.book = book
        self.frame = data or {"source": "/ask", "ops": 12_345, "place": {}, "place_seq": 1}
        self.held: dict[str, list[Route]] = {}
        self.asked: list[tuple[str, dict[str, Any]]] = []
        self.complaints: list[str] = []
        self.page: Page = browser.new_page(viewport={"width": 1280, "height": 800})
        self.page.set_default_timeout(8000)
        self.page.on("pageerror", lambda error: self.complaints.append(str(error)))
        self.page.route("**/*", self._fulfil)

    def open(self) -> Served:
        self.page.goto("http://bench.test/")
        return self

    def _fulfil(self, route: Route) -> None:
        path = re.sub(r"^https?://bench\.test|\?.*$", "", route.request.url)
        if path == "/":
            route.fulfill(content_type="text/html", body=PAGE % style_text())
        elif path == "/workbench.js":
            route.fulfill(content_type="text/javascript", body=script_text())
        elif path == "/data":
            route.fulfill(json=self.frame)
        elif path.startswith("/ask/"):
            question = path.removeprefix("/ask/")
            self.asked.append((question, json.loads(route.request.post_data or "{}")))
            if question in self.held:
                self.held[question].append(route)
            else:
                self.let_go(question, route)
        else:
            route.abort()

    def let_go(self, question: str, route: Route) -> None:
        asked = json.loads(route.request.post_data or "{}")
        route.fulfill(json=answer(self.book, question, asked))

    def node(self, id: str, pane: str = "dynamic") -> Any:
        return self.page.locator(f'.wb-panel[data-pane={pane}] .node[data-id="{id}"]')

    def close_box(self, id: str) -> None:
        toggle = self.page.locator(f'.wb-panel[data-pane=dynamic] .box-toggle[data-id="{id}"]')
        toggle.click()


@pytest.fixture
def serve(browser: Browser) -> Iterator[Callable[..., Served]]:
    pages: list[Served] = []

    def made(book: Book, data: dict[str, Any] | None = None) -> Served:
        pages.append(Served(browser, book, data))
        return pages[-1]

    yield made
    for one in pages:
        one.page.close()
        assert one.complaints == []


def test_a_long_drawing_says_so_and_can_be_cancelled(serve: Callable[..., Served]) -> None:
    bench = serve(Book(two_blocks())).open()
    expect(bench.node("op:0")).to_be_visible()
    bench.held["picture"] = []
    bench.close_box("call:1")
    notice = bench.page.locator(".wb-notice")
    expect(notice).to_contain_text("Drawing 12,345 ops …")
    notice.get_by_role("button", name="Cancel").click()
    expect(notice).to_be_hidden()
    expect(bench.node("op:0")).to_be_visible()  # the picture stays
    bench.page.wait_for_function("told.length && told.at(-1).toggled.length === 0")
    picture = next(asked for name, asked in reversed(bench.asked) if name == "picture")
    cancelled = [asked for name, asked in bench.asked if name == "cancel"]
    assert cancelled == [{"client": picture["client"], "number": picture["number"]}]
    del bench.held["picture"]
    bench.close_box("call:1")  # not opened again: closed
    expect(bench.node("call:1")).to_be_visible()


def test_the_first_drawing_can_be_cancelled_and_asked_for_again(
    serve: Callable[..., Served],
) -> None:
    bench = serve(Book(two_blocks()))
    bench.held["picture"] = []
    bench.open()
    notice = bench.page.locator(".wb-notice")
    notice.get_by_role("button", name="Cancel").click()
    expect(notice).to_contain_text("The drawing was cancelled.")
    del bench.held["picture"]
    notice.get_by_role("button", name="Try again").click()
    expect(bench.node("op:0")).to_be_visible()
    expect(notice).to_be_hidden()


def test_boxes_toggled_one_right_after_the_other_are_all_toggled(
    serve: Callable[..., Served],
) -> None:
    bench = serve(Book(two_blocks())).open()
    expect(bench.node("op:0")).to_be_visible()
    bench.held["picture"] = []
    bench.close_box("call:1")
    bench.close_box("call:2")
    expect(bench.page.locator(".wb-notice")).to_be_visible()
    bench.page.wait_for_timeout(300)
    numbers = [asked["number"] for name, asked in bench.asked if name == "picture"]
    assert numbers == sorted(set(numbers))  # each of them ends those before
    bench.let_go("picture", bench.held.pop("picture")[-1])
    expect(bench.node("call:1")).to_be_visible()
    expect(bench.node("call:2")).to_be_visible()


def test_a_pane_that_is_drawn_later_says_so_and_is_linked_when_it_comes(
    serve: Callable[..., Served],
) -> None:
    bench = serve(Book(two_blocks()))
    bench.held["drawing"] = []
    bench.open()
    bench.node("op:2").click()
    bench.page.get_by_role("tab", name="Backward graph").click()
    message = bench.page.locator(".wb-panel[data-pane=backward] .wb-empty")
    expect(message).to_have_text("Drawing …")
    bench.let_go("drawing", bench.held.pop("drawing")[-1])
    expect(message).to_be_hidden()
    expect(bench.node("grad:1", "backward")).to_have_class(re.compile("wb-lit"))  # of op 2


def test_what_is_linked_is_found_in_boxes_of_100000_ops(serve: Callable[..., Served]) -> None:
    # Each trip has two ops: one node stands for the even numbers, the other for the odd ones.
    data = workbench_payload(Shown(two_blocks(), opened=frozenset({"call:1", "call:2"})))
    items = data["items"]
    items["dynamic"]["op:0"]["ops"] = [[0, 99_998, 2]]
    items["dynamic"]["op:1"]["ops"] = [[1, 99_999, 2]]
    items["backward"]["grad:0"]["ops"] = [[0, 99_999]]
    items["backward"]["grad:1"]["ops"] = [50_000, 70_000]
    items["backward"]["grad:2"]["ops"] = [[50_001, 99_999, 4]]
    items["backward"]["grad:3"]["ops"] = []
    bench = serve(Book(two_blocks()), data).open()
    lit = ".wb-panel[data-pane=backward] .node.wb-lit"
    for node, linked in (("op:0", {"grad:0", "grad:1"}), ("op:1", {"grad:0", "grad:2"})):
        bench.page.get_by_role("tab", name="Dynamic graph").click()
        bench.node(node).click()
        bench.page.get_by_role("tab", name="Backward graph").click()
        found = bench.page.locator(lit).evaluate_all("all => all.map((one) => one.dataset.id)")
        assert set(found) == linked


@pytest.mark.parametrize("name", HOSTILE)
def test_a_hostile_name_is_text_in_the_drawing_and_on_the_card(
    serve: Callable[..., Served], name: str
) -> None:
    program = Program()
    block = program.call(name, program.call("", type=name), type=name)
    program.op("exp", program.op(name, program.tensor(), call=block), call=block)
    data = workbench_payload(Shown(program.recording(inputs=(0,)), opened=frozenset({"call:1"})))
    bench = serve(Book(two_blocks()), data).open()
    bench.node("op:0").click()
    heading = bench.page.locator(".wb-card h3").first
    words = " ".join(name.split())
    assert " ".join(heading.text_content().split()).startswith(words)
    assert words.startswith(bench.node("op:0").get_attribute("aria-label").split(", ")[0][:9])
    assert bench.page.evaluate("window.broken") is None
    expect(bench.page.locator(".wb img, .wb script")).to_have_count(0)
