"""A small picture of a recording, to tell it from others at a glance."""

from __future__ import annotations

import re

from inspector.records import Recording
from inspector.render.export import to_bytes
from inspector.views import default_open, dynamic_view

MOST_NODES = 60
"""More cannot be told apart in a picture of this size, and take long to lay out."""

SECONDS = 20.0
TALLEST = 420.0
"""Px of the drawing that are seen from above; a card is 150 px high."""

_NUMBER = r"(-?[\d.]+)"
_SIZE = re.compile(
    rf'viewBox="{_NUMBER} {_NUMBER} {_NUMBER} {_NUMBER}" width="[\d.]+" height="[\d.]+"'
)


def thumbnail(recording: Recording) -> str:
    """The beginning of the dynamic graph as SVG, with all boxes closed where too much is in them.

    Args:
        recording: of a run.

    Returns:
        The SVG; "" for a run that has too many ops outside of all modules, or none at all.

    Raises:
        RenderError: it can't be drawn here, or that takes too long.
    """
    for opened in (default_open(recording), frozenset[str]()):
        view = dynamic_view(recording, opened)
        if 0 < len(view.nodes) <= MOST_NODES:
            return _top(to_bytes(view, "svg", timeout=SECONDS).decode("utf-8"))
    return ""


def _top(svg: str) -> str:
    """The upper part of a tall drawing: of the whole nothing could be made out."""
    found = _SIZE.search(svg)
    if found is None:
        return svg
    left, up, width, height = map(float, found.groups())
    seen = min(height, max(TALLEST, 0.6 * width))
    size = f'viewBox="{left:g} {up:g} {width:g} {seen:g}" width="{width:g}" height="{seen:g}"'
    return svg[: found.start()] + size + svg[found.end() :]
