"""The workbench component in a page of its own, driven as a user would: pointer and keyboard.

No Streamlit and no recording here: the payload is written by hand, so what must light up is known
by hand too. The model is `y = tanh(fc(x)) if x.mean() > 0 else relu(x)`; the first branch ran:

    line 3   mean (op 0), gt (op 1)
    line 4   linear (op 2), tanh (op 3)
    line 5   did not run
"""

from __future__ import annotations

import copy
from collections.abc import Iterator
from pathlib import Path
from typing import Any
from xml.sax.saxutils import escape, quoteattr

import pytest
from playwright.sync_api import Browser, Locator, Page, expect

ASSETS = Path(__file__).parents[2] / "inspector" / "render" / "assets"

SOURCE = [
    "class Net(nn.Module):",
    "    def forward(self, x):",
    "        if x.mean() > 0:",
    "            return torch.tanh(self.fc(x))",
    "        return torch.relu(x)",
]
FILE = "/models/net.py"
STAND_IN_CSS = """
.graph text { font: 12px sans-serif; text-anchor: middle; }
.wb[data-theme=light] { --fill: #eef3fb; --ink: #223; }
.wb[data-theme=dark] { --fill: #223; --ink: #eee; }
.graph .node rect, .graph .box rect { fill: var(--fill); stroke: #579; }
.graph text { fill: var(--ink); }
.graph .edge path { fill: none; stroke: #999; }
"""

Node = tuple[str, str, float, float]


# -- a payload by hand -----------------------------------------------------------------------------


def svg_of(
    nodes: list[Node], edges: list[tuple[str, str]], boxes: str = "", size: str = "300 420"
) -> str:
    """Nodes are (id, classes, x, y of the centre), 80 by 30 px, titled by their id."""
    centre = {name: (x, y) for name, _, x, y in nodes}
    lines = [
        f'<g class="edge data" data-source="{a}" data-target="{b}"><path d="M{centre[a][0]},'
        f'{centre[a][1]} L{centre[b][0]},{centre[b][1]}"/></g>'
        for a, b in edges
    ]
    drawn = [
        f'<g class="node {kind}" data-id={quoteattr(name)} tabindex="-1" role="button" '
        f'aria-label={quoteattr(name)} transform="translate({x - 40},{y - 15})">'
        f'<rect class="outline" width="80" height="30"/>'
        f'<text x="40" y="19">{escape(name)}</text></g>'
        for name, kind, x, y in nodes
    ]
    width, height = size.split()
    return (
        f'<svg xmlns="http://www.w3.org/2000/svg" class="graph" viewBox="0 0 {size}" '
        f'width="{width}" height="{height}">{boxes}{"".join(lines + drawn)}</svg>'
    )


DYNAMIC = svg_of(
    [
        ("in:x", "input", 150, 30),
        ("op:0", "op", 80, 110),
        ("op:1", "decision", 80, 190),
        ("op:2", "op", 200, 190),
        ("op:3", "op nonfinite", 200, 270),
        ("out:y", "output", 200, 350),
    ],
    [
        ("in:x", "op:0"),
        ("op:0", "op:1"),
        ("in:x", "op:2"),
        ("op:2", "op:3"),
        ("op:3", "out:y"),
    ],
)
BACKWARD = svg_of(
    [("grad:0", "grad", 150, 40), ("grad:1", "grad", 150, 140)], [("grad:0", "grad:1")]
)
STATIC = svg_of(
    [
        ("ir:0", "op executed", 150, 40),
        ("ir:1", "branch executed", 150, 120),
        ("ir:2", "op executed", 80, 220),
        ("ir:3", "op executed", 80, 300),
        ("ir:4", "op skipped", 240, 220),
        ("ir:5", "constant", 250, 40),
    ],
    [("ir:0", "ir:1"), ("ir:5", "ir:1"), ("ir:2", "ir:3")],
)
IR_TEXT = [
    ("graph(%self, %x.1 : Tensor):", None, ""),
    ("  %3 : int = prim::Constant[value=0]()", "ir:5", ""),
    ("  %4 : Tensor = aten::mean(%x.1, %2)", "ir:0", "executed"),
    ("  %6 : Tensor = prim::If(%5)", "ir:1", "executed"),
    ("      %8 : Tensor = aten::linear(%x.1, %w, %b)", "ir:2", "executed"),
    ("      %9 : Tensor = aten::tanh(%8)", "ir:3", "executed"),
    ("      %10 : Tensor = aten::relu(%x.1)", "ir:4", "skipped"),
]


def card(title: str, line: int, *, nan: str = "0") -> dict[str, Any]:
    stats = [["min", "-1.2"], ["max", "3"], ["mean", "0.1"], ["NaN", nan], ["Inf", "0"]]
    tensor = {"name": "%5", "shape": "2×3", "dtype": "float32", "device": "cpu", "stats": stats}
    drawn = {"histogram": [1, 3, 2], "range": ["-1.2", "3"], "sample": "0.1, -0.3"}
    return {
        "title": title,
        "kind": "op",
        "subtitle": f"torch.{title}",
        "rows": [["module", "fc"], ["duration", "12 µs"]],
        "tensors": [{"role": "output", **tensor, **drawn}, {"role": "gradient", **tensor}],
        "source": {"file": "net.py", "path": FILE, "line": line, "text": SOURCE[line - 1]},
    }


