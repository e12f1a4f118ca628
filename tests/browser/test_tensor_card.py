"""The tensor columns of the card, driven as a user would: values, pickers, marks, history.

The page is the workbench alone, with a real recording behind it: the questions that it asks are
answered by `inspector.render.answers`, so that what is shown can be compared with torch.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from typing import Any

import pytest
import torch
import torch.nn.functional as F
from playwright.sync_api import Browser, Locator, Page, Route, expect
from torch import nn

import inspector
from inspector import CaptureOptions
from inspector.errors import InspectorError
from inspector.records import Recording
from inspector.render.answers import Book, answer
from inspector.render.workbench import script_text, style_text

SITE = "http://bench.test/"
PAGE = """<!doctype html><meta charset="utf-8"><link rel="stylesheet" href="/style.css">
<body style="margin: 0"><div id="host" style="height: 100vh"></div><script type="module">
import {mountWorkbench} from "/script.js";
window.places = [];
mountWorkbench(document.getElementById("host"),
  {source: "/book", place: {selected: SELECTED}, place_seq: 1}, {onPlace: (at) => places.push(at)});
</script>"""

FULL = CaptureOptions(values="full")
NAN, INF = float("nan"), float("inf")


class Bench:
    """A page with a workbench that asks about one recording."""

    def __init__(self, page: Page) -> None:
        self.page = page
        page.set_default_timeout(8000)
        self.errors: list[str] = []
        self.asked: list[tuple[str, dict[str, Any]]] = []
        self.slow_ms = 0
        page.on("pageerror", lambda error: self.errors.append(str(error)))

    def open(self, recording: Recording, selected: str | None = None) -> Bench:
        self.book = Book(recording)
        self.page.route("**/*", lambda route: self._serve(route, selected))
        self.page.goto(SITE)
        expect(self.page.locator(".wb-panel[data-pane=dynamic] .node").first).to_be_visible()
        if selected:
            expect(self.card.locator("h3")).to_be_visible()
        return self

    def _serve(self, route: Route, selected: str | None) -> None:
        name = route.request.url.removeprefix(SITE)
        if name == "":
            body = PAGE.replace("SELECTED", json.dumps(selected))
            route.fulfill(body=body, content_type="text/html")
        elif name == "script.js":
            route.fulfill(body=script_text(), content_type="text/javascript")
        elif name == "style.css":
            route.fulfill(body=style_text(), content_type="text/css")
        elif name.startswith("book/"):
            self._answer(route, name.removeprefix("book/"))
        else:
            route.fulfill(status=404)

    def _answer(self, route: Route, question: str) -> None:
        asked = json.loads(route.request.post_data or "{}")
        self.asked.append((question, asked))
        try:
            found, status = answer(self.book, question, asked), 200
        except InspectorError as error:
            found, status = {"error": str(error)}, 400
        text = json.dumps(found, allow_nan=False)
        route.fulfill(status=status, body=text, content_type="application/json")

    @property
    def card(self) -> Locator:
        return self.page.locator(".wb-card")

    def column(self, role: str) -> Locator:
        return self.card.locator(".wb-tensor", has=self.page.locator(f".wb-role:text-is('{role}')"))

    def canvas(self, role: str) -> Locator:
        return self.column(role).locator("canvas")

    def readout(self, role: str) -> str:
        return self.column(role).locator(".wb-readout").inner_text()

    def point(self, role: str, x: float, y: float) -> str:
        """Move over the canvas, by shares of what is drawn; what is read there."""
        canvas = self.canvas(role)
        expect(canvas).to_be_visible()
        canvas.hover(position={"x": x, "y": y})
        return self.readout(role)

    def pixel(self, role: str, x: int, y: int) -> tuple[int, int, int]:
        code = "(c, [x, y]) => [...c.getContext('2d').getImageData(x, y, 1, 1).data].slice(0, 3)"
        red, green, blue = self.canvas(role).evaluate(code, [x, y])
        return red, green, blue

    def values_asked(self) -> list[dict[str, Any]]:
        return [asked for question, asked in self.asked if question == "values"]


@pytest.fixture
def bench(browser: Browser) -> Iterator[Callable[..., Bench]]:
    opened: list[Bench] = []

    def make(width: int = 1280, height: int = 800, scheme: Any = "light") -> Bench:
        size: Any = {"width": width, "height": height}
        opened.append(Bench(browser.new_page(viewport=size, color_scheme=scheme)))
        return opened[-1]

    yield make
    for one in opened:
        one.page.close()
        assert one.errors == []


def run(model: Callable[..., Any], *inputs: torch.Tensor, **more: Any) -> Recording:
    return inspector.record(model, *inputs, options=FULL, **more)


def matrix(*shape: int) -> torch.Tensor:
    """0, 1, 2, … in that shape."""
    return torch.arange(float(torch.tensor(shape).prod())).reshape(shape)


def test_the_values_of_a_tensor_are_drawn_and_read_where_the_pointer_is(
    bench: Callable[..., Bench],
) -> None:
    opened = bench().open(run(lambda x: x - 5, matrix(3, 4)), "dynamic/op:0")
    # 12 numbers in 160×78 px: cells of 22 px, the third row and second column around (33, 55).
    assert opened.point("output", 33, 55) == "[2, 1] = 4"
    assert opened.point("output", 11, 11) == "[0, 0] = −5"


def test_a_click_shows_the_card_at_once_and_asks_for_values_after_it(
    bench: Callable[..., Bench],
) -> None:
    opened = bench().open(run(lambda x: torch.relu(x * 2), matrix(4, 5)))
    seen = opened.page.evaluate(
        """() => { const node = document.querySelector('.node[data-id="op:1"]');
        const at = (x) => new PointerEvent(x, {bubbles: true, button: 0, pointerId: 1});
        node.dispatchEvent(at('pointerdown')); node.dispatchEvent(at('pointerup'));
        node.dispatchEvent(new MouseEvent('click', {bubbles: true}));
        return [document.querySelector('.wb-card h3')?.textContent,
          document.querySelectorAll('.wb-card canvas:not([hidden])').length] }"""
    )
    assert seen == ["relu", 0]  # in the same task, before any question could be answered
    expect(opened.canvas("output")).to_be_visible()


def test_nothing_moves_when_the_values_come(bench: Callable[..., Bench]) -> None:
    opened = bench()
    held: list[Route] = []
    opened.open(run(lambda x: x * 2, matrix(6, 7)))
    opened.page.route("**/book/values", lambda route: held.append(route))
    opened.page.locator('.node[data-id="op:0"]').click()
    expect(opened.card.locator("h3")).to_have_text("mul")
    before = [opened.column(role).bounding_box() for role in ("output", "input")]
    opened.page.wait_for_timeout(200)
    for route in held:
        opened._answer(route, "values")
    expect(opened.canvas("output")).to_be_visible()
    assert [opened.column(role).bounding_box() for role in ("output", "input")] == before


def test_walking_quickly_through_the_graph_asks_only_for_the_last(
    bench: Callable[..., Bench],
) -> None:
    def model(x: torch.Tensor) -> torch.Tensor:
        for _ in range(5):
            x = torch.relu(x)
        return x

    opened = bench().open(run(model, matrix(4, 5)))
    opened.page.evaluate(
        """() => { for (const op of [0, 1, 2, 3, 4])
          document.querySelector(`.node[data-id="op:${op}"]`)
            .dispatchEvent(new MouseEvent("click", {bubbles: true})) }"""
    )
    expect(opened.canvas("output")).to_be_visible()
    last = opened.book.recording.ops[4]
    assert {asked["tensor"] for asked in opened.values_asked()} == {*last.inputs, *last.outputs}


def test_nan_and_infinities_are_marked_and_counted_not_coloured(
    bench: Callable[..., Bench],
) -> None:
    bad = torch.tensor([[1.0, NAN, -1.0], [INF, -INF, 1.0], [0.5, NAN, 0.0]])
    opened = bench().open(run(lambda x: x.clone(), bad), "dynamic/op:0")
    expect(opened.canvas("output")).to_be_visible()
    assert opened.readout("output") == "✕ 2 NaN▲▼ 2 Inf"
    assert "2 NaN, 2 Inf" in (opened.canvas("output").get_attribute("aria-label") or "")
    # Cells of 22 px: a cross runs through the middle of [0, 1] and leaves the space above free.
    assert opened.pixel("output", 33, 11) != opened.pixel("output", 33, 3)
    assert opened.point("output", 33, 11) == "[0, 1] = NaN"
    assert opened.point("output", 11, 33) == "[1, 0] = Inf"
    assert opened.point("output", 33, 33) == "[1, 1] = −Inf"


def test_one_nan_among_a_million_values_is_seen(bench: Callable[..., Bench]) -> None:
    large = torch.zeros(1000, 1000)
    large[777, 333] = NAN
    opened = bench().open(run(lambda x: x.clone(), large), "dynamic/op:0")
    expect(opened.canvas("output")).to_be_visible()
    assert opened.readout("output") == "✕ 1 NaN"
    marked = opened.canvas("output").evaluate(
        """c => { const {data} = c.getContext('2d').getImageData(0, 0, c.width, c.height);
        let red = 0; for (let at = 0; at < data.length; at += 4)
          if (data[at] > 150 && data[at + 1] < 100 && data[at + 2] < 100) red += 1; return red }"""
    )
    assert marked >= 8  # px of the theme's colour of failures: a cross of five px or more


def test_all_nan_is_drawn(bench: Callable[..., Bench]) -> None:
    opened = bench().open(run(lambda x: x * NAN, torch.ones(5, 5)), "dynamic/op:0")
    expect(opened.canvas("output")).to_be_visible()
    assert opened.readout("output") == "✕ 25 NaN"


def test_a_picker_steps_through_the_dimensions_that_are_not_drawn(
    bench: Callable[..., Bench],
) -> None:
    opened = bench().open(run(lambda x: x + 0.5, matrix(2, 3, 4, 5)), "dynamic/op:0")
    assert opened.point("output", 5, 5) == "[0, 0, 0, 0] = 0.5"
    opened.column("output").get_by_label("Index on axis 1, 0 to 2").fill("2")
    opened.page.wait_for_timeout(150)
    assert opened.point("output", 5, 5) == "[0, 2, 0, 0] = 40.5"


def test_the_part_that_was_chosen_is_kept_when_the_tensor_is_looked_at_again(
    bench: Callable[..., Bench],
) -> None:
    opened = bench().open(run(lambda x: torch.relu(x + 1), matrix(2, 4, 5)), "dynamic/op:0")
    opened.column("output").get_by_label("Index on axis 0, 0 to 1").fill("1")
    opened.page.locator('.node[data-id="op:1"]').click()
    expect(opened.card.locator("h3")).to_have_text("relu")
    picker = opened.column("input").get_by_label("Index on axis 0, 0 to 1")
    expect(picker).to_have_value("1")
    assert opened.point("input", 5, 5) == "[1, 0, 0] = 21"


def test_a_convolution_shows_pictures_and_channels(bench: Callable[..., Bench]) -> None:
    torch.manual_seed(0)
    red = torch.zeros(2, 3, 4, 4)
    red[:, 0, :2, :2] = 1.0
    opened = bench().open(run(nn.Conv2d(3, 5, 1), red), "dynamic/op:0")
    expect(opened.canvas("input")).to_have_count(3)  # the picture, the weight and the bias
    picture = opened.canvas("input").first
    expect(picture).to_be_visible()
    colour = picture.evaluate("c => [...c.getContext('2d').getImageData(6, 6, 1, 1).data]")
    assert colour[:3] == [255, 0, 0]
    names = opened.column("output").locator(".wb-dim small").all_inner_texts()
    assert names == ["N", "C", "H", "W"]
    assert "tiles" in (opened.canvas("output").get_attribute("aria-label") or "")


def test_a_scalar_is_shown_as_its_number(bench: Callable[..., Bench]) -> None:
    opened = bench().open(run(lambda x: x.sum(), torch.tensor([1.5, 2.0])), "dynamic/op:0")
    expect(opened.column("output").locator(".wb-picture-note")).to_have_text("3.5")
    expect(opened.canvas("output")).to_be_hidden()


@pytest.mark.parametrize(
    ("value", "text"),
    [
        (torch.ones(2, 0), "one of its dimensions is 0"),
        (torch.ones((1,) * 12) * 3, "3"),
    ],
)
def test_odd_shapes_have_words(bench: Callable[..., Bench], value: torch.Tensor, text: str) -> None:
    opened = bench().open(run(lambda x: x.clone(), value), "dynamic/op:0")
    expect(opened.column("output").locator(".wb-picture-note")).to_contain_text(text)


@pytest.mark.parametrize("dtype", [torch.bool, torch.int64, torch.complex64])
def test_every_dtype_is_drawn(bench: Callable[..., Bench], dtype: torch.dtype) -> None:
    opened = bench().open(run(lambda x: x.clone(), torch.eye(4).to(dtype)), "dynamic/op:0")
    read = opened.point("output", 5, 5)
    assert read == f"[0, 0] = {'True' if dtype is torch.bool else '1'}"


def test_without_recorded_values_the_sample_is_drawn_with_how_to_get_them(
    bench: Callable[..., Bench],
) -> None:
    opened = bench().open(inspector.record(lambda x: x * 2, matrix(50, 50)), "dynamic/op:0")
    expect(opened.canvas("output")).to_be_visible()
    note = opened.column("output").locator(".wb-readout span")
    expect(note).to_contain_text("first 8 of 2,500")
    assert 'CaptureOptions(values="full")' in (note.get_attribute("title") or "")


def test_a_click_enlarges_value_and_gradient_side_by_side(bench: Callable[..., Bench]) -> None:
    recording = run(nn.Linear(2, 3), matrix(1, 2), loss="sum")
    opened = bench().open(recording, "dynamic/parameters:0")
    opened.canvas("parameter").first.click()
    sheet = opened.page.get_by_role("dialog")
    expect(sheet).to_be_visible()
    expect(sheet.locator("canvas:visible")).to_have_count(2)
    assert sheet.locator("h4").all_inner_texts() == ["Value", "Gradient"]
    first, second = (box.bounding_box() for box in sheet.locator("section").all())
    assert first
    assert second
    assert first["x"] < second["x"]
    assert first["y"] == second["y"]
    opened.page.keyboard.press("Escape")
    expect(sheet).to_be_hidden()
    expect(opened.card.locator("h3")).to_be_visible()  # Escape closed the sheet only


def test_the_large_picture_can_be_drawn_in_other_ways(bench: Callable[..., Bench]) -> None:
    opened = bench().open(run(lambda x: x + 1, matrix(20, 4, 5)), "dynamic/op:0")
    opened.canvas("output").click()
    sheet = opened.page.get_by_role("dialog")
    sheet.get_by_label("Draw as").select_option("tiles")
    expect(sheet).to_contain_text("0–15 of 20")
    sheet.get_by_role("button", name="Next tiles").click()
    expect(sheet).to_contain_text("16–19 of 20")
    sheet.locator("canvas").hover(position={"x": 8, "y": 8})
    expect(sheet.locator(".wb-readout")).to_contain_text("[16, 0, 0] = 321")


def test_values_are_read_with_the_keyboard(bench: Callable[..., Bench]) -> None:
    opened = bench().open(run(lambda x: x * 2, matrix(3, 4)), "dynamic/op:0")
    expect(opened.canvas("output")).to_be_visible()
    opened.canvas("output").focus()
    for key in ("ArrowRight", "ArrowRight", "ArrowDown", "ArrowDown", "ArrowDown"):
        opened.page.keyboard.press(key)
    assert opened.readout("output") == "[2, 1] = 18"
    opened.page.keyboard.press("Enter")
    expect(opened.page.get_by_role("dialog")).to_be_visible()


def test_history_links_select_the_ops(bench: Callable[..., Bench]) -> None:
    opened = bench().open(run(lambda x: torch.exp(torch.relu(x * 2)), matrix(4, 5)), "dynamic/op:1")
    history = opened.card.locator(".wb-history-column")
    expect(history).to_contain_text("Comes from")
    assert history.locator("section").first.locator("button").all_inner_texts() == [
        "relu [1]",
        "mul [0]",
    ]
    history.get_by_role("button", name="exp [2]").click()
    expect(opened.card.locator("h3")).to_have_text("exp")


def test_relatives_in_the_same_memory_link_to_the_ops_that_made_them(
    bench: Callable[..., Bench],
) -> None:
    def model(x: torch.Tensor) -> torch.Tensor:
        y = x * 1
        y.add_(1)
        return y.t()

    opened = bench().open(run(model, matrix(3, 4)), "dynamic/op:2")
    history = opened.card.locator(".wb-history-column")
    expect(history).to_contain_text("Same memory, written in place")
    history.get_by_role("button", name="written by add_ [1]").click()
    expect(opened.card.locator("h3")).to_have_text("add_")


@pytest.mark.parametrize("width", [1280, 1920])
def test_columns_that_do_not_fit_are_counted_and_can_be_brought_into_view(
    bench: Callable[..., Bench], width: int
) -> None:
    inputs = [matrix(4, 5) for _ in range(5)]
    opened = bench(width).open(run(lambda *x: torch.cat(x), *inputs), "dynamic/op:0")
    expect(opened.card.locator(".wb-history-column")).to_contain_text("Goes to")
    more = opened.card.get_by_role("button", name="What is further right")
    expect(more).to_be_visible()
    body = opened.card.locator(".wb-card-body")
    end = "e => e.getBoundingClientRect().right"
    hidden = sum(
        column.evaluate(end) > body.evaluate(end) + 4 for column in body.locator("> *").all()
    )
    expect(more).to_have_text(f"{hidden} more ›")
    button = opened.card.locator(".wb-edge").last.element_handle()  # also when it is hidden
    for _ in range(8):
        button.evaluate("one => one.hidden || one.click()")
        opened.page.wait_for_timeout(400)
    expect(more).to_be_hidden()
    expect(opened.card.locator(".wb-history-column")).to_be_in_viewport(ratio=0.9)


def test_a_column_that_grows_out_of_view_is_counted(bench: Callable[..., Bench]) -> None:
    opened = bench(1180).open(run(lambda x: torch.relu(x * 2), matrix(4, 5)), "dynamic/op:1")
    history = opened.card.locator(".wb-history-column")
    expect(history).to_contain_text("Goes to")  # came later than the card, and made it wider
    assert history.evaluate("one => one.getBoundingClientRect().right") > 1180
    more = opened.card.get_by_role("button", name="What is further right")
    expect(more).to_have_text("1 more ›")


def test_a_card_with_everything_in_view_has_no_such_buttons(bench: Callable[..., Bench]) -> None:
    opened = bench(1920).open(run(lambda x: x * 2, matrix(2, 2)), "dynamic/op:0")
    expect(opened.card.locator(".wb-history-column")).to_contain_text("Goes to")
    expect(opened.card.get_by_role("button", name="What is further right")).to_be_hidden()


def test_the_colours_follow_the_theme(bench: Callable[..., Bench]) -> None:
    opened = bench().open(run(lambda x: x - 9.5, matrix(4, 5)), "dynamic/op:0")
    expect(opened.canvas("output")).to_be_visible()
    light = opened.pixel("output", 3, 3)
    opened.page.emulate_media(color_scheme="dark")
    opened.page.wait_for_timeout(200)
    assert opened.pixel("output", 3, 3) != light


def test_names_and_notes_are_text_never_markup(bench: Callable[..., Bench]) -> None:
    class Odd(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.register_parameter("<img src=x onerror=alert(1)>", nn.Parameter(torch.ones(3, 4)))

        def forward(self, x: torch.Tensor) -> torch.Tensor:
            return F.relu(x * getattr(self, "<img src=x onerror=alert(1)>"))

    opened = bench().open(run(Odd(), matrix(3, 4)), "dynamic/op:0")
    expect(opened.canvas("output")).to_be_visible()
    expect(opened.page.locator("img")).to_have_count(0)


def test_a_server_that_does_not_answer_leaves_a_message_in_place_of_the_values(
    bench: Callable[..., Bench],
) -> None:
    opened = bench().open(run(lambda x: x * 2, matrix(6, 7)))
    opened.page.route("**/book/values", lambda route: route.abort())
    opened.page.locator('.node[data-id="op:0"]').click()
    note = opened.column("output").locator(".wb-picture-note")
    expect(note).to_contain_text("does not answer")
