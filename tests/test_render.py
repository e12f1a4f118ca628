"""Pictures: DOT text, positions, SVG, files, and what happens when Graphviz hangs or is missing."""

from __future__ import annotations

import importlib
import itertools
import json
import os
import re
import stat
import subprocess
import sys
import time
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from xml.etree import ElementTree

import pygraphviz
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from inspector.errors import GraphvizMissing, GraphvizTimeout, RenderError
from inspector.render import drawer, pool, process, theme
from inspector.render.dot import quote, to_dot
from inspector.render.export import to_bytes
from inspector.render.layout import Layout, Rect, layout, run_graphviz
from inspector.render.measure import clip, text_width
from inspector.render.svg import to_svg
from inspector.views.model import NODE_FLAGS, NODE_KINDS, GraphView, ViewBox, ViewEdge, ViewNode

layout_module = importlib.import_module("inspector.render.layout")

SVG = "{http://www.w3.org/2000/svg}"
HOSTILE = (
    "",
    " ",
    '"quoted"',
    "back\\slash\\",
    'both\\"',
    "<script>alert(1)</script>",
    "&amp; & &lt;",
    "\\N \\G \\l",
    "]]> -->",
    "two\nlines\r\nhere",
    "nul\x00 bell\x07 escape\x1b",
    "right-to-left \u202e override",
    "emoji 👩‍🔬 🔥",
    "漢字",
    "lone \ud800 surrogate",
    "\ufffe\uffff",
    "x" * 5000,
    "{a|b} -> c; d:e",
)