def payload() -> dict[str, Any]:
    """A fresh payload of the branching model."""

    def item(line: int, *ops: int, card: str | None = None) -> dict[str, Any]:
        return {"ops": list(ops), "source": [FILE, line], "card": card}

    lines = [{"text": t, "node": n, "state": s, "count": 1} for t, n, s in IR_TEXT]
    file = {"name": "net.py", "path": FILE, "lines": SOURCE, "first": 1}
    return {
        "key": "first",
        "css": STAND_IN_CSS,
        "theme": "light",
        "height": 640,
        "selected": None,
        "selected_seq": 0,
        "panes": [
            {"id": "dynamic", "side": "left", "title": "Dynamic graph", "svg": DYNAMIC},
            {"id": "backward", "side": "left", "title": "Backward graph", "svg": BACKWARD},
            {"id": "static", "side": "right", "title": "TorchScript IR", "svg": STATIC},
            {"id": "irtext", "side": "right", "title": "IR text", "lines": lines},
            {
                "id": "source",
                "side": "right",
                "title": "Python source",
                "files": [{**file, "hits": {"2": 1, "3": 1, "4": 2}}],
            },
        ],
        "items": {
            "dynamic": {
                "op:0": item(3, 0, card="c0"),
                "op:1": item(3, 1, card="c1"),
                "op:2": item(4, 2, card="c2"),
                "op:3": item(4, 3, card="c3"),
            },
            "backward": {"grad:0": {"ops": [3]}, "grad:1": {"ops": [2]}},
            "static": {
                "ir:0": item(3, 0),
                "ir:1": item(3, 1),
                "ir:2": item(4, 2),
                "ir:3": item(4, 3),
                "ir:4": item(5),
                "ir:5": item(3),
            },
        },
        "cards": {
            "c0": card("mean", 3),
            "c1": card("gt", 3),
            "c2": card("linear", 4),
            "c3": card("tanh", 4, nan="4"),
        },
    }


# -- the page --------------------------------------------------------------------------------------

MOUNT = """
async ([js, data, shadow]) => {
  const url = URL.createObjectURL(new Blob([js], {type: "text/javascript"}));
  const module = await import(url);
  const host = document.getElementById("host");
  const parent = shadow ? host.attachShadow({mode: "open"}) : host;
  if (shadow) {
    const style = document.createElement("style");
    style.textContent = document.getElementById("css").textContent;
    parent.append(style);
  }
  window.told = [];
  window.show = (data) => shadow
    ? module.default({data, key: "k", parentElement: parent,
        setStateValue: (name, value) => told.push([name, value]),
        setTriggerValue: (name, value) => told.push([name, value])})
    : module.mountWorkbench(parent, data, {
        onSelect: (ref) => told.push(["selected", ref]),
        onToggle: (toggle) => told.push(["toggle", toggle])});
  window.cleanup = show(data);
}
"""


class Bench:
    """A page with a workbench in it."""

    def __init__(self, page: Page) -> None:
        self.page = page
        page.set_default_timeout(5000)
        self.errors: list[str] = []
        page.on("pageerror", lambda error: self.errors.append(str(error)))

    def open(self, data: dict[str, Any], *, shadow: bool = False, style: str = "") -> Bench:
        script = "\n".join(part.read_text() for part in sorted(ASSETS.glob("workbench*.js")))
        css = "\n".join(part.read_text() for part in sorted(ASSETS.glob("workbench*.css")))
        self.page.set_content(
            f'<!doctype html><style id="css">{css}</style>'
            f'<div id="wrap" style="{style}"><div id="host"></div></div>'
        )
        self.page.evaluate(MOUNT, [script, data, shadow])
        self.settle()
        return self

    def show(self, data: dict[str, Any]) -> None:
        """New data, as after a rerun of the Streamlit script."""
        self.page.evaluate("data => { show(data) }", data)
        self.settle()

    def settle(self) -> None:
        self.page.wait_for_timeout(120)

    def told(self, name: str) -> list[Any]:
        """What Python was told under this name, oldest first."""
        self.settle()
        return [value for key, value in self.page.evaluate("told") if key == name]

    def panel(self, pane: str) -> Locator:
        return self.page.locator(f".wb-panel[data-pane={pane}]")

    def tab(self, pane: str) -> Locator:
        return self.page.locator(f".wb-tab[data-pane={pane}]")

    def node(self, pane: str, name: str) -> Locator:
        return self.panel(pane).locator(f'.node[data-id="{name}"]')

    def rings(self, pane: str, kind: str) -> set[str]:
        rings = self.panel(pane).locator(f".wb-ring-{kind}")
        return set(rings.evaluate_all("all => all.map(ring => ring.dataset.for)"))

    def lines(self, pane: str, state: str) -> list[str]:
        lines = self.panel(pane).locator(f".wb-line.{state}")
        return list(lines.evaluate_all("all => all.map(line => line.dataset.key)"))

    def card(self) -> str:
        return str(self.page.locator(".wb-card").inner_text())

    def transform(self, pane: str) -> str:
        return str(self.panel(pane).locator(".wb-stage").evaluate("el => el.style.transform"))

    def centre(self, locator: Locator) -> tuple[float, float]:
        box = locator.bounding_box()
        return box["x"] + box["width"] / 2, box["y"] + box["height"] / 2

    def press(self, *keys: str) -> None:
        for key in keys:
            self.page.keyboard.press(key)
        self.settle()


