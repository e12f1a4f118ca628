"""The workbench in a real browser: frame times while panning, and how long a click takes.

    python benchmarks/browser.py [NODES ...]

Prints one row per size. Frames are timed by `requestAnimationFrame` while a mouse drags the graph
(the minimap follows); a click is timed until its script is done, and until the frame after the card
was drawn. The drawing is a grid of ops, made without Graphviz: what is measured is the browser.
Needs Playwright and a Chromium (`$CHROMIUM`, else the one on PATH).
"""

from __future__ import annotations

import os
import shutil
import statistics
import sys
from collections.abc import Sequence
from typing import Any

from playwright.sync_api import Page, sync_playwright

from inspector.render.layout import EdgePath, Layout, Point, Rect
from inspector.render.measure import node_size
from inspector.render.svg import to_svg
from inspector.render.workbench import script_text, style_text, theme_css
from inspector.views import GraphView, ViewEdge, ViewNode

SIZES = (1_000, 5_000)
COLUMNS = 25
STEP = (130.0, 90.0)
CLICKS = 15
HEADER = (
    "| nodes | shown after, ms | frame p50, ms | frame p95, ms | heat on: p95, ms "
    "| click: script p50, ms | p95, ms | to card p50, ms | p95, ms | all producers, ms |\n"
    "|--:|--:|--:|--:|--:|--:|--:|--:|--:|--:|"
)
WATCH = """() => {
  window.frames_ = []; window.watching = true; let last = null;
  const tick = (now) => {
    if (last !== null) frames_.push(now - last);
    last = now;
    if (watching) requestAnimationFrame(tick);
  };
  requestAnimationFrame(tick);
}"""
CLICK = """node => new Promise((done) => {
  const start = performance.now();
  node.dispatchEvent(new MouseEvent("click", {bubbles: true}));
  const script = performance.now() - start;
  requestAnimationFrame(() => setTimeout(() => done([script, performance.now() - start])));
})"""
SHOW = """async ([js, data]) => {
  const url = URL.createObjectURL(new Blob([js], {type: "text/javascript"}));
  const module = await import(url);
  const start = performance.now();
  module.mountWorkbench(document.getElementById("host"), data);
  await new Promise((done) => requestAnimationFrame(() => setTimeout(done)));
  return performance.now() - start;
}"""


def main() -> None:
    """Print the table."""
    sizes = [int(word) for word in sys.argv[1:]] or SIZES
    path = os.environ.get("CHROMIUM") or shutil.which("chromium") or shutil.which("google-chrome")
    print(HEADER)
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=path, args=["--no-sandbox"])
        for size in sizes:
            page = browser.new_page(viewport={"width": 1280, "height": 800})
            print(row(page, size), flush=True)
            page.close()
        browser.close()


def row(page: Page, size: int) -> str:
    """The numbers of one size, as a line of the table."""
    page.set_content(
        f"<!doctype html><style>html, body, #host {{ margin: 0; height: 100% }} {style_text()}"
        '</style><div id="host"></div>'
    )
    shown = page.evaluate(SHOW, [script_text(), payload(size)])
    frames = panned(page)
    clicks = [page.locator(".node").nth(17 * i % size).evaluate(CLICK) for i in range(CLICKS)]
    scripts, cards = zip(*clicks, strict=True)
    page.locator(".node").nth(size - 1).evaluate(CLICK)
    traced = traced_after(page)
    page.keyboard.press("Escape")
    page.locator(".wb-heat-by").select_option("time")
    heated = panned(page)
    numbers = (shown, percentile(frames, 50), percentile(frames, 95), percentile(heated, 95))
    clicked = [percentile(times, percent) for times in (scripts, cards) for percent in (50, 95)]
    cells = [*numbers, *clicked, traced]
    return f"| {size:,} | " + " | ".join(f"{number:.1f}" for number in cells) + " |"


def panned(page: Page) -> list[float]:
    """Frame times in ms while the graph is dragged to and fro."""
    page.mouse.move(600, 400)
    page.mouse.down()
    page.mouse.move(590, 390)
    page.evaluate(WATCH)
    for turn in range(4):
        page.mouse.move(200 if turn % 2 else 900, 150 if turn % 2 else 450, steps=60)
    times: list[float] = page.evaluate("() => { watching = false; return frames_; }")
    page.mouse.up()
    return times