@pytest.fixture(autouse=True)
def fresh(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("INSPECTOR_DOT", raising=False)
    drawer.MEMORY.clear()


@pytest.fixture
def dot_program(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Callable[[str], Path]:
    """Make INSPECTOR_DOT a shell script with the given body."""

    def make(body: str) -> Path:
        script = tmp_path / "fake dot"
        script.write_text(f"#!/bin/sh\n{body}\n")
        script.chmod(script.stat().st_mode | stat.S_IXUSR)
        monkeypatch.setenv("INSPECTOR_DOT", str(script))
        return script

    return make


def diamond() -> GraphView:
    """x feeds a and b, both feed c."""
    nodes = [("x", "input"), ("a", "op"), ("b", "op"), ("c", "op")]
    return GraphView(
        "net",
        tuple(ViewNode(id, kind, id, "2×3") for id, kind in nodes),
        tuple(ViewEdge(s, t, "2×3") for s, t in ("xa", "xb", "ac", "bc")),
    )


def nested() -> GraphView:
    """inner is in outer; empty has nothing in it."""
    return GraphView(
        "modules",
        (
            ViewNode("a", "op", "a"),
            ViewNode("b", "op", "b", box="outer"),
            ViewNode("c", "op", "c", box="inner"),
            ViewNode("d", "box", "closed", box="inner"),
        ),
        tuple(ViewEdge(s, t) for s, t in ("ab", "bc", "cd", "ad")),
        (
            ViewBox("outer", "outer", None, "module", "Outer"),
            ViewBox("inner", "inner", "outer", "module", "Inner"),
            ViewBox("empty", "empty", None, "block"),
        ),
    )


def chain(count: int) -> GraphView:
    nodes = tuple(ViewNode(f"n{i}", "op", "relu") for i in range(count))
    edges = tuple(ViewEdge(f"n{i}", f"n{i + 1}") for i in range(count - 1))
    return GraphView("chain", nodes, edges)


def one(node: ViewNode) -> GraphView:
    return GraphView("one", (node,), ())


def draw(view: GraphView, **options: object) -> ElementTree.Element:
    return ElementTree.fromstring(to_svg(view, layout(view), **options))  # type: ignore[arg-type]


def by_class(root: ElementTree.Element, name: str) -> list[ElementTree.Element]:
    return [item for item in root.iter() if name in item.get("class", "").split()]


def overlap(a: Rect, b: Rect) -> bool:
    return a.x < b.x + b.w and b.x < a.x + a.w and a.y < b.y + b.h and b.y < a.y + a.h


def within(inner: Rect, outer: Rect) -> bool:
    return (
        outer.x <= inner.x
        and outer.y <= inner.y
        and inner.x + inner.w <= outer.x + outer.w
        and inner.y + inner.h <= outer.y + outer.h
    )


# Colours


def luminance(colour: str) -> float:
    """WCAG 2.1, relative luminance."""
    channels = [int(colour[i : i + 2], 16) / 255 for i in (1, 3, 5)]
    linear = [c / 12.92 if c <= 0.04045 else ((c + 0.055) / 1.055) ** 2.4 for c in channels]
    return 0.2126 * linear[0] + 0.7152 * linear[1] + 0.0722 * linear[2]


def contrast(a: str, b: str) -> float:
    """WCAG 2.1, contrast ratio."""
    dark, light = sorted((luminance(a), luminance(b)))
    return (light + 0.05) / (dark + 0.05)


def test_the_contrast_formula_knows_black_on_white() -> None:
    assert contrast("#000000", "#ffffff") == pytest.approx(21)
    assert contrast("#777777", "#ffffff") == pytest.approx(4.48, abs=0.01)


@pytest.mark.parametrize("name", theme.THEMES)
def test_text_has_contrast_4_5_on_everything_it_is_written_on(name: str) -> None:
    colours = theme.THEMES[name]
    fills = [c for role, c in colours.items() if "-fill" in role] + [colours["canvas"]]
    for text, fill in itertools.product((colours["text"], colours["muted"]), fills):
        assert contrast(text, fill) >= 4.5, (name, text, fill)
    assert contrast(colours["mark-text"], colours["muted"]) >= 4.5


@pytest.mark.parametrize("name", theme.THEMES)
def test_the_text_of_what_is_gone_has_contrast_4_5_though_it_is_pale(name: str) -> None:
    css, colours = theme.graph_css(), theme.THEMES[name]
    found = re.search(r"\.graph \.vanished \{ opacity: ([0-9.]+); \}", css)
    assert found is not None
    share = float(found[1])
    rule = re.search(r"\.graph \.vanished :is\(([^)]*)\) \{\s*fill: var\(--graph-([a-z]+)\)", css)
    assert rule is not None
    assert {".title", ".subtitle", ".edge-label"} <= set(rule[1].split(", "))
    for ground in (colours["canvas"], colours["box-fill"]):
        # Source over: the colour that is seen through an opacity (CSS Compositing 1, section 9).
        pairs = [
            (int(colours[rule[2]][i : i + 2], 16), int(ground[i : i + 2], 16)) for i in (1, 3, 5)
        ]
        mixed = "#" + "".join(f"{round(share * x + (1 - share) * y):02x}" for x, y in pairs)
        assert contrast(mixed, ground) >= 4.5, (name, mixed, ground)


@pytest.mark.parametrize("name", theme.THEMES)
def test_outlines_edges_and_marks_have_contrast_3(name: str) -> None:
    colours = theme.THEMES[name]
    meaningful = [r for r in colours if r.endswith("-stroke") and r != "box-stroke"]
    meaningful += ["edge", "edge-control", "edge-grad", "edge-write"]
    meaningful += ["failed", "nonfinite", "executed", "selected"]
    meaningful += [role for role in colours if role.startswith("stage-")]
    for role, ground in itertools.product(meaningful, ("canvas", "box-fill", "box-fill-alt")):
        assert contrast(colours[role], colours[ground]) >= 3, (name, role, ground)
    stages = [role for role in colours if role.startswith("stage-")]
    for plate in ("failed", "nonfinite", "grad-stroke", "edge-write", *stages):
        assert contrast(colours["mark-text"], colours[plate]) >= 3, (name, plate)


def test_both_themes_define_every_variable_that_the_css_uses() -> None:
    used = set(re.findall(r"var\(--graph-([a-z-]+)\)", theme.graph_css()))
    assert used
    for name in theme.THEMES:
        defined = set(re.findall(r"--graph-([a-z-]+):", theme.css_variables(name)))
        assert used <= defined
        assert defined == set(theme.THEMES["light"])


def test_colours_are_written_in_theme_only() -> None:
    for file in Path(theme.__file__).parent.glob("*.py"):
        if file.name != "theme.py":
            assert not re.findall(r"#[0-9a-fA-F]{6}\b|\brgba?\(", file.read_text()), file.name


def test_an_unknown_theme_is_refused_with_the_choices() -> None:
    for call in (
        lambda: theme.css_variables("pink"),
        lambda: to_dot(diamond(), "pink"),
        lambda: to_svg(diamond(), layout(diamond()), theme="pink"),
    ):
        with pytest.raises(RenderError, match=r"pink.*light, dark"):
            call()


# DOT text


def test_dot_text_is_read_back_by_graphviz_with_the_same_nodes_edges_and_boxes() -> None:
    view = nested()
    graph = pygraphviz.AGraph(string=to_dot(view))
    assert {n.name for n in graph.nodes()} >= {"a", "b", "c", "d"}
    assert sorted(graph.edges()) == sorted((e.source, e.target) for e in view.edges)
    outer = graph.get_subgraph("cluster_outer")
    inner = outer.get_subgraph("cluster_inner")
    assert {"b", "c", "d"} <= {n.name for n in outer.nodes()}
    assert {n.name for n in inner.nodes()} == {"c", "d"}


@pytest.mark.parametrize("name", HOSTILE)
def test_a_hostile_title_is_text_in_graphviz_own_drawing(name: str) -> None:
    view = GraphView(
        name,
        (ViewNode(name, "op", name, name, name, box=name), ViewNode("b", "op", "b")),
        (ViewEdge(name, "b", name),),
        (ViewBox(name, name, subtitle=name),),
    )
    root = ElementTree.fromstring(run_graphviz(to_dot(view), "svg", 20))
    tags = {item.tag.removeprefix(SVG) for item in root.iter()}
    assert tags <= {"svg", "g", "title", "polygon", "path", "text", "ellipse", "polyline"}
    drawn = [" ".join((item.text or "").split()) for item in root.iter(f"{SVG}text")]
    if name.isprintable() and 0 < len(name.strip()) < 40:
        # Title and subtitle of box and node; a badge and an edge's label have less room.
        assert drawn.count(name) >= 4


@given(st.lists(st.text(max_size=8), min_size=1, max_size=6, unique=True))
@settings(max_examples=60, deadline=None)
def test_different_ids_stay_different_in_dot(ids: list[str]) -> None:
    text = "digraph {" + ";".join(quote(id) for id in ids) + "}"
    assert pygraphviz.AGraph(string=text).number_of_nodes() == len(ids)


def test_dot_marks_flags_by_more_than_colour() -> None:
    text = to_dot(one(ViewNode("a", "op", "relu_", flags=("failed", "inplace"), badge="×3")))
    assert "✕" in text
    assert "✎" in text
    assert "dashed" in text
    assert "×3" in text
    assert "peripheries=2" in to_dot(one(ViewNode("a", "op", "view", flags=("view",))))


# Positions


def test_nodes_of_a_small_graph_do_not_overlap() -> None:
    for view in (diamond(), nested()):
        rects = layout(view).nodes.values()
        assert not any(overlap(a, b) for a, b in itertools.combinations(rects, 2))


def test_everything_is_inside_the_picture_and_inside_its_box() -> None:
    drawn = layout(nested())
    picture = Rect(0, 0, drawn.width, drawn.height)
    assert all(within(rect, picture) for rect in [*drawn.nodes.values(), *drawn.boxes.values()])
    assert within(drawn.nodes["b"], drawn.boxes["outer"])
    assert within(drawn.nodes["c"], drawn.boxes["inner"])
    assert within(drawn.boxes["inner"], drawn.boxes["outer"])
    assert not overlap(drawn.nodes["a"], drawn.boxes["outer"])
    assert not overlap(drawn.boxes["empty"], drawn.boxes["outer"])


def test_titles_of_open_boxes_have_room_above_the_nodes() -> None:
    drawn = layout(nested())
    assert drawn.nodes["c"].y - drawn.boxes["inner"].y >= 24
    long = GraphView("v", (ViewNode("a", "op", "a", box="b"),), (), (ViewBox("b", "long " * 8),))
    assert layout(long).boxes["b"].w >= text_width("long " * 7, theme.TITLE_SIZE)


@pytest.mark.parametrize(("direction", "sign"), [("TB", 1), ("BT", -1), ("sideways", 1)])
def test_edges_run_along_the_views_direction(direction: str, sign: int) -> None:
    nodes = layout(replace(diamond(), direction=direction)).nodes
    assert sign * (nodes["c"].y - nodes["x"].y) > 0


def test_edges_begin_at_their_source_and_end_an_arrow_before_their_target() -> None:
    drawn = layout(diamond())
    assert [(e.index, e.source, e.target) for e in drawn.edges] == [
        (0, "x", "a"), (1, "x", "b"), (2, "a", "c"), (3, "b", "c"),
    ]  # fmt: skip
    for edge in drawn.edges:
        source, target = drawn.nodes[edge.source], drawn.nodes[edge.target]
        assert len(edge.points) % 3 == 1
        assert edge.points[0].y == pytest.approx(source.y + source.h, abs=2)
        assert 2 <= target.y - edge.points[-1].y <= layout_module.ARROW + 2
        assert edge.label is not None
        assert source.y + source.h < edge.label.y < target.y


def test_unknown_ends_self_loops_repeated_ids_and_unknown_boxes_do_no_harm() -> None:
    view = GraphView(
        "odd",
        (ViewNode("a", "op", "a", box="no such"), ViewNode("b", "op", "b"),
         ViewNode("a", "op", "again")),
        (ViewEdge("a", "a"), ViewEdge("a", "nobody"), ViewEdge("nobody", "b"), ViewEdge("a", "b"),
         ViewEdge("b", "a")),
    )  # fmt: skip
    drawn = layout(view)
    assert set(drawn.nodes) == {"a", "b"}
    assert [edge.index for edge in drawn.edges] == [3, 4]
    assert [item.get("data-id") for item in by_class(draw(view), "node")] == ["a", "b"]


def test_boxes_whose_parents_form_a_circle_or_do_not_exist_are_drawn() -> None:
    boxes = (ViewBox("p", "p", "q"), ViewBox("q", "q", "p"), ViewBox("r", "r", "nobody"),
             ViewBox("s", "s", "s"), ViewBox("t", "t", "p"))  # fmt: skip
    view = GraphView("v", tuple(ViewNode(b.id, "op", b.id, box=b.id) for b in boxes), (), boxes)
    drawn = layout(view)
    assert set(drawn.boxes) == set("pqrst")
    assert all(within(drawn.nodes[id], drawn.boxes[id]) for id in "pqrst")
    assert len(by_class(draw(view), "box-title")) == 5


def test_a_layout_is_the_same_every_time_also_without_memory() -> None:
    first = to_svg(nested(), layout(nested()))
    drawer.MEMORY.clear()
    assert to_svg(nested(), layout(nested())) == first


def test_only_a_change_of_structure_runs_graphviz_again(monkeypatch: pytest.MonkeyPatch) -> None:
    runs: list[str] = []
    draw_all = pool.Pool.draw

    def counted(self: pool.Pool, texts: list[str]) -> list[pool.Answer]:
        runs.extend(texts)
        return draw_all(self, texts)

    monkeypatch.setattr(pool.Pool, "draw", counted)
    view = diamond()
    layout(view)
    flagged = tuple(replace(node, flags=NODE_FLAGS) for node in view.nodes)
    assert layout(replace(view, nodes=flagged)) == layout(view)
    assert len(runs) == 1
    layout(replace(view, edges=view.edges[1:]))
    assert len(runs) == 2


def test_2000_inputs_of_one_op_are_drawn() -> None:
    nodes = tuple(ViewNode(f"n{i}", "op", "x") for i in range(2001))
    drawn = layout(GraphView("v", nodes, tuple(ViewEdge(n.id, "n0") for n in nodes[1:])), 60)
    assert len(drawn.edges) == 2000
    assert all(drawn.nodes[n.id].y < drawn.nodes["n0"].y for n in nodes[1:])


def test_a_chain_of_3000_nodes_is_drawn_in_order() -> None:
    view = chain(3000)
    drawn = layout(view, 60)
    ys = [drawn.nodes[node.id].y for node in view.nodes]
    assert ys == sorted(ys)
    assert len(by_class(draw(view), "node")) == 3000


def test_boxes_nested_400_deep_are_drawn_outer_first() -> None:
    boxes = tuple(ViewBox(f"b{i}", "b", f"b{i - 1}" if i else None) for i in range(400))
    view = GraphView("deep", (ViewNode("a", "op", "a", box="b399"),), (), boxes[::-1])
    drawn = layout(view, 60)
    assert all(within(drawn.boxes[f"b{i + 1}"], drawn.boxes[f"b{i}"]) for i in range(399))
    order = [item.get("data-id") for item in draw(view) if "box" in item.get("class", "").split()]
    assert order == [box.id for box in boxes]


def test_a_disconnected_graph_is_drawn() -> None:
    view = GraphView("v", tuple(ViewNode(str(i), "op", "a") for i in range(50)), ())
    rects = layout(view).nodes.values()
    assert len(rects) == 50
    assert not any(overlap(a, b) for a, b in itertools.combinations(rects, 2))


# SVG


def test_the_svg_has_boxes_then_edges_then_nodes() -> None:
    root = draw(nested())
    layers = [item.get("class", "").split()[0] for item in root if item.tag == f"{SVG}g"]
    assert layers == ["box"] * 3 + ["edge"] * 4 + ["node"] * 4
    boxes = [item.get("data-id") for item in root if item.get("class", "").startswith("box ")]
    assert boxes == ["outer", "inner", "empty"]
    width, height = layout(nested()).width, layout(nested()).height
    assert [float(part) for part in root.get("viewBox", "").split()] == pytest.approx(
        [0, 0, width, height], abs=0.1
    )
    assert root.get("role") == "group"
    assert root.get("aria-label") == "modules"


def test_a_node_says_what_it_is_to_a_screen_reader() -> None:
    node = ViewNode("op:3", "op", "relu", "2×3", source=("m.py", 12), flags=("inplace",))
    group = by_class(draw(one(node)), "node")[0]
    assert group.get("class") == "node op inplace"
    assert group.get("data-id") == "op:3"
    assert group.get("role") == "button"
    assert group.get("tabindex") == "-1"
    assert group.get("aria-label") == "relu, 2×3, inplace, line 12"
    plain = by_class(draw(one(replace(node, flags=()))), "node")[0]
    assert plain.get("aria-label") == "relu, 2×3, line 12"
    weight = one(ViewNode("w", "parameter", "fc.weight", "3×2"))
    assert by_class(draw(weight), "node")[0].get("aria-label") == "fc.weight, parameter, 3×2"


def test_edges_name_their_ends_and_end_in_the_one_marker() -> None:
    root = draw(diamond())
    (marker,) = root.iter(f"{SVG}marker")
    edges = by_class(root, "edge")
    assert [(e.get("data-source"), e.get("data-target")) for e in edges] == [
        ("x", "a"), ("x", "b"), ("a", "c"), ("b", "c"),
    ]  # fmt: skip
    for edge in edges:
        path = edge.find(f"{SVG}path")
        assert path is not None
        assert path.get("marker-end") == f"url(#{marker.get('id')})"
        assert edge.findtext(f"{SVG}text") == "2×3"


def shape_of(view: GraphView) -> tuple[str, ...]:
    """What is drawn of the only node, without colours and text; its size does not count."""
    root = draw(view)
    group = by_class(root, "node")[0]
    shapes = list(group.iter(f"{SVG}path"))
    return tuple(
        f"{p.get('class')} {re.sub('[^A-Z]', '', p.get('d', ''))}" for p in shapes
    ) + tuple(re.findall(r"A 16 16|A 3 3", " ".join(p.get("d", "") for p in shapes)))


def test_each_kind_of_node_has_a_shape_of_its_own() -> None:
    shapes = {kind: shape_of(one(ViewNode("a", kind, "a", "b"))) for kind in NODE_KINDS}
    plain = shapes.pop("constant")  # a rectangle with sharper corners and no border
    assert plain[-1] == "A 3 3"
    shapes.pop("input")  # a rectangle with half-round ends, tested below
    assert len(set(shapes.values())) == len(shapes)
    assert shape_of(one(ViewNode("a", "of the future", "a", "b"))) == shapes["op"]


def test_an_input_has_half_round_ends() -> None:
    view = one(ViewNode("a", "input", "a", "b"))
    height = layout(view).nodes["a"].h
    outline = by_class(draw(view), "outline")[0].get("d", "")
    assert f"A {height / 2:g} {height / 2:g} " in outline


def test_flags_are_classes_and_some_are_marks() -> None:
    group = by_class(draw(one(ViewNode("a", "op", "a", flags=NODE_FLAGS))), "node")[0]
    assert group.get("class") == "node op " + " ".join(NODE_FLAGS)
    marks = [mark.get("class") for mark in by_class(group, "mark")]
    assert marks == [f"mark mark-{flag}" for flag in
                     ("failed", "nonfinite", "accumulated", "inplace", "view", "new", "gone",
                      "fused", "unrolled", "replaced", "only-a", "only-b", "changed", "arrived",
                      "vanished", "altered")]  # fmt: skip


def test_the_mark_of_a_decision_stands_above_its_text_and_within_its_width() -> None:
    for title in ("True", "True → False", "0.7801"):
        view = one(ViewNode("a", "decision", title, "bool", flags=("altered",)))
        group = by_class(draw(view), "node")[0]
        (mark,) = by_class(group, "mark")
        x, y = map(float, re.findall(r"-?[0-9.]+", mark.get("transform", "")))
        (text,) = by_class(group, "title")
        radius, cap_height = 8, 0.75 * 13  # of capitals in a font of 13 px
        assert y + radius <= float(text.get("y", "")) - cap_height
        width, height = map(float, group.get("data-size", "").split())
        slope = abs(x - width / 2) / (width / 2) + abs(y - height / 2) / (height / 2)
        assert slope == pytest.approx(1, abs=0.2), "not on the border"


def test_boxes_can_be_opened_and_closed_by_a_mark_with_their_id() -> None:
    root = draw(nested())
    toggles = {t.get("data-id"): t for t in by_class(root, "box-toggle")}
    assert set(toggles) == {"outer", "inner", "empty", "d"}
    assert toggles["outer"].get("aria-label") == "Close outer"
    assert toggles["d"].get("aria-label") == "Open closed"


def test_a_badge_is_drawn_as_text() -> None:
    root = draw(one(ViewNode("a", "op", "relu", badge="×12")))
    assert [item.text for item in by_class(root, "badge")] == ["×12"]


def test_long_texts_are_cut_in_the_drawing_and_whole_in_the_label() -> None:
    long = "a_very_long_function_name_" * 20
    view = one(ViewNode("a", "op", long, long))
    assert layout(view).nodes["a"].w < 300
    root = draw(view)
    for name in ("title", "subtitle"):
        shown = by_class(root, name)[0].text or ""
        assert shown.endswith("…")
        assert len(shown) < 50
    assert long in by_class(root, "node")[0].get("aria-label", "")
    assert long in (by_class(root, "node")[0].findtext(f"{SVG}title") or "")


@pytest.mark.parametrize("name", HOSTILE)
def test_a_hostile_name_is_only_text_in_the_svg(name: str) -> None:
    view = GraphView(
        name,
        (ViewNode(name, name, name, name, name, name, (name,)), ViewNode("b", "op", "b")),
        (ViewEdge(name, "b", name, name),),
        (ViewBox(name, name, None, name, name, (name,)),),
        hidden={name: 3},
    )
    for standalone in (False, True):
        root = draw(view, standalone=standalone)
        tags = {item.tag.removeprefix(SVG) for item in root.iter()}
        assert tags <= {"svg", "style", "defs", "marker", "path", "g", "rect", "text", "title",
                        "circle"}  # fmt: skip
        assert not [key for item in root.iter() for key in item.attrib if key.startswith("on")]
        nodes = by_class(root, "node")
        assert len(nodes) == 2
        assert len(by_class(root, "edge")) == 1
        if name.isprintable():
            assert nodes[0].get("data-id") == name
            assert by_class(root, "edge")[0].get("data-source") == name


@given(st.text(max_size=60), st.floats(10, 200))
def test_a_clipped_text_fits(text: str, width: float) -> None:
    cut = clip(text, width, 12)
    assert text_width(cut, 12) <= width
    assert cut == text or cut.endswith("…")


@pytest.mark.parametrize("name", theme.THEMES)
def test_a_standalone_svg_carries_its_colours_and_a_background(name: str) -> None:
    text = to_svg(diamond(), layout(diamond()), standalone=True, theme=name)
    assert "var(" not in text
    assert theme.THEMES[name]["op-fill"] in text
    assert theme.THEMES[name]["canvas"] in text
    assert len(by_class(ElementTree.fromstring(text), "canvas")) == 1


def test_an_svg_for_a_page_has_no_colour_and_no_style() -> None:
    text = to_svg(diamond(), layout(diamond()))
    assert "<style" not in text
    assert " style=" not in text
    assert " fill=" not in text
    assert not re.search(r"#[0-9a-f]{6}\b(?!\))", text.replace("url(#", ""))


def test_an_empty_view_is_a_small_picture_that_says_so() -> None:
    view = GraphView("nothing", (), ())
    assert layout(view).nodes == {}
    root = draw(view)
    assert by_class(root, "note")[0].text == "Nothing to show"
    assert float(root.get("width", "")) <= 300
    assert pygraphviz.AGraph(string=to_dot(view)).number_of_nodes() == 0


def test_a_standalone_picture_says_what_it_leaves_out() -> None:
    view = replace(diamond(), hidden={"ops in closed boxes": 1200, "constants": 0})
    assert by_class(draw(view, standalone=True), "note")[0].text == (
        "Not drawn: 1,200 ops in closed boxes"
    )
    assert not by_class(draw(view), "note")


# Running Graphviz


def alive(pid: int) -> bool:
    try:
        status = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0]
    except FileNotFoundError:
        return False
    return status != "Z"


def wait_until_dead(pid: int) -> bool:
    deadline = time.monotonic() + 5
    while alive(pid) and time.monotonic() < deadline:
        time.sleep(0.01)
    return not alive(pid)


def test_a_hanging_dot_is_killed_with_its_children_and_the_picture_is_a_simpler_one(
    dot_program: Callable[[str], Path], tmp_path: Path
) -> None:
    pids = tmp_path / "pids"
    dot_program(f'sleep 600 &\necho "$$ $!" > "{pids}"\nwait')
    drawn = layout(diamond(), timeout=1.0)
    assert set(drawn.nodes) == set("xabc")
    (note,) = drawn.notes
    assert "simply: Graphviz took too long" in note
    parent, child = map(int, pids.read_text().split())
    assert wait_until_dead(parent)
    assert wait_until_dead(child)


def test_a_drawing_by_graphviz_alone_says_what_to_do_when_it_takes_too_long(
    dot_program: Callable[[str], Path],
) -> None:
    dot_program("sleep 600")
    with pytest.raises(GraphvizTimeout, match=r"4 nodes and 4 edges.*0.5 s.*[Cc]lose some boxes"):
        to_bytes(diamond(), "png", timeout=0.5)


def test_the_bundled_graphviz_is_killed_at_the_time_limit(
    monkeypatch: pytest.MonkeyPatch, no_dot: None
) -> None:
    started: list[subprocess.Popen[bytes]] = []
    real = subprocess.Popen

    def noted(*args: object, **options: object) -> subprocess.Popen[bytes]:
        started.append(real(*args, **options))  # type: ignore[call-overload]
        return started[-1]

    monkeypatch.setattr(process.subprocess, "Popen", noted)
    every = "; ".join(f"n0 -> n{i}; n{i} -> n{i + 1}" for i in range(300))  # takes minutes
    with pytest.raises(GraphvizTimeout, match="300 steps"):
        run_graphviz(f"digraph {{ {every} }}", "json0", 1.0, size="300 steps")
    assert started[0].returncode == -9
    assert not alive(started[0].pid)


def test_a_broken_dot_is_quoted_with_its_own_last_line(
    dot_program: Callable[[str], Path],
) -> None:
    dot_program("echo 'Warning: something' >&2; echo 'Error: syntax error in line 3' >&2; exit 1")
    with pytest.raises(RenderError, match="Error: syntax error in line 3") as caught:
        layout(diamond())
    assert not isinstance(caught.value, (GraphvizMissing, GraphvizTimeout))


@pytest.mark.parametrize(
    ("body", "message"),
    [
        ("exit 3", "gave no reason"),
        ("echo hello", "no drawing"),
        ("echo '[]'", "no drawing"),
        ("echo '{}'", "no drawing"),
    ],
)
def test_whatever_else_a_dot_does_is_a_render_error(
    dot_program: Callable[[str], Path], body: str, message: str
) -> None:
    dot_program(body)
    with pytest.raises(RenderError, match=message):
        layout(diamond())


def test_a_dot_that_crashes_costs_its_own_part_of_the_picture_only(
    dot_program: Callable[[str], Path],
) -> None:
    dot_program("kill -SEGV $$")
    drawn = layout(diamond())
    assert not any(overlap(a, b) for a, b in itertools.combinations(drawn.nodes.values(), 2))
    assert "1 part of this picture is laid out more simply: Graphviz crashed" in drawn.notes[0]
    with pytest.raises(RenderError, match=r"crashed \(SIGSEGV\)"):
        to_bytes(diamond(), "png")


@pytest.fixture
def no_dot(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """A machine with no `dot` on PATH."""
    monkeypatch.setenv("PATH", str(tmp_path))


def test_missing_graphviz_is_named_with_both_ways_to_install_it(
    monkeypatch: pytest.MonkeyPatch, no_dot: None
) -> None:
    monkeypatch.setitem(sys.modules, "pygraphviz", None)
    monkeypatch.setattr(process.importlib.util, "find_spec", lambda name: None)
    with pytest.raises(GraphvizMissing, match=r"[Ii]nstall Graphviz.*pip install pygraphviz"):
        layout(diamond())
    assert to_bytes(diamond(), "dot").startswith(b"digraph")


def test_a_program_that_does_not_exist_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("INSPECTOR_DOT", "/nowhere/dot")
    with pytest.raises(GraphvizMissing, match=r"INSPECTOR_DOT.*/nowhere/dot"):
        layout(diamond())


def test_an_installed_dot_is_preferred_and_gives_the_same_picture(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path, no_dot: None
) -> None:
    bundled = layout(nested())
    drawer.MEMORY.clear()
    dot = tmp_path / "dot"  # found on PATH, called as `dot -Tjson0`: draws one graph after another
    dot.write_text(
        f"""#!{sys.executable}
import sys, pygraphviz
open({str(tmp_path / "was called")!r}, "w").close()
for text in sys.stdin.read().split("digraph {{")[1:]:
    graph = pygraphviz.AGraph(string="digraph {{" + text)
    sys.stdout.buffer.write(graph.draw(format=sys.argv[1].removeprefix("-T"), prog="dot"))
"""
    )
    dot.chmod(0o755)
    assert layout(nested()) == bundled
    assert (tmp_path / "was called").exists()


def test_a_syntax_error_is_reported_as_graphviz_puts_it(no_dot: None) -> None:
    with pytest.raises(RenderError, match="syntax error in line 1"):
        run_graphviz("digraph { a -> ", "svg", 20)


def test_a_format_that_could_be_an_option_is_refused() -> None:
    with pytest.raises(RenderError, match="not the name of a Graphviz format"):
        run_graphviz("digraph {}", "svg -o/x", 20)


def test_the_worker_runs_as_a_module() -> None:
    answer = subprocess.run(
        [sys.executable, "-m", "inspector.render.graphviz_worker", "json0"],
        input=b"digraph { a -> b }",
        capture_output=True,
        check=True,
        cwd=Path(process.__file__).parents[2],
        env={**os.environ, "OMP_NUM_THREADS": "1"},
    )
    assert [item["name"] for item in json.loads(answer.stdout)["objects"]] == ["a", "b"]


# Files


@pytest.mark.parametrize(
    ("format", "magic"),
    [("dot", b"digraph"), ("svg", b"<svg"), ("png", b"\x89PNG"), ("pdf", b"%PDF")],
)
def test_each_export_format_is_what_it_says(format: str, magic: bytes) -> None:
    assert to_bytes(nested(), format, "dark").startswith(magic)


def test_an_unknown_export_format_names_the_known_ones() -> None:
    with pytest.raises(RenderError, match=r"'gif'.*dot, svg, png, pdf"):
        to_bytes(diamond(), "gif")


def test_a_format_that_this_graphviz_cannot_write_says_what_to_install(
    dot_program: Callable[[str], Path],
) -> None:
    dot_program("""echo 'Format: "pdf" not recognized. Use one of: dot svg' >&2; exit 1""")
    empty = GraphView("nothing to lay out", (), ())  # that would ask the same program
    with pytest.raises(RenderError, match=r"cannot write PDF.*[Ii]nstall.*pygraphviz"):
        to_bytes(empty, "pdf")


def test_a_layout_is_plain_data() -> None:
    drawn = layout(diamond())
    assert isinstance(drawn, Layout)
    with pytest.raises((AttributeError, TypeError)):
        drawn.width = 3.0  # type: ignore[misc]
    with pytest.raises(TypeError):
        drawn.nodes["x"] = Rect(0, 0, 1, 1)  # type: ignore[index]