@pytest.fixture
def bench(browser: Browser) -> Iterator[Bench]:
    page = browser.new_page(viewport={"width": 1280, "height": 800})
    bench = Bench(page)
    yield bench
    page.close()
    assert bench.errors == []


@pytest.fixture
def opened(bench: Bench) -> Bench:
    return bench.open(payload())


# -- selection, card, links ------------------------------------------------------------------------


def test_a_click_on_a_node_shows_its_card_and_tells_python_once(opened: Bench) -> None:
    assert "Click a node" in opened.card()
    opened.node("dynamic", "op:2").click()
    for text in ("linear", "torch.linear", "module", "fc", "2×3", "-1.2", "net.py:4", "0.1, -0.3"):
        assert text in opened.card()
    assert opened.told("selected") == ["dynamic/op:2"]
    assert opened.rings("dynamic", "selected") == {"op:2"}
    expect(opened.page.locator(".wb-live")).to_have_text("Selected: linear")


def test_the_card_is_drawn_before_python_is_told(opened: Bench) -> None:
    told_by_then = opened.node("dynamic", "op:2").evaluate(
        "node => { node.dispatchEvent(new MouseEvent('click', {bubbles: true}));"
        " return [document.querySelector('.wb-card h3').textContent, told.length] }"
    )
    assert told_by_then == ["linear", 0]


def test_the_graph_stays_where_it_is_when_the_card_opens(opened: Bench) -> None:
    node, card = opened.node("dynamic", "op:2"), opened.page.locator(".wb-card")
    before, slim = node.bounding_box(), card.bounding_box()
    node.click()
    opened.settle()
    full = card.bounding_box()
    assert node.bounding_box() == before
    assert slim is not None
    assert full is not None
    assert slim["height"] < 50 < full["height"]
    opened.node("dynamic", "op:3").click()  # from one to the next nothing moves at all
    opened.settle()
    assert card.bounding_box() == full


def test_a_node_that_the_card_would_cover_is_brought_in(bench: Bench) -> None:
    bench.open(payload())
    lowest = bench.node("dynamic", "out:y")
    lowest.click()
    bench.page.wait_for_timeout(500)  # it is brought in smoothly
    box, card = lowest.bounding_box(), bench.page.locator(".wb-card").bounding_box()
    assert box is not None
    assert card is not None
    assert box["y"] + box["height"] <= card["y"]


def test_a_selection_lights_up_what_has_the_same_op_in_every_other_pane(opened: Bench) -> None:
    opened.node("dynamic", "op:2").click()
    assert opened.rings("static", "linked") == {"ir:2"}
    assert opened.rings("dynamic", "linked") == set()
    opened.tab("backward").click()
    assert opened.rings("backward", "linked") == {"grad:1"}
    opened.tab("irtext").click()
    assert opened.lines("irtext", "wb-lit") == ["ir:2"]
    opened.tab("source").click()
    assert opened.lines("source", "wb-chosen") == [f"{FILE}:4"]


def test_an_ir_node_without_ops_is_linked_by_its_line(opened: Bench) -> None:
    opened.node("static", "ir:5").click()
    assert opened.rings("dynamic", "linked") == {"op:0", "op:1"}
    opened.node("static", "ir:4").click()
    assert opened.rings("dynamic", "linked") == set()


def test_edges_and_neighbours_of_the_selected_node_stand_out(opened: Bench) -> None:
    opened.node("dynamic", "op:2").click()
    hot = opened.panel("dynamic").locator(".edge.wb-hot")
    ends = hot.evaluate_all("all => all.map(e => [e.dataset.source, e.dataset.target])")
    assert ends == [["in:x", "op:2"], ["op:2", "op:3"]]
    near = opened.panel("dynamic").locator(".node.wb-near")
    names = near.evaluate_all("all => all.map(e => e.dataset.id)")
    assert sorted(names) == ["in:x", "op:2", "op:3"]


