"""A drawing through Graphviz's renderers, at a scale within the limits of the format."""

from __future__ import annotations

import math
from xml.etree import ElementTree

from inspector.errors import RenderError
from inspector.language import sentence
from inspector.render.process import run_graphviz
from inspector.render.raster.drawing import drawing
from inspector.render.theme import palette, resolved_css

LONGEST_SIDE = 16_000
"""Pixels of a PNG in each direction: what browsers and image viewers still open."""
MOST_PIXELS = 40_000_000
"""Of a whole PNG: 4 bytes each while it is made."""
LONGEST_PAGE = 14_400.0
"""Points of a page of a PDF in each direction (ISO 32000-1, annex C)."""

_SHARP = 2.0
_POINTS = 0.75  # in a px of 1/96 inch


def scale_of(width: float, height: float, format: str) -> float:
    """Return how many pixels of a PNG, or points of a PDF, a px of a drawing becomes: 2 or 0.75,
    less where the drawing is too large for that.
    """
    longest = max(width, height, 1.0)
    if format == "pdf":
        return min(_POINTS, LONGEST_PAGE / longest)
    area = max(width * height, 1.0)
    return min(_SHARP, LONGEST_SIDE / longest, math.sqrt(MOST_PIXELS / area))


def from_svg(svg: str, format: str, theme: str, *, timeout: float, size: str) -> bytes:
    """Return a drawing as a file.

    Args:
        svg: from `to_svg`.
        format: "png" or "pdf".
        theme: "light" or "dark".
        timeout: seconds that Graphviz may take.
        size: the drawing's size in words, for messages.

    Raises:
        RenderError: Graphviz failed, or has no such renderer.
        GraphvizMissing: there is no Graphviz here.
        GraphvizTimeout: it took longer than `timeout`.
    """
    try:
        text, width, height = drawing(ElementTree.fromstring(svg), resolved_css(theme))
    except (ElementTree.ParseError, ValueError) as error:
        raise RenderError(
            sentence(
                "{size} cannot be written as {format}: {error}.",
                size=size,
                format=format.upper(),
                error=str(error),
            )
        ) from error
    dpi = 72 * scale_of(width, height, format)
    canvas = palette(theme)["canvas"]
    graph = f'digraph {{\ngraph [dpi={dpi:.3f}, bgcolor="{canvas}"];'
    placed = text.replace("digraph {", graph, 1)
    return run_graphviz(placed, format, timeout, engine="nop2", size=size)