def traced_after(page: Page) -> float:
    """ms until all producers of the selected node, the last one, are lit."""
    page.locator(".wb-viewport").focus()
    took: float = page.evaluate(
        """() => new Promise((done) => {
          const pane = document.querySelector(".wb-viewport");
          const start = performance.now();
          const key = {key: "p", bubbles: true, cancelable: true};
          pane.dispatchEvent(new KeyboardEvent("keydown", key));
          requestAnimationFrame(() => setTimeout(() => done(performance.now() - start)));
        })"""
    )
    lit = page.locator(".node.wb-path").count()
    assert lit > COLUMNS, f"only {lit} producers are lit"
    return took


def percentile(values: Sequence[float], percent: int) -> float:
    """That percentile, at least of two values."""
    return statistics.quantiles(values, n=100, method="inclusive")[percent - 1]


def payload(size: int) -> dict[str, Any]:
    """A pane with that many ops, each with a card and a measured time."""
    view, places = grid(size)
    cards = {f"dynamic/{node.id}": card(node) for node in view.nodes}
    items = {
        node.id: {"ops": list(node.ops), "source": None, "card": f"dynamic/{node.id}"}
        for node in view.nodes
    }
    values = {
        node.id: [index % 97 / 96, f"{index % 97} µs"] for index, node in enumerate(view.nodes)
    }
    about = {"id": "time", "label": "time", "scale": "log", "low": "0 µs", "high": "96 µs"}
    pane = {"id": "dynamic", "side": "left", "title": "Dynamic graph", "svg": to_svg(view, places)}
    return {
        "key": "grid",
        "css": theme_css(),
        "theme": "light",
        "panes": [pane],
        "items": {"dynamic": items},
        "cards": cards,
        "heat": {"dynamic": [{**about, "values": values}]},
    }


def card(node: ViewNode) -> dict[str, Any]:
    """A card as long as a usual one."""
    stats = [[name, "0.125"] for name in ("min", "max", "mean", "std", "NaN", "Inf", "zeros")]
    tensor = {"name": "%1", "shape": "64×128", "dtype": "float32", "stats": stats}
    tensors = [{"role": role, **tensor} for role in ("output", "gradient", "input", "input")]
    return {"title": node.title, "kind": "op", "rows": [["module", "enc"]], "tensors": tensors}


def grid(size: int) -> tuple[GraphView, Layout]:
    """Ops in rows; each takes what two ops of the row above made."""
    nodes = tuple(ViewNode(f"op:{i}", "op", f"relu_{i}", "64×128", ops=(i,)) for i in range(size))
    rects = {
        node.id: Rect(40 + i % COLUMNS * STEP[0], 40 + i // COLUMNS * STEP[1], *node_size(node))
        for i, node in enumerate(nodes)
    }
    pairs = [
        (above, i)
        for i in range(COLUMNS, size)
        for above in (i - COLUMNS, i - COLUMNS + (1 if (i + 1) % COLUMNS else 0))
    ]
    edges = tuple(ViewEdge(f"op:{a}", f"op:{b}", "64×128") for a, b in dict.fromkeys(pairs))
    paths = tuple(
        path_of(index, edge, rects[edge.source], rects[edge.target])
        for index, edge in enumerate(edges)
    )
    width, height = COLUMNS * STEP[0] + 80, (size // COLUMNS + 1) * STEP[1] + 80
    return GraphView("grid", nodes, edges), Layout(width, height, rects, paths, {})


def path_of(index: int, edge: ViewEdge, above: Rect, below: Rect) -> EdgePath:
    """A curve from the lower edge of one node to the upper edge of another."""
    x0, y0 = above.x + above.w / 2, above.y + above.h
    x1, y1 = below.x + below.w / 2, below.y - 8
    middle = (y0 + y1) / 2
    points = (Point(x0, y0), Point(x0, middle), Point(x1, middle), Point(x1, y1))
    return EdgePath(index, edge.source, edge.target, points, Point((x0 + x1) / 2, middle))


if __name__ == "__main__":
    main()