def test_a_hidden_tab_gets_a_dot_and_stays_hidden(opened: Bench) -> None:
    opened.node("dynamic", "op:2").click()
    shown = {pane: opened.tab(pane).locator(".wb-dot").is_visible() for pane in opened_panes()}
    assert shown == {
        "dynamic": False,
        "backward": True,
        "static": False,
        "irtext": True,
        "source": True,
    }
    assert opened.panel("backward").is_hidden()
    opened.node("dynamic", "in:x").click()
    assert opened.tab("backward").locator(".wb-dot").is_hidden()


def opened_panes() -> list[str]:
    return [pane["id"] for pane in payload()["panes"]]


def test_a_click_on_a_source_line_lists_and_links_what_ran_there(opened: Bench) -> None:
    opened.tab("source").click()
    opened.panel("source").locator(f'[data-key="{FILE}:4"]').click()
    assert opened.told("selected") == [f"source/{FILE}:4"]
    assert opened.rings("dynamic", "linked") == {"op:2", "op:3"}
    assert "net.py:4" in opened.card()
    assert "2×" in opened.card()
    opened.page.locator(".wb-related button", has_text="tanh").click()
    assert opened.rings("dynamic", "selected") == {"op:3"}


def test_a_source_line_on_which_nothing_happened_cannot_be_selected(opened: Bench) -> None:
    opened.tab("source").click()
    opened.panel("source").get_by_text("class Net").click()
    assert opened.told("selected") == []


def test_a_click_on_a_line_of_ir_selects_the_ir_node(opened: Bench) -> None:
    opened.tab("irtext").click()
    opened.panel("irtext").get_by_text("aten::tanh").click()
    assert opened.told("selected") == ["static/ir:3"]
    assert opened.lines("irtext", "wb-chosen") == ["ir:3"]
    assert opened.rings("dynamic", "linked") == {"op:3"}


def test_ir_lines_show_what_ran_and_what_did_not(opened: Bench) -> None:
    opened.tab("irtext").click()
    assert opened.lines("irtext", "wb-skipped") == ["ir:4"]
    assert opened.lines("irtext", "wb-executed") == ["ir:0", "ir:1", "ir:2", "ir:3"]


def test_nan_is_flagged_on_the_card(opened: Bench) -> None:
    opened.node("dynamic", "op:2").click()
    assert "NaN or Inf" not in opened.card()
    opened.node("dynamic", "op:3").click()
    assert "NaN or Inf" in opened.card()


def test_the_source_link_of_a_card_opens_the_source_pane_at_the_line(opened: Bench) -> None:
    opened.node("dynamic", "op:2").click()
    opened.page.get_by_role("button", name="net.py:4").click()
    expect(opened.panel("source")).to_be_visible()
    assert opened.lines("source", "wb-chosen") == [f"{FILE}:4"]


def test_hovering_tells_name_shape_statistics_and_line(opened: Bench) -> None:
    opened.node("dynamic", "op:2").hover()
    opened.settle()
    words = opened.page.locator(".wb-tip").inner_text().split()
    assert words[:3] == ["linear", "2×3", "float32"]
    assert {"min", "mean", "max", "net.py:4"} <= set(words)
    assert opened.page.locator(".wb-tip .wb-histogram rect").count() > 0


# -- pan and zoom ----------------------------------------------------------------------------------


def test_a_drag_pans_and_is_no_click(opened: Bench) -> None:
    before = opened.centre(opened.node("dynamic", "op:2"))
    opened.page.mouse.move(*before)
    opened.page.mouse.down()
    opened.page.mouse.move(before[0] + 30, before[1] + 20, steps=4)
    opened.page.mouse.up()
    after = opened.centre(opened.node("dynamic", "op:2"))
    assert after == pytest.approx((before[0] + 30, before[1] + 20), abs=1)
    assert opened.told("selected") == []


def test_the_wheel_zooms_at_the_pointer_only_when_asked_to(opened: Bench) -> None:
    before = opened.transform("dynamic")
    spot = opened.centre(opened.node("dynamic", "op:2"))
    opened.page.mouse.move(*spot)
    opened.page.mouse.wheel(0, -100)
    opened.settle()
    assert opened.transform("dynamic") == before
    opened.node("dynamic", "op:2").click()
    opened.page.mouse.wheel(0, -100)
    opened.settle()
    assert opened.transform("dynamic") != before
    assert opened.centre(opened.node("dynamic", "op:2")) == pytest.approx(spot, abs=2)


def test_fit_shows_the_whole_of_a_tall_graph(bench: Bench) -> None:
    data = payload()
    tall = [(f"op:{i}", "op", 150.0, 30.0 + 60 * i) for i in range(60)]
    data["panes"][0]["svg"] = svg_of(tall, [], size="300 3640")
    bench.open(data)
    view = bench.panel("dynamic").locator(".wb-viewport").bounding_box()
    first, last = bench.node("dynamic", "op:0"), bench.node("dynamic", "op:59")
    assert first.bounding_box()["y"] > view["y"]
    assert first.bounding_box()["width"] > 80 * 0.7, "the first show must be readable"
    assert last.bounding_box()["y"] > view["y"] + view["height"]
    bench.panel("dynamic").get_by_text("Fit", exact=True).click()
    bench.page.wait_for_timeout(400)
    assert last.bounding_box()["y"] < view["y"] + view["height"]


