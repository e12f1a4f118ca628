"""A drawing as DOT text in which everything has its place already, for Graphviz's `nop2`.

Outlines and edges go into the graph's `_background`, a list of xdot operations, in the order in
which the SVG has them. Texts are nodes without a shape, each at its place: Graphviz crashes on
xdot's own texts. So they stay texts, in any script for which there is a font.
"""

from __future__ import annotations

import math
import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from typing import NamedTuple
from xml.etree.ElementTree import Element

from inspector.render.dot import quote
from inspector.render.lanes import ARROW
from inspector.render.measure import text_width
from inspector.render.raster.curves import XY, Chain, chains, circle, halved
from inspector.render.raster.styles import Styled, StyleSheet

_TRANSFORM = re.compile(r"(translate|scale)\(\s*(-?[\d.]+)(?:[\s,]+(-?[\d.]+))?\s*\)")
_NUMBER = re.compile(r"-?[\d.]+")
_SANS, _MONO = "Helvetica,Arial,sans-serif", "Courier,monospace"
_BASELINE = 0.4
"""How far below a node's middle the base line of its label lies, in heights of the font."""
_ROOMY = 1.5
"""A text's node is wider than the text by this factor, else Graphviz complains of each."""
_ARROW = ((-0.5, -3.2), (0.0, 0.0), (-0.5, 3.2))
_HALO = 3.0
_PIECE = 8000


class _Place(NamedTuple):
    """What a point of an element is multiplied by, and moved by."""

    scale: float = 1.0
    x: float = 0.0
    y: float = 0.0

    def inside(self, transform: str) -> _Place:
        """The place of something with that `transform` in here."""
        scale, x, y = self
        for name, first, second in _TRANSFORM.findall(transform):
            if name == "translate":
                x, y = x + scale * float(first), y + scale * float(second or 0)
            else:
                scale *= float(first)
        return _Place(scale, x, y)

    def point(self, x: float, y: float) -> XY:
        return self.x + self.scale * x, self.y + self.scale * y


@dataclass(slots=True)
class _Paint:
    """A sequence of xdot operations; colours and styles are written where they change."""

    width: float
    height: float
    operations: list[str] = field(default_factory=list)
    now: dict[str, str] = field(default_factory=dict)

    def set(self, name: str, value: str) -> None:
        if self.now.get(name) != value:
            self.now[name] = value
            self.operations.append(f"{name[0]} {len(value)} -{value}")

    def draw(self, chain: Chain, style: Mapping[str, str], place: _Place) -> None:
        """Fill and stroke one chain."""
        fill, stroke = style.get("fill", "none"), style.get("stroke", "none")
        if len(chain.points) < 2 or (fill == "none" and stroke == "none"):
            return
        self.set("c", "transparent" if stroke == "none" else stroke)
        if stroke != "none":
            self._pen(style, place.scale)
        if fill != "none":
            self.set("C", fill)
        points = [place.point(*point) for point in chain.points]
        if not chain.straight:
            points = self._inside(points)
        if chain.straight:
            letter = "P" if fill != "none" else "p" if chain.closed else "L"
        else:
            letter = "b" if fill != "none" else "B"
        listed = " ".join(f"{x:.2f} {self.height - y:.2f}" for x, y in points)
        self.operations.append(f"{letter} {len(points)} {listed}")

    def _inside(self, points: list[XY]) -> list[XY]:
        """The same curve by points that hardly leave the picture: Graphviz makes room for all."""
        for _ in range(4):
            low, high = min(x for x, _ in points), max(x for x, _ in points)
            top, bottom = min(y for _, y in points), max(y for _, y in points)
            if low >= 0 and top >= 0 and high <= self.width and bottom <= self.height:
                break
            points = halved(points)
        return points

    def _pen(self, style: Mapping[str, str], scale: float) -> None:
        gaps = style.get("stroke-dasharray", "none")
        first = float(found[0]) if (found := _NUMBER.match(gaps)) else 0.0
        self.set("S dash", "solid" if not first else "dotted" if first < 2.5 else "dashed")
        width = _size(style.get("stroke-width", "1")) * scale
        self.set("S width", f"setlinewidth({width:.2f})")


def drawing(root: Element, css: str) -> tuple[str, float, float]:
    """Return a drawing as DOT text, its width and its height in px.

    Args:
        root: the `svg` element of what `to_svg` wrote.
        css: the rules for it, with colours (`theme.resolved_css`).

    Raises:
        ValueError: the drawing has something that is not known here.
    """
    width, height = float(root.get("width", "0")), float(root.get("height", "0"))
    return "\n".join(_Drawing(css, width, height).lines(root)), width, height


