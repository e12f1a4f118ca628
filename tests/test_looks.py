"""What a drawing looks like beyond its shapes: loops, folded repeats, ways of edges, colours."""

from __future__ import annotations

import re
from itertools import combinations, pairwise
from xml.etree import ElementTree

import pytest

from inspector.render import theme
from inspector.render.layout import layout
from inspector.render.svg import to_svg
from inspector.views import GraphView, ViewBox, ViewEdge, ViewNode

SVG = "{http://www.w3.org/2000/svg}"
THEMES = ("light", "dark")


def drawn(view: GraphView) -> ElementTree.Element:
    return ElementTree.fromstring(to_svg(view, layout(view)))


def of_class(root: ElementTree.Element, *names: str) -> list[ElementTree.Element]:
    return [el for el in root.iter() if set(names) <= set((el.get("class") or "").split())]


def boxed(**box: object) -> ElementTree.Element:
    view = GraphView(
        "g",
        (ViewNode("a", "op", "relu", box="b"),),
        (),
        (ViewBox("b", "for t in range(5)", **box),),  # type: ignore[arg-type]
    )
    return drawn(view)


# -- boxes -----------------------------------------------------------------------------------------


@pytest.mark.parametrize("kind", ["loop", "trip", "repeat", "range", "module", "step"])
def test_boxes_that_run_more_than_once_have_a_turning_arrow(kind: str) -> None:
    turns = kind in ("loop", "trip", "repeat")
    assert len(of_class(boxed(kind=kind), "mark-turn")) == turns


def test_an_open_box_shows_its_badge_and_says_its_rectangle() -> None:
    root = boxed(kind="trip", badge="×12")
    assert [el.text for el in of_class(root, "badge")] == ["×12"]
    (box,) = of_class(root, "box")
    (rect,) = box.findall(f"{SVG}rect")
    numbers = [rect.get(name) for name in ("x", "y", "width", "height")]
    assert box.get("data-rect") == " ".join(map(str, numbers))


def test_a_box_that_shows_one_of_several_is_a_stack_that_opens() -> None:
    (folded,) = of_class(boxed(kind="loop", is_folded=True), "box")
    (plain,) = of_class(boxed(kind="loop"), "box")
    assert len(folded.findall(f"{SVG}rect")) == len(plain.findall(f"{SVG}rect")) + 2
    toggles = [of_class(one, "box-toggle")[0].get("aria-label") for one in (folded, plain)]
    assert toggles == ["Show all of for t in range(5)", "Close for t in range(5)"]


def test_a_closed_box_for_several_equal_ones_is_a_deeper_stack() -> None:
    nodes = (ViewNode("a", "box", "block"), ViewNode("b", "box", "block", badge="×12"))
    one, several = of_class(drawn(GraphView("g", nodes, ())), "node")
    assert (len(of_class(one, "back")), len(of_class(several, "back"))) == (1, 2)


# -- nodes and edges -------------------------------------------------------------------------------


def test_a_node_says_the_size_of_its_outline() -> None:
    view = GraphView("g", (ViewNode("a", "op", "relu"),), ())
    rect = layout(view).nodes["a"]
    (node,) = of_class(drawn(view), "node")
    assert node.get("data-size") == f"{rect.w:g} {rect.h:g}"


def test_what_flows_up_has_its_arrowhead_at_the_source() -> None:
    nodes = (ViewNode("a", "grad", "a"), ViewNode("b", "grad", "b"))
    for up, expected in ((False, "marker-end"), (True, "marker-start")):
        (edge,) = of_class(drawn(GraphView("g", nodes, (ViewEdge("a", "b", up=up),))), "edge")
        path = edge.find(f"{SVG}path")
        assert path is not None
        assert [name for name in path.keys() if name.startswith("marker")] == [expected]  # noqa: SIM118
        assert ("up" in (edge.get("class") or "").split()) is up


