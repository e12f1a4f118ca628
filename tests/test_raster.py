"""PNG and PDF of our own drawing: the same picture as the SVG, of any size, with texts as texts."""

from __future__ import annotations

import io
import math
import re
import zlib
from xml.etree import ElementTree

import numpy as np
import pytest
import torch
from PIL import Image

import sample_models
from inspector import record
from inspector.errors import RenderError
from inspector.render.export import to_bytes
from inspector.render.layout import layout, run_graphviz
from inspector.render.raster import LONGEST_PAGE, LONGEST_SIDE, MOST_PIXELS, from_svg
from inspector.render.raster.curves import chains, circle, halved
from inspector.render.raster.styles import StyleSheet
from inspector.render.raster.write import scale_of
from inspector.render.svg import to_svg
from inspector.render.theme import THEMES
from inspector.render.workbench import Shown
from inspector.views import GraphView, ViewBox, ViewEdge, ViewNode, default_open

HOSTILE = 'a\\" b\\\\ \\N \\" & <b> %s 日本'


def small(title: str = "relu") -> GraphView:
    nodes = (
        ViewNode("x", "input", "x", "2×3"),
        ViewNode("a", "op", title, "sub", "×3", "b", ("failed", "inplace")),
        ViewNode("d", "decision", "True", "bool"),
    )
    edges = (ViewEdge("x", "a", "2×3"), ViewEdge("a", "d", "h", "control"))
    return GraphView("small", nodes, edges, (ViewBox("b", "fc", subtitle="Linear"),))


def pixels(data: bytes) -> np.ndarray:
    return np.asarray(Image.open(io.BytesIO(data)).convert("RGB")).astype(int)


def rgb(colour: str) -> np.ndarray:
    return np.array([int(colour[i : i + 2], 16) for i in (1, 3, 5)])


def page_of(pdf: bytes) -> tuple[float, float]:
    box = re.search(rb"MediaBox \[ *0 0 (\S+) (\S+) *\]", pdf)
    assert box is not None
    return float(box[1]), float(box[2])


# Styles: which rule wins, by hand


def test_the_more_telling_selector_wins_and_the_later_one_of_equals() -> None:
    sheet = StyleSheet(
        ".graph text { fill: a } .graph .node .title { fill: b; } /* fill: z */"
        ".node.op > :is(.title, .subtitle) { fill: c } .box:not(.node) > rect { stroke: d }"
        ".node:hover .title { fill: e } text { fill: f; stroke: g }"
    )
    root = sheet.style("svg", "graph", None)
    node = sheet.style("g", "node op", root)
    assert sheet.style("text", "", root).style == {"fill": "a", "stroke": "g"}
    assert sheet.style("text", "title", node).style == {"fill": "c", "stroke": "g"}
    inner = sheet.style("text", "title", sheet.style("g", "", node))
    assert inner.style["fill"] == "b"  # no child of the node itself
    box, closed = sheet.style("g", "box", root), sheet.style("g", "node box", root)
    assert sheet.style("rect", "", box).style == {"stroke": "d"}
    assert sheet.style("rect", "", closed).style == {}


def test_a_style_is_handed_down() -> None:
    sheet = StyleSheet(".graph { font-family: sans; fill: a }")
    outer = sheet.style("svg", "graph", None)
    assert sheet.style("text", "", sheet.style("g", "x", outer)).style["font-family"] == "sans"


# Curves


def test_a_path_of_lines_keeps_its_points() -> None:
    (found,) = chains("M1 2 H5 V7 L-3,4 Z")
    assert found.points == [(1, 2), (5, 2), (5, 7), (-3, 4), (1, 2)]
    assert (found.straight, found.closed) == (True, True)
    assert [chain.points for chain in chains("M0,0 L1,1 M2,2 L3,3")] == [
        [(0, 0), (1, 1)], [(2, 2), (3, 3)]
    ]  # fmt: skip


def test_every_point_of_an_arc_has_the_circles_radius() -> None:
    for chain in (chains("M10 0 A10 10 0 0 1 0 10")[0], circle(0, 0, 10)):
        points = np.array(chain.points)
        for at in range(0, len(points) - 1, 3):
            for t in np.linspace(0, 1, 7):
                weights = [(1 - t) ** 3, 3 * t * (1 - t) ** 2, 3 * t * t * (1 - t), t**3]
                assert math.hypot(*(weights @ points[at : at + 4])) == pytest.approx(10, abs=0.01)