def test_a_graph_that_can_be_read_in_whole_begins_so_and_nothing_covers_it(bench: Bench) -> None:
    bench.open(payload())
    view = bench.panel("dynamic").locator(".wb-viewport").bounding_box()
    height = 1.2 * view["height"]  # of a drawing that fits at 0.7 to 1
    last = ("op:9", "op", 150.0, height - 35)  # ends 20 px above the end of the drawing
    data = payload()
    data["panes"][0]["svg"] = svg_of(
        [("op:0", "op", 150.0, 20.0), last], [], size=f"300 {height:.0f}"
    )
    bench.open(data)
    buttons = bench.panel("dynamic").locator(".wb-zoom").bounding_box()
    first, end = (bench.node("dynamic", item).bounding_box() for item in ("op:0", "op:9"))
    assert first["y"] >= view["y"]
    assert end["y"] + end["height"] <= buttons["y"]
    expect(bench.panel("dynamic").locator(".wb-map")).to_be_hidden()


def test_a_linked_node_out_of_view_is_brought_in_and_one_in_view_stays(bench: Bench) -> None:
    data = payload()
    tall = [(f"op:{i}", "op", 150.0, 30.0 + 60 * i) for i in range(60)]
    data["panes"][0]["svg"] = svg_of(tall, [], size="300 3640")
    data["items"]["dynamic"]["op:50"] = {"ops": [9]}
    data["items"]["static"]["ir:4"] = {"ops": [9]}
    bench.open(data)
    before = bench.transform("dynamic")
    bench.node("static", "ir:0").click()
    assert bench.transform("dynamic") == before
    bench.node("static", "ir:4").click()
    bench.page.wait_for_timeout(400)
    view = bench.panel("dynamic").locator(".wb-viewport").bounding_box()
    spot = bench.centre(bench.node("dynamic", "op:50"))
    assert view["y"] < spot[1] < view["y"] + view["height"]


def test_reduced_motion_pans_without_a_transition(browser: Browser) -> None:
    page = browser.new_page(reduced_motion="reduce")
    bench = Bench(page).open(payload())
    bench.panel("dynamic").get_by_role("button", name="Zoom in").click()
    expect(bench.panel("dynamic").locator(".wb-smooth")).to_have_count(0)
    page.close()


# -- keyboard and search ---------------------------------------------------------------------------


def focused(bench: Bench) -> str | None:
    return bench.page.evaluate("document.activeElement.dataset.id ?? null")


def test_arrows_walk_along_edges_and_to_siblings_and_enter_selects(opened: Bench) -> None:
    opened.node("dynamic", "in:x").click()
    opened.press("ArrowDown")
    assert focused(opened) in ("op:0", "op:2"), "both hang on x"
    opened.node("dynamic", "op:0").click()
    opened.press("ArrowDown")
    assert focused(opened) == "op:1"
    opened.press("ArrowRight")
    assert focused(opened) == "op:2"
    opened.press("ArrowDown", "ArrowUp", "ArrowUp")
    assert focused(opened) == "in:x"
    opened.press("ArrowDown", "Enter")
    assert opened.told("selected")[-1] == f"dynamic/{focused(opened)}"
    opened.press("Escape")
    assert opened.told("selected")[-1] is None
    assert "Click a node" in opened.card()


def test_a_graph_can_be_entered_and_zoomed_by_keyboard_alone(opened: Bench) -> None:
    opened.panel("dynamic").locator(".wb-viewport").focus()
    opened.press("ArrowDown")
    assert focused(opened) is not None
    before = opened.transform("dynamic")
    opened.press("+")
    assert opened.transform("dynamic") != before
    opened.press("0")
    assert opened.transform("dynamic").endswith("scale(1)")


def test_search_counts_matches_and_walks_them(opened: Bench) -> None:
    opened.node("dynamic", "in:x").click()
    opened.press("/")
    opened.page.keyboard.type("FC net.py:4")
    opened.settle()
    count = opened.panel("dynamic").locator(".wb-count")
    assert opened.rings("dynamic", "match") == {"op:2", "op:3"}
    expect(count).to_have_text("–/2")
    opened.press("Enter")
    expect(count).to_have_text("1/2")
    assert opened.rings("dynamic", "selected") == {"op:2"}
    opened.press("Enter")
    assert opened.rings("dynamic", "selected") == {"op:3"}
    opened.press("Escape")
    assert focused(opened) == "op:3", "leaving the search leads to the match"
    assert opened.rings("dynamic", "match") == set()


def test_n_repeats_a_search_and_no_match_is_said(opened: Bench) -> None:
    search = opened.panel("dynamic").locator("input[type=search]")
    search.fill("op:")
    opened.node("dynamic", "in:x").click()
    opened.press("n")
    assert opened.rings("dynamic", "selected") == {"op:0"}
    opened.press("n", "n")
    assert opened.rings("dynamic", "selected") == {"op:2"}
    opened.press("Shift+N")
    assert opened.rings("dynamic", "selected") == {"op:1"}
    search.fill("nothing like it")
    expect(opened.panel("dynamic").locator(".wb-count")).to_have_text("no match")