def test_a_label_that_is_cut_in_the_drawing_is_kept_as_a_whole() -> None:
    nodes = (ViewNode("a", "op", "a"), ViewNode("b", "op", "b"))
    for label, kept in (("h 4×8", None), ("state " * 20 + "4×8", ("state " * 20 + "4×8"))):
        (edge,) = of_class(drawn(GraphView("g", nodes, (ViewEdge("a", "b", label),))), "edge")
        assert edge.get("data-label") == kept


# -- colours ---------------------------------------------------------------------------------------


def channels(colour: str) -> tuple[float, float, float]:
    """Linear red, green and blue of "#rrggbb", after the sRGB standard (IEC 61966-2-1)."""
    values = [int(colour[i : i + 2], 16) / 255 for i in (1, 3, 5)]
    red, green, blue = (v / 12.92 if v <= 0.04045 else ((v + 0.055) / 1.055) ** 2.4 for v in values)
    return red, green, blue


def luminance(colour: str) -> float:
    """Relative luminance, after WCAG 2.1."""
    red, green, blue = channels(colour)
    return 0.2126 * red + 0.7152 * green + 0.0722 * blue


def contrast(a: str, b: str) -> float:
    low, high = sorted((luminance(a), luminance(b)))
    return (high + 0.05) / (low + 0.05)


def ramp(name: str) -> list[str]:
    return [theme.THEMES[name][f"heat-{step}"] for step in theme.HEAT_STEPS]


@pytest.mark.parametrize("name", THEMES)
def test_titles_can_be_read_on_every_step_of_the_scale(name: str) -> None:
    for step in theme.HEAT_STEPS:
        colours = theme.THEMES[name]
        assert contrast(colours[f"heat-{step}"], colours[f"heat-{step}-text"]) >= 4.5, step


@pytest.mark.parametrize("name", THEMES)
def test_the_scale_goes_one_way_in_lightness_from_near_the_canvas(name: str) -> None:
    lights = [luminance(colour) for colour in ramp(name)]
    assert lights == sorted(lights, reverse=name == "light")
    canvas = luminance(theme.THEMES[name]["canvas"])
    assert abs(lights[0] - canvas) < abs(lights[-1] - canvas)


# What a dichromat sees of linear RGB: Machado, Oliveira and Fernandes (2009), severity 1.0.
BLINDNESS = {
    "protanopia": ((0.152286, 1.052583, -0.204868), (0.114503, 0.786281, 0.099216),
                   (-0.003882, -0.048116, 1.051998)),
    "deuteranopia": ((0.367322, 0.860646, -0.227968), (0.280085, 0.672501, 0.047413),
                     (-0.011820, 0.042940, 0.968881)),
    "tritanopia": ((1.255528, -0.076749, -0.178779), (-0.078411, 0.930809, 0.147602),
                   (0.004733, 0.691367, 0.303900)),
}  # fmt: skip


@pytest.mark.parametrize("name", THEMES)
@pytest.mark.parametrize("kind", BLINDNESS)
def test_the_order_of_the_scale_survives_colour_blindness(name: str, kind: str) -> None:
    def seen(colour: str) -> float:
        rgb = channels(colour)
        mixed = [sum(m * c for m, c in zip(row, rgb, strict=True)) for row in BLINDNESS[kind]]
        red, green, blue = (min(max(value, 0.0), 1.0) for value in mixed)
        return 0.2126 * red + 0.7152 * green + 0.0722 * blue

    lights = [seen(colour) for colour in ramp(name)]
    assert lights == sorted(lights, reverse=name == "light")
    ratios = [(max(a, b) + 0.05) / (min(a, b) + 0.05) for a, b in pairwise(lights)]
    assert min(ratios) > 1.15


def test_no_two_kinds_of_boxes_or_edges_are_told_by_colour_alone() -> None:
    """Each has a dash of its own, a mark, or both: colours are left out here."""
    css = theme.graph_css()
    dash = {}
    for kind in ("data", "control", "write", "carried"):
        found = re.search(rf"\.edge\.{kind} path {{[^}}]*stroke-dasharray: ([\d. ]+)", css)
        dash[kind] = found[1] if found else ""
    assert all(dash[a] != dash[b] for a, b in combinations(dash, 2))