def test_a_large_arc_goes_the_long_way_round() -> None:
    short = chains("M10 0 A10 10 0 0 1 0 10")[0].points
    long = chains("M10 0 A10 10 0 1 0 0 10")[0].points
    assert len(short) == 1 + 3
    assert len(long) == 1 + 9
    assert min(x for x, _ in long) == pytest.approx(-10, abs=0.6)


def test_a_curve_in_two_halves_is_the_same_curve() -> None:
    whole = np.array([(0, 0), (0, 40), (30, 40), (30, 0)])
    halves = np.array(halved([(0.0, 0.0), (0.0, 40.0), (30.0, 40.0), (30.0, 0.0)]))
    assert len(halves) == 7
    for t in np.linspace(0, 1, 9):
        half, place = divmod(2 * t, 1) if t < 1 else (1, 1.0)
        part = halves[3 * int(half) : 3 * int(half) + 4]
        assert _at(part, place) == pytest.approx(_at(whole, t))


def _at(curve: np.ndarray, t: float) -> np.ndarray:
    return np.array([(1 - t) ** 3, 3 * t * (1 - t) ** 2, 3 * t * t * (1 - t), t**3]) @ curve


def test_an_unknown_command_is_refused() -> None:
    with pytest.raises(ValueError, match="'Q'"):
        chains("M0 0 Q1 1 2 2")


# The scale


def test_a_picture_has_two_pixels_for_each_px_and_less_where_it_is_too_large() -> None:
    assert scale_of(500, 400, "png") == 2
    assert scale_of(500, 20_000, "png") * 20_000 == pytest.approx(LONGEST_SIDE)
    scale = scale_of(12_000, 12_000, "png")
    assert (12_000 * scale) ** 2 == pytest.approx(MOST_PIXELS)
    assert scale_of(500, 400, "pdf") == 0.75  # a px is 1/96 of an inch, a point 1/72
    assert scale_of(500, 40_000, "pdf") * 40_000 == pytest.approx(LONGEST_PAGE)


# Pictures


@pytest.mark.parametrize("theme", THEMES)
def test_the_png_has_the_svgs_size_its_background_and_its_colours_in_their_places(
    theme: str,
) -> None:
    view = small()
    drawn = layout(view)
    image = pixels(to_bytes(view, "png", theme))
    height, width, _ = image.shape
    assert (width, height) == pytest.approx((2 * drawn.width, 2 * drawn.height), abs=4)
    colours = THEMES[theme]
    assert np.abs(image[3, 3] - rgb(colours["canvas"])).max() <= 2
    for name, role in (("x", "input-fill"), ("a", "failed-fill"), ("d", "decision-fill")):
        x, y, w, h = drawn.nodes[name]
        inside = image[round(2 * (y + h * 0.7)), round(2 * (x + w * 0.32)) :][:3]
        near = image[round(2 * y) : round(2 * (y + h)), round(2 * x) : round(2 * (x + w))]
        same = np.abs(near - rgb(colours[role])).max(axis=2) <= 2
        assert same.mean() > 0.25, (name, inside)
    box = drawn.boxes["b"]
    at = image[round(2 * (box.y + box.h - 8)), round(2 * (box.x + box.w / 2 + 30))]
    assert np.abs(at - rgb(colours["box-fill"])).max() <= 2


def test_texts_stand_where_the_svg_has_them() -> None:
    view = GraphView("v", (ViewNode("a", "op", "mmmm"),), ())
    drawn = layout(view)
    image = pixels(to_bytes(view, "png"))
    x, y, w, _ = (2 * number for number in drawn.nodes["a"])
    dark = np.abs(image - rgb(THEMES["light"]["text"])).sum(axis=2) < 60
    rows, columns = np.where(dark)
    assert columns.mean() == pytest.approx(x + w / 2, abs=6)
    root = ElementTree.fromstring(to_svg(view, drawn))
    text = next(item for item in root.iter() if item.get("class") == "title")
    base = y + 2 * float(text.get("y"))
    assert rows.max() == pytest.approx(base, abs=4)