def test_help_lists_the_keys_and_gives_the_focus_back(opened: Bench) -> None:
    opened.node("dynamic", "op:2").click()
    opened.press("?")
    sheet = opened.page.get_by_role("dialog")
    for text in ("Double click", "wheel", "Esc", "Shift+N"):
        expect(sheet).to_contain_text(text)
    opened.press("Escape")
    assert sheet.is_hidden()
    assert focused(opened) == "op:2"
    assert opened.rings("dynamic", "selected") == {"op:2"}, "Esc closed the help, nothing else"


def test_single_keys_do_not_reach_the_page(opened: Bench) -> None:
    opened.page.evaluate("window.keys = []; addEventListener('keydown', e => keys.push(e.key))")
    opened.panel("dynamic").locator("input[type=search]").focus()
    opened.page.keyboard.type("rc")
    assert opened.page.evaluate("keys") == [], "Streamlit would rerun and clear its cache"


# -- layout ----------------------------------------------------------------------------------------


def left_width(bench: Bench) -> float:
    return float(bench.page.locator(".wb-side[data-side=left]").bounding_box()["width"])


def test_the_splitter_moves_by_pointer_and_by_keyboard(opened: Bench) -> None:
    splitter, start = (
        opened.page.get_by_role("separator", name="Width of the left pane"),
        left_width(opened),
    )
    x, y = opened.centre(splitter)
    opened.page.mouse.move(x, y)
    opened.page.mouse.down()
    opened.page.mouse.move(x + 100, y, steps=3)
    opened.page.mouse.up()
    assert left_width(opened) == pytest.approx(start + 100, abs=3)
    opened.press("ArrowLeft")
    assert left_width(opened) < start + 90
    opened.press("Home")
    assert splitter.get_attribute("aria-valuenow") == "20"
    splitter.dblclick()
    assert left_width(opened) == pytest.approx(start, abs=2)


def test_tabs_follow_the_arrow_keys(opened: Bench) -> None:
    opened.tab("static").focus()
    opened.press("ArrowRight")
    expect(opened.panel("irtext")).to_be_visible()
    assert opened.panel("static").is_hidden()
    assert opened.tab("irtext").get_attribute("aria-selected") == "true"
    opened.press("End", "ArrowRight")
    expect(opened.panel("static")).to_be_visible()


def test_a_maximised_pane_fills_the_width_and_esc_restores_it(opened: Bench) -> None:
    half = left_width(opened)
    opened.page.get_by_role("button", name="Maximise this pane").first.click()
    assert left_width(opened) > 1.9 * half
    assert opened.panel("static").is_hidden()
    opened.press("Escape")
    assert left_width(opened) == half


def test_below_900_px_the_panes_stand_below_each_other(opened: Bench) -> None:
    opened.page.set_viewport_size({"width": 800, "height": 900})
    opened.settle()
    left, right = (
        opened.page.locator(f".wb-side[data-side={s}]").bounding_box() for s in ("left", "right")
    )
    assert right["y"] >= left["y"] + left["height"]
    assert left["width"] == pytest.approx(right["width"])
    assert opened.page.evaluate("document.documentElement.scrollWidth") <= 800


def test_the_legend_lists_the_kinds_that_are_drawn(opened: Bench) -> None:
    opened.panel("dynamic").get_by_text("Legend").click()
    names = opened.panel("dynamic").locator(".wb-legend li").all_inner_texts()
    expected = ["input", "decision (tensor became a Python value)", "operation", "output"]
    assert sorted(names) == sorted([*expected, "NaN or Inf", "data"])


# -- boxes -----------------------------------------------------------------------------------------


def boxed(opened: bool) -> dict[str, Any]:
    """A payload with one box, far from the corner; open, the drawing is twice as wide."""
    data = payload()
    toggle = '<g class="box-toggle" data-id="module:fc">'
    toggle += '<rect x="{x}" y="{y}" width="14" height="14"/></g>'
    if opened:
        box = '<g class="box module" data-id="module:fc">'
        box += '<rect x="330" y="90" width="200" height="140"/>'
        box += '<text class="box-title" x="400" y="105">fc</text>'
        box += toggle.format(x=335, y=94) + "</g>"
        nodes = [("in:x", "input", 300, 30), ("op:2", "op", 430, 160)]
        svg = svg_of(nodes, [("in:x", "op:2")], box, size="600 420")  # type: ignore[arg-type]
    else:
        nodes = [("in:x", "input", 150, 30), ("module:fc", "box", 200, 200)]
        svg = svg_of(nodes, [("in:x", "module:fc")])  # type: ignore[arg-type]
        svg = svg.replace(">module:fc</text>", ">fc</text>" + toggle.format(x=2, y=2))
    data["panes"][0]["svg"] = svg
    data["items"]["dynamic"]["module:fc"] = {"ops": [2], "card": "c2"}
    return data