class _Drawing:
    def __init__(self, css: str, width: float, height: float) -> None:
        self._sheet = StyleSheet(css)
        self._size = width, height
        self._paint = _Paint(width, height)
        self._texts: list[str] = []

    def lines(self, root: Element) -> Iterator[str]:
        self._walk(root)
        width, height = self._size
        yield "digraph {"
        yield f"graph [pad=0, margin=0, _background={_long(' '.join(self._paint.operations))}];"
        yield 'node [shape=none, margin=0, fixedsize=true, label="", height=0.01, width=0.01];'
        yield 'corner0 [pos="0,0"];'
        yield f'corner1 [pos="{width:.1f},{height:.1f}"];'
        yield from self._texts
        yield "}"

    def _walk(self, root: Element) -> None:
        """Draw all elements in their order, without recursion."""
        style = self._sheet.style("svg", root.get("class", ""), None)
        todo: list[tuple[Element, Styled, _Place]] = [
            (child, style, _Place()) for child in reversed(root)
        ]
        while todo:
            element, around, outer = todo.pop()
            tag = element.tag.rpartition("}")[2]
            if tag in ("defs", "style", "title"):
                continue
            own = self._sheet.style(tag, element.get("class", ""), around)
            place = outer.inside(element.get("transform", ""))
            if tag == "text":
                self._text(element, own.style, place)
            elif tag != "g":
                self._outline(tag, element, own.style, place)
            todo.extend((child, own, place) for child in reversed(element))

    def _outline(self, tag: str, element: Element, style: Mapping[str, str], place: _Place) -> None:
        drawn = self._chains(tag, element)
        style = {"fill": "none", **style}
        for chain in drawn:
            self._paint.draw(chain, style, place)
        if drawn and element.get("marker-end"):
            self._arrow(drawn[-1].points[::-1], style, place)
        if drawn and element.get("marker-start"):
            self._arrow(drawn[0].points, style, place)

    def _chains(self, tag: str, element: Element) -> list[Chain]:
        if tag == "path":
            return chains(element.get("d", ""))
        if tag == "circle":
            return [circle(*(float(element.get(name, "0")) for name in ("cx", "cy", "r")))]
        if tag == "rect":
            return chains(self._rectangle(element))
        raise ValueError(f"a drawing with the element {tag!r}")

    def _rectangle(self, element: Element) -> str:
        x, y = float(element.get("x", "0")), float(element.get("y", "0"))
        w, h = (
            full if (text := element.get(name, "0")) == "100%" else float(text)
            for name, full in zip(("width", "height"), self._size, strict=True)
        )
        r = min(float(element.get("rx", "0")), w / 2, h / 2)
        if r <= 0:
            return f"M{x} {y}H{x + w}V{y + h}H{x}Z"
        arc = f"A{r} {r} 0 0 1"
        return (
            f"M{x + r} {y}H{x + w - r}{arc} {x + w} {y + r}V{y + h - r}{arc} {x + w - r} {y + h}"
            f"H{x + r}{arc} {x} {y + h - r}V{y + r}{arc} {x + r} {y}Z"
        )

    def _arrow(self, points: list[XY], style: Mapping[str, str], place: _Place) -> None:
        """The arrowhead of `to_svg` at the first of the points, away from the others."""
        (x, y) = points[0]
        back = next((p for p in points[1:] if math.dist(p, (x, y)) > 0.01), None)
        if back is None:
            return
        length = math.dist(back, (x, y))
        dx, dy = (x - back[0]) / length, (y - back[1]) / length
        tip = ARROW - 0.5
        corners = [
            (x + dx * (along or tip) - dy * across, y + dy * (along or tip) + dx * across)
            for along, across in _ARROW
        ]
        colour = style.get("stroke", "none")
        self._paint.draw(Chain([*corners, corners[0]]), {"fill": colour}, place)

    def _text(self, element: Element, style: Mapping[str, str], place: _Place) -> None:
        text = "".join(element.itertext())
        fill = style.get("fill", "none")
        if not text.strip() or fill == "none":
            return
        size = _size(style.get("font-size", "12")) * place.scale
        mono = "mono" in style.get("font-family", "")
        x, y = place.point(float(element.get("x", "0")), float(element.get("y", "0")))
        width = text_width(text, size, mono=mono)
        anchor = element.get("text-anchor", "start")
        left = x - width * {"start": 0.0, "middle": 0.5, "end": 1.0}[anchor]
        if style.get("stroke", "none") != "none":
            self._halo(left, y, width, size, style["stroke"])
        bold = "" if style.get("font-weight", "400") in ("400", "normal") else " Bold"
        where, room, end = self._room(x, width, anchor)
        self._texts.append(
            f't{len(self._texts)} [pos="{where:.2f},{self._size[1] - y + _BASELINE * size:.2f}", '
            f"width={room / 72:.3f}, height={1.4 * size / 72:.3f}, fontsize={size:.2f}, "
            f'fontname="{_MONO if mono else _SANS}{bold}", fontcolor="{fill}", '
            f"label={_label(text, end)}];"
        )

    def _room(self, x: float, width: float, anchor: str) -> tuple[float, float, str]:
        """The middle and the width of a text's node, and how the text lies in it."""
        full = self._size[0]
        room = _ROOMY * width + 8
        if anchor == "middle":
            return x, max(1.0, min(room, 2 * x, 2 * (full - x))), ""
        if anchor == "start":
            room = max(1.0, min(room, full - x))
            return x + room / 2, room, "\\l"
        room = max(1.0, min(room, x))
        return x - room / 2, room, "\\r"

    def _halo(self, x: float, y: float, width: float, size: float, colour: str) -> None:
        """What keeps a line from running through a text that lies on it."""
        top, bottom = y - 0.75 * size - _HALO / 3, y + 0.2 * size
        corners = [(x, top), (x + width, top), (x + width, bottom), (x, bottom), (x, top)]
        self._paint.draw(Chain(corners), {"fill": colour}, _Place())


def _label(text: str, end: str) -> str:
    """A quoted label that shows `text` as it is."""
    quoted = quote(text.replace("&", "&amp;"))
    return f'{quoted[:-1]}{end}"'


def _long(text: str) -> str:
    """A quoted string of any length: Graphviz reads 16,384 characters at once, and needs time with
    the square of the number of strings that are joined by "+".
    """
    parts = [text[at : at + _PIECE] for at in range(0, len(text), _PIECE)]
    return '"' + "\\\n".join(parts) + '"'


def _size(text: str) -> float:
    return float(text.removesuffix("px"))