def test_a_pdf_is_one_page_of_the_svgs_size_with_texts_and_fonts() -> None:
    view = small()
    drawn = layout(view)
    data = to_bytes(view, "pdf")
    assert data.startswith(b"%PDF-")
    assert page_of(data) == pytest.approx((0.75 * drawn.width, 0.75 * drawn.height), abs=3)
    assert len(re.findall(rb"/Type /Page\b", data)) == 1
    assert b"/Type /Font" in data
    assert b"/Subtype /Image" not in data
    streams = re.findall(rb"stream\r?\n(.*?)\r?\nendstream", data, re.S)
    content = b"".join(_inflated(stream) for stream in streams)
    # x, 2×3 (node, edge); relu, sub, ×3; True, bool; h; fc, Linear.
    assert len(re.findall(rb"T[jJ]\b", content)) >= 9


def _inflated(stream: bytes) -> bytes:
    try:
        return zlib.decompress(stream)
    except zlib.error:
        return b""


def test_the_drawing_is_the_same_in_graphvizs_own_svg_with_its_texts_as_they_are() -> None:
    view = small(HOSTILE)
    drawn = to_svg(view, layout(view), standalone=True)
    root = ElementTree.fromstring(from_svg(drawn, "svg", "light", timeout=20, size="small"))
    texts = ["".join(item.itertext()) for item in root.iter() if item.tag.endswith("}text")]
    assert HOSTILE in texts
    assert {"x", "2×3", "True", "bool", "fc", "Linear", "×3", "h"} <= set(texts)


def test_what_is_no_drawing_is_refused_in_words() -> None:
    with pytest.raises(RenderError, match="cannot be written as PNG"):
        from_svg("<svg", "png", "light", timeout=5, size="2 nodes")


def test_three_thousand_nodes_are_a_png_and_a_pdf_within_the_limits() -> None:
    nodes = tuple(ViewNode(f"op:{i}", "op", f"relu {i}", "4×8") for i in range(3000))
    edges = tuple(ViewEdge(f"op:{(i - 1) // 2}", f"op:{i}", "h 4×8") for i in range(1, 3000))
    view = GraphView("big", nodes, edges)
    image = Image.open(io.BytesIO(to_bytes(view, "png", timeout=60)))
    assert max(image.size) <= LONGEST_SIDE + 2
    assert image.size[0] * image.size[1] <= MOST_PIXELS * 1.01
    assert (np.asarray(image.convert("L").reduce(8)) < 250).mean() > 0.05
    width, height = page_of(to_bytes(view, "pdf", timeout=60))
    assert max(width, height) <= LONGEST_PAGE + 1


def test_an_empty_view_is_a_picture_too() -> None:
    image = pixels(to_bytes(GraphView("none", (), ()), "png"))
    assert (image != image[0, 0]).any(), "it says that there is nothing to show"


@pytest.mark.parametrize("sample", sample_models.catalog().values(), ids=lambda s: s.name)
def test_every_pane_of_every_sample_is_drawn_in_every_format(sample: sample_models.Sample) -> None:
    torch.manual_seed(0)
    given = next(iter(sample.inputs.values()))
    run = record(sample.build(), *given.make(), loss=sample.loss)
    for pane, view in Shown(run, opened=default_open(run)).views().items():
        drawn = to_bytes(view, "svg", "dark")
        root = ElementTree.fromstring(drawn)
        image = Image.open(io.BytesIO(to_bytes(view, "png", "dark")))
        size = float(root.get("width", 0)), float(root.get("height", 0))
        scale = scale_of(*size, "png")
        assert image.size == pytest.approx([scale * side for side in size], abs=4), pane
        small = np.asarray(image.convert("RGB").reduce(4)).astype(int)
        assert (np.abs(small - small[0, 0]).sum(axis=2) > 30).mean() > 0.01, pane
        assert to_bytes(view, "pdf").startswith(b"%PDF-"), pane
        assert run_graphviz(to_bytes(view, "dot").decode(), "svg", 30).startswith(b"<?xml"), pane