def test_a_closed_box_opens_by_toggle_double_click_and_space(bench: Bench) -> None:
    bench.open(boxed(False))
    box = bench.node("dynamic", "module:fc")
    box.locator(".box-toggle").click()
    box.dblclick()
    bench.press("Space")
    told = bench.told("toggle")
    assert [(t["pane"], t["id"]) for t in told] == [("dynamic", "module:fc")] * 3
    assert [t["n"] for t in told] == [1, 2, 3], "each one is a new event for Streamlit"


def test_space_closes_the_box_around_the_focused_node(bench: Bench) -> None:
    bench.open(boxed(True))
    bench.node("dynamic", "op:2").click()
    bench.press("Space")
    assert [t["id"] for t in bench.told("toggle")] == ["module:fc"]


def test_a_toggled_box_stays_where_it_was(bench: Bench) -> None:
    bench.open(boxed(False))
    before = bench.node("dynamic", "module:fc").bounding_box()
    bench.node("dynamic", "module:fc").locator(".box-toggle").click()
    bench.show(boxed(True))
    frame = bench.panel("dynamic").locator('.box[data-id="module:fc"]')
    after = frame.bounding_box()
    assert (after["x"], after["y"]) == pytest.approx((before["x"], before["y"]), abs=2)
    frame.locator(".box-toggle").click()
    bench.show(boxed(False))
    again = bench.node("dynamic", "module:fc").bounding_box()
    assert (again["x"], again["y"]) == pytest.approx((before["x"], before["y"]), abs=3)


def test_a_click_on_a_box_title_selects_the_box(bench: Bench) -> None:
    bench.open(boxed(True))
    bench.panel("dynamic").locator(".box-title").click()
    assert bench.told("selected") == ["dynamic/module:fc"]
    assert bench.rings("static", "linked") == {"ir:2"}


# -- new data --------------------------------------------------------------------------------------


def test_tabs_view_split_and_selection_survive_new_data(bench: Bench) -> None:
    bench.open(payload(), shadow=True)
    bench.node("dynamic", "op:2").click()
    bench.tab("source").click()
    bench.panel("dynamic").get_by_role("button", name="Zoom in").click()
    bench.page.get_by_role("separator", name="Width of the left pane").focus()
    bench.press("ArrowRight", "ArrowRight")
    bench.page.wait_for_timeout(400)
    before, width = bench.transform("dynamic"), left_width(bench)

    data = payload()
    data["key"] = "second"
    data["panes"][0]["svg"] = DYNAMIC.replace(">out:y<", ">result<")
    data["cards"]["c2"]["title"] = "linear of the second input"
    bench.show(data)
    assert bench.transform("dynamic") == before
    assert left_width(bench) == width
    expect(bench.panel("source")).to_be_visible()
    assert bench.rings("dynamic", "selected") == {"op:2"}
    assert "linear of the second input" in bench.card()
    assert bench.told("selected") == ["dynamic/op:2"], "new data is no click"


def test_a_selection_that_is_gone_clears_the_card_and_comes_back_with_its_node(
    opened: Bench,
) -> None:
    opened.node("dynamic", "op:3").click()
    data = payload()
    data["panes"][0]["svg"] = svg_of([("in:x", "input", 150, 30)], [])
    data["items"]["dynamic"] = {}
    opened.show(data)
    assert "Click a node" in opened.card()
    assert opened.rings("static", "linked") == set()
    opened.show(payload())
    assert "tanh" in opened.card()


def test_a_drawing_that_did_not_change_is_kept(opened: Bench) -> None:
    opened.node("dynamic", "op:2").evaluate("node => { node.marked = true }")
    opened.show(payload())
    assert opened.node("dynamic", "op:2").evaluate("node => node.marked === true")


def test_panes_come_and_go_with_the_data(opened: Bench) -> None:
    opened.tab("backward").click()
    data = payload()
    del data["panes"][1]
    opened.show(data)
    expect(opened.tab("backward")).to_have_count(0)
    expect(opened.panel("dynamic")).to_be_visible()


def test_a_deep_link_selects_and_opens_its_pane(bench: Bench) -> None:
    bench.open({**payload(), "selected": "backward/grad:1", "selected_seq": 1})
    expect(bench.panel("backward")).to_be_visible()
    assert bench.rings("backward", "selected") == {"grad:1"}
    assert bench.told("selected") == [], "Python need not be told what it said"


def test_a_stale_echo_does_not_undo_a_click_but_a_new_command_does(opened: Bench) -> None:
    opened.show({**payload(), "selected": "dynamic/op:0", "selected_seq": 1})
    assert opened.rings("dynamic", "selected") == {"op:0"}
    opened.node("dynamic", "op:3").click()
    opened.show({**payload(), "selected": "dynamic/op:0", "selected_seq": 1})
    assert opened.rings("dynamic", "selected") == {"op:3"}
    opened.show({**payload(), "selected": "dynamic/op:0", "selected_seq": 2})
    assert opened.rings("dynamic", "selected") == {"op:0"}
    opened.show({**payload(), "selected": None, "selected_seq": 3})
    assert opened.rings("dynamic", "selected") == set()


