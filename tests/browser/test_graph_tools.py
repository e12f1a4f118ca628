"""Minimap, colours by a measure, search, producers and consumers, in a page of their own.

The drawing is a ladder made by hand: a chain of `COUNT` ops in one column, each taking what the one
above made. Every tenth op also takes the input. So all producers and consumers are known.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import Any

import pytest
from benchpages import Serve, served
from handmade import Program
from playwright.sync_api import Browser, Page, expect

from inspector.records import Recording, Source
from inspector.render.answers import Book
from inspector.render.layout import EdgePath, Layout, Point, Rect
from inspector.render.svg import to_svg
from inspector.render.workbench import Shown, theme_css, workbench_payload
from inspector.views import GraphView, ViewEdge, ViewNode

COUNT = 60
HOSTILE = '</text><img src=x onerror="window.broken=1"> \'"&\n🙂 <b>'


# -- what is shown ---------------------------------------------------------------------------------


def ladder(count: int = COUNT, name: str = "relu") -> dict[str, Any]:
    """A page of its own: everything inline, no server to ask."""
    nodes = [ViewNode("tensor:0", "input", "x", "4×8")]
    nodes += [ViewNode(f"op:{i}", "op", f"{name} {i}", ops=(i,)) for i in range(count)]
    edges = [
        ViewEdge(f"op:{i - 1}" if i else "tensor:0", f"op:{i}", f"h{i} 4×8") for i in range(count)
    ]
    edges += [ViewEdge("tensor:0", f"op:{i}", "4×8") for i in range(10, count, 10)]
    places = {node.id: Rect(200, 20 + 90 * row, 90, 34) for row, node in enumerate(nodes)}
    paths = tuple(_path(i, edge, places) for i, edge in enumerate(edges))
    view = GraphView("ladder", tuple(nodes), tuple(edges))
    svg = to_svg(view, Layout(500, 90 * count + 160, places, paths, {}))
    values = {f"op:{i}": [i / (count - 1), f"{i + 1} µs"] for i in range(count)}
    time = {"id": "time", "label": "time", "scale": "log", "low": "1 µs", "high": "60 µs"}
    zeros = {"op:3": [None, "0"]}
    none = {"id": "nonfinite", "label": "NaN and Inf", "scale": "log", "low": "0", "high": "0"}
    lines = [{"text": f"  %{i} : Tensor = aten::relu(%x)", "node": None} for i in range(200)]
    file = {"name": "net.py", "path": "/net.py", "lines": [f"line {i}" for i in range(300)]}
    return {
        "css": theme_css(),
        "theme": "light",
        "panes": [
            {"id": "dynamic", "side": "left", "title": "Dynamic graph", "svg": svg},
            {"id": "irtext", "side": "right", "title": "IR text", "lines": lines},
            {"id": "source", "side": "right", "title": "Source", "files": [
                {**file, "first": 1, "hits": {"5": 1}},
                {**file, "path": "/b.py", "name": "b.py", "first": 1, "hits": {}},
            ]},
        ],
        "items": {"dynamic": {node.id: {"ops": list(node.ops)} for node in nodes}},
        "cards": {},
        "heat": {"dynamic": [{**time, "values": values}, {**none, "values": zeros}]},
    }  # fmt: skip


def _path(index: int, edge: ViewEdge, places: dict[str, Rect]) -> EdgePath:
    above, below = places[edge.source], places[edge.target]
    x, y0, y1 = above.x + 45, above.y + 34, below.y - 8
    side = 0.0 if y1 - y0 < 90 else 120.0
    points = (Point(x, y0), Point(x - side, y0 + 9), Point(x - side, y1 - 9), Point(x, y1))
    return EdgePath(index, edge.source, edge.target, points, Point(x + 30, (y0 + y1) / 2))


def blocks(count: int = 40) -> Recording:
    """Closed boxes to search in: block i has a linear and a relu, on lines 10 and 11."""
    p = Program()
    x = p.tensor(shape=(4, 8))
    root = p.call("", type="Net")
    for i in range(count):
        block = p.call(f"blocks.{i}", root, f"Block{i % 7}")
        h = p.op("linear", x, call=block, shape=(4, 8), source=Source("net.py", 10, 0, "f"))
        shape = (4, 8) if i % 2 else (8, 4)
        x = p.op("relu", h, call=block, shape=shape, source=Source("net.py", 11, 0, "f"))
        x = p.op(f"odd{i}", x, call=root, shape=(4, 8))
    return p.recording(inputs=(0,))


@pytest.fixture
def serve(browser: Browser) -> Iterator[Serve]:
    """`serve(inline data)` or `serve(book=…)`: a page of a workbench; it must not complain."""
    yield from served(browser)


def view_of(page: Page) -> tuple[float, float, float]:
    """x, y and scale of the dynamic graph, from its transform."""
    style = page.locator(".wb-stage").first.evaluate("el => el.style.transform")
    x, y, k = map(float, re.findall(r"-?[\d.]+(?:e-?\d+)?", style))
    return x, y, k


def lit(page: Page) -> set[str]:
    ids = page.locator(".node.wb-path").evaluate_all("all => all.map(el => el.dataset.id)")
    return set(ids)


def live(page: Page) -> str:
    return str(page.locator(".wb-live").inner_text())


def graph(page: Page) -> Any:
    return page.locator(".wb-panel[data-pane=dynamic]")


def select(page: Page, name: str) -> None:
    graph(page).locator(f'.node[data-id="{name}"]').dispatch_event("click")
    graph(page).locator(".wb-viewport").focus()


# -- minimap ---------------------------------------------------------------------------------------


def test_the_minimap_is_there_only_when_the_drawing_is_larger_than_the_pane(serve: Serve) -> None:
    page = serve(ladder())
    expect(graph(page).locator(".wb-map")).to_be_visible()
    page.get_by_role("button", name="Fit the whole graph").click()
    expect(graph(page).locator(".wb-map")).to_be_hidden()
    small = serve(ladder(3))
    expect(graph(small).locator(".wb-map")).to_be_hidden()


def test_a_click_in_the_minimap_brings_that_place_into_the_middle(serve: Serve) -> None:
    page = serve(ladder())
    box = graph(page).locator(".wb-map").bounding_box()
    assert box is not None
    page.mouse.click(box["x"] + box["width"] / 2, box["y"] + box["height"] * 0.75)
    page.wait_for_timeout(400)
    _, y, k = view_of(page)
    room = graph(page).locator(".wb-viewport").bounding_box()["height"]
    middle = (room / 2 - y) / k
    assert middle == pytest.approx(0.75 * (90 * COUNT + 160), rel=0.02)


def test_the_frame_can_be_dragged_and_stays_under_the_pointer(serve: Serve) -> None:
    page = serve(ladder())
    frame = graph(page).locator(".wb-map-frame").bounding_box()
    assert frame is not None
    x, y = frame["x"] + frame["width"] / 2, frame["y"] + 4
    page.mouse.move(x, y)
    page.mouse.down()
    page.mouse.move(x, y + 40, steps=4)
    page.mouse.up()
    moved = graph(page).locator(".wb-map-frame").bounding_box()
    assert moved["y"] - frame["y"] == pytest.approx(40, abs=1.5)
    assert view_of(page)[1] < -300


def test_o_and_its_button_hide_and_show_the_minimap(serve: Serve) -> None:
    page = serve(ladder())
    graph(page).locator(".wb-viewport").focus()
    page.keyboard.press("o")
    expect(graph(page).locator(".wb-map")).to_be_hidden()
    button = page.get_by_role("button", name="Overview of the whole drawing")
    assert button.get_attribute("aria-pressed") == "false"
    button.click()
    expect(graph(page).locator(".wb-map")).to_be_visible()


def test_the_minimap_has_something_drawn_on_it(serve: Serve) -> None:
    page = serve(ladder())
    page.wait_for_timeout(100)
    painted = (
        graph(page)
        .locator(".wb-map canvas")
        .evaluate(
            "c => [...c.getContext('2d').getImageData(0, 0, c.width, c.height).data]"
            ".filter((v, i) => i % 4 === 3 && v > 0).length"
        )
    )
    assert painted >= COUNT


# -- producers and consumers -----------------------------------------------------------------------


def test_p_lights_up_all_producers_and_c_all_consumers(serve: Serve) -> None:
    page = serve(ladder())
    select(page, "op:25")
    page.keyboard.press("p")
    assert lit(page) == {"tensor:0", *(f"op:{i}" for i in range(26))}
    assert live(page) == "26 producers of relu 25"
    page.keyboard.press("c")
    assert lit(page) == {f"op:{i}" for i in range(25, COUNT)}
    assert live(page) == f"{COUNT - 26} consumers of relu 25"


def test_the_keys_work_from_the_card_too(serve: Serve) -> None:
    page = serve(ladder())
    select(page, "op:3")
    page.locator(".wb-card-body").focus()
    page.keyboard.press("p")
    assert live(page) == "4 producers of relu 3"
    page.keyboard.press("h")
    assert live(page) == "Coloured by time"
    page.keyboard.press("o")
    expect(graph(page).locator(".wb-map")).to_be_hidden()
    page.keyboard.press("Escape")
    assert lit(page) == set()
    assert page.locator(".wb-ring-selected").get_attribute("data-for") == "op:3"


def test_escape_shows_everything_again_and_keeps_the_selection(serve: Serve) -> None:
    page = serve(ladder())
    select(page, "op:2")
    page.keyboard.press("p")
    expect(page.locator(".wb-traced")).to_contain_text("3 producers of relu 2")
    page.keyboard.press("Escape")
    assert lit(page) == set()
    expect(page.locator(".wb-traced")).to_be_hidden()
    assert page.locator(".wb-ring-selected").get_attribute("data-for") == "op:2"
    page.keyboard.press("Escape")
    expect(page.locator(".wb-ring-selected")).to_have_count(0)


def test_another_selection_ends_the_trace_and_the_first_node_has_no_producer(serve: Serve) -> None:
    page = serve(ladder())
    select(page, "op:5")
    page.get_by_role("button", name="Consumers: all").first.click()
    assert len(lit(page)) == COUNT - 5
    select(page, "tensor:0")
    assert lit(page) == set()
    page.keyboard.press("p")
    assert live(page) == "Nothing drawn here produces x"


def test_a_copy_beside_a_use_stands_for_its_original(serve: Serve) -> None:
    data = ladder(4)
    nodes = (
        ViewNode("op:0", "op", "a"),
        ViewNode("op:0@op:2", "input", "a"),
        ViewNode("op:2", "op", "b"),
        ViewNode("op:3", "op", "c"),
    )
    edges = (ViewEdge("op:0", "op:3"), ViewEdge("op:0@op:2", "op:2"))
    places = {n.id: Rect(40 + 110 * i, 90 * (i > 1), 90, 34) for i, n in enumerate(nodes)}
    paths = tuple(_path(i, edge, places) for i, edge in enumerate(edges))
    drawn = to_svg(GraphView("hub", nodes, edges), Layout(600, 300, places, paths, {}))
    data["panes"][0]["svg"] = drawn
    page = serve(data)
    select(page, "op:2")
    page.keyboard.press("p")
    assert lit(page) == {"op:2", "op:0@op:2", "op:0"}
    assert live(page) == "1 producer of b"
    select(page, "op:0")
    page.keyboard.press("c")
    assert lit(page) == {"op:0", "op:0@op:2", "op:2", "op:3"}
    assert live(page) == "2 consumers of a"


def test_an_edge_of_the_selected_node_says_what_it_carries(serve: Serve) -> None:
    page = serve(ladder())
    select(page, "op:1")
    lines = page.locator(".wb-edge-hit")
    expect(lines).to_have_count(2)
    box = lines.nth(0).bounding_box()
    assert box is not None
    page.mouse.move(box["x"] + box["width"] / 2, box["y"] + box["height"] / 2)
    expect(page.locator(".wb-tip")).to_contain_text("h1 4×8")
    expect(page.locator(".wb-tip")).to_contain_text("relu 0 → relu 1")


# -- colours by a measure --------------------------------------------------------------------------


def test_a_measure_colours_each_node_and_writes_its_number(serve: Serve) -> None:
    page = serve(ladder())
    page.get_by_label("Colour by").select_option("time")
    first, last = (graph(page).locator(f'.node[data-id="op:{i}"]') for i in (0, COUNT - 1))
    expect(first).to_have_class(re.compile(r"\bheat-a\b"))
    expect(last).to_have_class(re.compile(r"\bheat-h\b"))
    assert first.locator(".wb-chip-heat text").text_content() == "1 µs"
    expect(graph(page).locator('.node[data-id="tensor:0"]')).to_have_class(re.compile("heat-none"))
    widths = [float(one.locator(".level").get_attribute("width") or "-1") for one in (first, last)]
    assert widths == [0.0, 20.0]
    scale = page.locator(".wb-heat-scale")
    assert scale.get_attribute("aria-label") == "time, 1 µs – 60 µs, logarithmic"


def test_colours_that_tell_something_are_not_dimmed_beside_a_selection(serve: Serve) -> None:
    page = serve(ladder())
    select(page, "op:1")
    expect(page.locator(".wb-veil")).to_have_count(1)
    page.get_by_label("Colour by").select_option("time")
    expect(page.locator(".wb-veil")).to_have_count(0)
    page.get_by_label("Colour by").select_option("")
    expect(page.locator(".wb-veil")).to_have_count(1)


def test_kinds_come_back_and_leave_nothing_behind(serve: Serve) -> None:
    page = serve(ladder())
    before = graph(page).locator(".wb-stage > svg").first.evaluate("el => el.outerHTML")
    page.get_by_label("Colour by").select_option("time")
    page.get_by_label("Colour by").select_option("")
    after = graph(page).locator(".wb-stage > svg").first.evaluate("el => el.outerHTML")
    assert after == before
    expect(page.locator(".wb-heat-scale")).to_be_hidden()


def test_h_goes_through_the_measures_and_zeros_everywhere_are_said(serve: Serve) -> None:
    page = serve(ladder())
    graph(page).locator(".wb-viewport").focus()
    page.keyboard.press("h")
    assert live(page) == "Coloured by time"
    page.keyboard.press("h")
    expect(page.locator(".wb-heat-scale")).to_contain_text("0 everywhere")
    page.keyboard.press("Shift+H")
    page.keyboard.press("Shift+H")
    assert live(page) == "Coloured by kind"


@pytest.mark.parametrize("theme", ["light", "dark"])
def test_titles_can_be_read_on_every_colour_of_the_scale(serve: Serve, theme: str) -> None:
    data = ladder()
    data["theme"] = theme
    page = serve(data)
    page.get_by_label("Colour by").select_option("time")
    ratios = page.evaluate(
        """() => {
          const lum = (text) => { const [r, g, b] = text.match(/[\\d.]+/g).map((v) => v / 255)
              .map((v) => v <= 0.04045 ? v / 12.92 : ((v + 0.055) / 1.055) ** 2.4);
            return 0.2126 * r + 0.7152 * g + 0.0722 * b; };
          return [...document.querySelectorAll(".node")].map((node) => {
            const [a, b] = [".outline", ".title"]
              .map((part) => lum(getComputedStyle(node.querySelector(part)).fill));
            return (Math.max(a, b) + 0.05) / (Math.min(a, b) + 0.05); }); }"""
    )
    assert len(ratios) == COUNT + 1
    assert min(ratios) >= 4.5


def test_a_server_is_asked_for_the_measure_that_is_chosen(serve: Serve) -> None:
    p = Program()
    x = p.tensor()
    for i in range(3):
        x = p.op("relu", x, duration_us=10.0 ** (i + 1))
    page = serve(book=Book(p.recording(inputs=(0,))))
    graph(page).get_by_label("Colour by").select_option("time")
    node = graph(page).locator('.node[data-id="op:1"]')
    expect(node.locator(".wb-chip-heat text")).to_have_text("100 µs")
    graph(page).get_by_label("Colour by").select_option("zeros")
    expect(graph(page).locator(".wb-heat-scale")).to_contain_text("No number is known")
    expect(node.locator(".wb-chip-heat")).to_have_count(0)


# -- search ----------------------------------------------------------------------------------------


def test_without_a_server_the_search_walks_the_nodes_that_are_drawn(serve: Serve) -> None:
    page = serve(ladder())
    graph(page).locator(".wb-viewport").focus()
    page.keyboard.press("/")
    page.keyboard.type("relu 5")
    count = graph(page).locator(".wb-count")  # of 0 to 59, fifteen have a 5
    expect(count).to_have_text("–/15")
    page.keyboard.press("Enter")
    expect(count).to_have_text("1/15")
    expect(graph(page).locator(".wb-drop")).to_be_hidden()
    assert page.locator(".wb-ring-selected").get_attribute("data-for") == "op:5"


def test_a_result_inside_a_closed_box_opens_the_box_and_is_selected(serve: Serve) -> None:
    page = serve(book=Book(blocks()))
    assert graph(page).locator('.node[data-id="op:22"]').count() == 0
    graph(page).locator(".wb-search").fill("relu blocks.7")
    row = graph(page).locator(".wb-results li").first
    expect(row).to_contain_text("relu")
    for text in ("4×8", "blocks.7", "net.py:11", "op"):
        expect(row).to_contain_text(text)
    row.click()
    expect(graph(page).locator('.node[data-id="op:22"]')).to_have_count(1)
    expect(page.locator(".wb-ring-selected").first).to_have_attribute("data-for", "op:22")
    expect(graph(page).locator(".wb-count")).to_have_text("1/1")


def test_next_and_previous_go_through_all_results_also_those_not_yet_fetched(
    serve: Serve,
) -> None:
    page = serve(book=Book(blocks(130)))
    graph(page).locator(".wb-search").fill("op:linear")
    count = graph(page).locator(".wb-count")
    expect(count).to_have_text("130 found")
    expect(graph(page).locator(".wb-results [data-at]")).to_have_count(100)
    expect(graph(page).locator(".wb-results li").last).to_have_text("+ 30")
    page.keyboard.press("Shift+Enter")
    expect(count).to_have_text("130/130")
    expect(page.locator(".wb-ring-selected").first).to_have_attribute("data-for", f"op:{129 * 3}")


def test_arrows_mark_a_result_and_enter_shows_it(serve: Serve) -> None:
    page = serve(book=Book(blocks(6)))
    search = graph(page).locator(".wb-search")
    search.fill("op:relu shape:4x8")
    expect(graph(page).locator(".wb-results [data-at]")).to_have_count(3)
    page.keyboard.press("ArrowDown")
    page.keyboard.press("ArrowDown")
    active = search.get_attribute("aria-activedescendant")
    marked = graph(page).locator(".wb-results [aria-selected=true]")
    assert marked.get_attribute("id") == active
    expect(marked).to_contain_text("blocks.3")
    page.keyboard.press("Enter")
    expect(page.locator(".wb-ring-selected").first).to_have_attribute("data-for", "op:10")
    expect(graph(page).locator(".wb-drop")).to_be_hidden()


def test_escape_closes_the_list_first_then_leaves_the_search(serve: Serve) -> None:
    page = serve(book=Book(blocks(6)))
    search = graph(page).locator(".wb-search")
    search.fill("relu")
    expect(graph(page).locator(".wb-drop")).to_be_visible()
    page.keyboard.press("Escape")
    expect(graph(page).locator(".wb-drop")).to_be_hidden()
    assert search.input_value() == "relu"
    page.keyboard.press("Escape")
    assert search.input_value() == ""


def test_what_is_found_and_drawn_is_ringed_also_in_a_box_that_was_opened_for_it(
    serve: Serve,
) -> None:
    page = serve(book=Book(blocks()))
    graph(page).locator(".wb-search").fill("op:relu module:blocks.3")
    expect(graph(page).locator(".wb-count")).to_have_text("1 found")
    expect(graph(page).locator(".wb-ring-match")).to_have_count(0)
    page.keyboard.press("Enter")
    ring = graph(page).locator(".wb-ring-match")
    expect(ring).to_have_count(1)
    expect(ring).to_have_attribute("data-for", "op:10")


def test_words_that_nothing_has_are_said(serve: Serve) -> None:
    page = serve(book=Book(blocks(3)))
    graph(page).locator(".wb-search").fill("nothing like this")
    expect(graph(page).locator(".wb-results")).to_contain_text("Nothing was recorded")
    expect(graph(page).locator(".wb-count")).to_have_text("no match")


def test_a_text_pane_searches_its_lines(serve: Serve) -> None:
    page = serve(ladder())
    pane = page.locator(".wb-panel[data-pane=irtext]")
    pane.locator(".wb-text").focus()
    page.keyboard.press("/")
    page.keyboard.type("%150 relu")
    expect(pane.locator(".wb-count")).to_have_text("–/1")
    page.keyboard.press("Enter")
    expect(pane.locator(".wb-hit-now")).to_contain_text("%150")
    expect(pane.locator(".wb-hit-now")).to_be_in_viewport()
    page.keyboard.press("Escape")
    expect(pane.locator(".wb-hit")).to_have_count(0)


def test_a_search_in_source_goes_on_in_the_other_files(serve: Serve) -> None:
    page = serve(ladder())
    page.locator(".wb-tab[data-pane=source]").click()
    pane = page.locator(".wb-panel[data-pane=source]")
    pane.locator(".wb-search").fill("line 299")
    expect(pane.locator(".wb-count")).to_have_text("–/2")
    pane.locator(".wb-text").focus()
    page.keyboard.press("n")
    assert pane.locator("select").input_value() == "/net.py"
    page.keyboard.press("n")
    assert pane.locator("select").input_value() == "/b.py"
    expect(pane.locator(".wb-hit-now")).to_contain_text("line 299")
    expect(pane.locator(".wb-count")).to_have_text("2/2")


# -- robustness ------------------------------------------------------------------------------------


def test_hostile_names_stay_text_everywhere(serve: Serve) -> None:
    p = Program()
    x = p.tensor()
    root = p.call("", type="Net")
    block = p.call(HOSTILE, root, HOSTILE)
    x = p.op(HOSTILE, x, call=block)
    p.op(HOSTILE, x, call=block)
    page = serve(book=Book(p.recording(inputs=(0,), meta={"input_names": [[0, HOSTILE]]})))
    graph(page).locator(".wb-search").fill("img")
    expect(graph(page).locator(".wb-results strong").first).to_contain_text("<img src=x")
    graph(page).locator(".wb-results [data-at]").last.click()
    page.keyboard.press("Escape")
    graph(page).locator(".wb-viewport").focus()
    page.keyboard.press("p")
    expect(graph(page).locator(".wb-traced")).to_contain_text("<img src=x")
    graph(page).get_by_label("Colour by").select_option("time")
    assert page.evaluate("window.broken") is None
    expect(page.locator("#host img")).to_have_count(0)


def test_an_empty_drawing_offers_no_tools(serve: Serve) -> None:
    data = workbench_payload(Shown(Recording((), {})))
    data["panes"].append({"id": "more", "side": "left", "title": "Ladder", "svg": None})
    page = serve({**ladder(2), "panes": [*ladder(2)["panes"], data["panes"][0] | {"id": "empty"}]})
    page.locator(".wb-tab[data-pane=empty]").click()
    pane = page.locator(".wb-panel[data-pane=empty]")
    pane.locator(".wb-viewport").focus()
    for key in ("p", "c", "o", "h", "n", "/", "Escape", "f", "+", "ArrowDown"):
        page.keyboard.press(key)
    expect(pane.locator(".wb-map")).to_be_hidden()


def test_all_keys_of_the_tools_are_in_the_list_of_keys(serve: Serve) -> None:
    page = serve(ladder())
    graph(page).locator(".wb-viewport").focus()
    page.keyboard.press("?")
    sheet = page.get_by_role("dialog")
    for words in (
        "overview",
        "producers (P)",
        "colour by the next",
        "search all",
        "search its lines",
    ):
        expect(sheet).to_contain_text(words)


def test_reduced_motion_moves_at_once(serve: Serve) -> None:
    page = serve(ladder(), reduced_motion="reduce")
    box = graph(page).locator(".wb-map").bounding_box()
    assert box is not None
    page.mouse.click(box["x"] + 5, box["y"] + box["height"] - 5)
    expect(page.locator(".wb-stage.wb-smooth")).to_have_count(0)