def test_cleanup_removes_the_workbench_and_a_new_mount_remembers(opened: Bench) -> None:
    opened.tab("source").click()
    opened.page.evaluate("cleanup()")
    expect(opened.page.locator(".wb")).to_have_count(0)
    opened.show(payload())
    expect(opened.panel("source")).to_be_visible()


# -- theme -----------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("background", "theme"),
    [("#0e1117", "dark"), ("rgb(255, 255, 255)", "light"), ("oldlace", "light")],
)
def test_the_theme_follows_streamlits_background(bench: Bench, background: str, theme: str) -> None:
    data = payload()
    del data["theme"]
    bench.open(data, shadow=True, style=f"--st-background-color: {background}")
    assert bench.page.locator(".wb").get_attribute("data-theme") == theme


def test_alone_the_theme_follows_the_system(browser: Browser) -> None:
    page = browser.new_page(color_scheme="dark")
    data = payload()
    del data["theme"]
    bench = Bench(page).open(data)
    assert page.locator(".wb").get_attribute("data-theme") == "dark"
    page.emulate_media(color_scheme="light")
    bench.settle()
    assert page.locator(".wb").get_attribute("data-theme") == "light"
    page.close()


# -- bad input -------------------------------------------------------------------------------------

HOSTILE = "<img src=x onerror=window.pwned=1><script>window.pwned=1</script>\"'&🔥\n"


def hostile() -> dict[str, Any]:
    data = copy.deepcopy(payload())
    evil = {**card("linear", 4), "title": HOSTILE, "subtitle": HOSTILE, "note": HOSTILE}
    evil["rows"] = [[HOSTILE, HOSTILE]]
    evil["tensors"] = [{**evil["tensors"][0], "name": HOSTILE, "sample": HOSTILE, "shape": HOSTILE}]
    evil["source"] = {"file": HOSTILE, "path": HOSTILE, "line": 1, "text": HOSTILE}
    data["cards"]["c2"] = evil
    for pane in data["panes"]:
        pane["title"] = pane["note"] = HOSTILE
    data["panes"][3]["lines"][0]["text"] = HOSTILE
    data["panes"][4]["files"][0] |= {"name": HOSTILE, "lines": [HOSTILE] * 5}
    data["panes"][0]["svg"] = DYNAMIC.replace(
        '<rect class="outline"',
        '<script>window.pwned=1</script><foreignObject><img xmlns="http://www.w3.org/1999/xhtml" '
        'src="x" onerror="window.pwned=1"/></foreignObject>'
        '<image href="x" onerror="window.pwned=1"/>'
        '<animate attributeName="x" onbegin="window.pwned=1"/>'
        '<a href="javascript:window.pwned=1"/>'
        '<rect onclick="window.pwned=1" onmouseover="window.pwned=1" '
        'style="fill:url(http://x.invalid/)" class="outline"',
    )
    return data


def test_hostile_strings_are_shown_and_not_run(bench: Bench) -> None:
    bench.open(hostile())
    bench.node("dynamic", "op:2").click()
    bench.tab("source").click()
    bench.tab("irtext").click()
    bench.panel("dynamic").get_by_text("Legend").click()
    bench.page.wait_for_timeout(300)
    assert bench.page.evaluate("window.pwned ?? null") is None
    bad = bench.page.locator(".wb :is(img, script, foreignObject, image, animate, a, iframe)")
    expect(bad).to_have_count(0)
    attributes = bench.page.locator(".wb *").evaluate_all(
        "all => all.flatMap(el => [...el.attributes]).map(a => a.name).filter(n => /^on/i.test(n))"
    )
    assert attributes == []
    assert "<img src=x onerror" in bench.card()


@pytest.mark.parametrize("broken", [None, "", "<svg", "<html/>", "plain text", "<svg><g></svg>"])
def test_without_a_drawing_the_pane_says_why(bench: Bench, broken: str | None) -> None:
    data = payload()
    data["panes"][1] |= {"svg": broken, "empty": "No backward pass was recorded."}
    bench.open(data)
    bench.tab("backward").click()
    expect(bench.panel("backward")).to_contain_text("No backward pass was recorded.")
    bench.node("static", "ir:2").click()
    assert "ir:2" in bench.card(), "the other panes go on working"


def test_almost_nothing_can_be_drawn(bench: Bench) -> None:
    bench.open({"panes": []})
    bench.show({"panes": [{"id": "only", "side": "left", "title": "Only", "svg": BACKWARD}]})
    expect(bench.node("only", "grad:0")).to_be_visible()
    bench.node("only", "grad:0").click()
    assert "grad:0" in bench.card()
