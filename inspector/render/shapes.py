"""The shapes of nodes, marks and icons as SVG paths, so that they look the same in every font.

Each kind of node has an outline of its own: a picture must be readable without its colours.
Coordinates are in px from a node's top left corner; marks are drawn around (0, 0).
"""

from __future__ import annotations

from collections.abc import Callable

from inspector.language import sentence

_ROOF = 11.0
_FOLD = 10.0
_STACK = 4.0
_BAR = 6.0
_SLANT = 16.0

MARKS = {
    "failed": (sentence("failed"), "M-3,-3 L3,3 M3,-3 L-3,3"),
    "nonfinite": (sentence("NaN or Inf"), "M0,-3.4 V1.4 M0,4.3 V4.4"),
    "accumulated": (sentence("added onto an old gradient"), "M0,-3.8 V3.8 M-3.8,0 H3.8"),
    "inplace": (sentence("written in place"), "M-3.8,3.8 L-3,1 L1.8,-3.8 L3.8,-1.8 L-1,3 Z"),
    "view": (
        sentence("shares memory with an input"),
        "M-3.8,-1 H1.2 V3.8 H-3.8 Z M-1.2,-3.8 H3.8 V1.2",
    ),
    "new": (sentence("new in this stage"), "M0,-3.8 V3.8 M-3.8,0 H3.8"),
    "gone": (sentence("not in the next stage"), "M-3.8,0 H3.8"),
    "fused": (sentence("several in one kernel"), "M-3.6,-3.6 L0,0.2 L3.6,-3.6 M0,0.2 V4"),
    "unrolled": (
        sentence("unrolled: a copy for each trip"),
        "M-3.6,-3 H3.6 M-3.6,0 H3.6 M-3.6,3 H3.6",
    ),
    "replaced": (
        sentence("replaced by other nodes"),
        "M-4,-2 H3.4 M1,-4 L3.6,-2 M4,2 H-3.4 M-1,4 L-3.6,2",
    ),
    "only-a": (sentence("only in A"), "M-3.2,3.7 L0,-3.7 L3.2,3.7 M-2,1.1 H2"),
    "only-b": (
        sentence("only in B"),
        "M-2.4,-3.7 V3.7 H0.6 A1.95,1.95 0 0 0 0.6,-0.2 H-2.4 M0.6,-0.2 A1.75,1.75 0 0 0 0.6,-3.7 "
        "H-2.4",
    ),
    "changed": (
        sentence("not the same in A and B"),
        "M-3.6,-1.5 H3.6 M-3.6,1.5 H3.6 M1.7,-3.8 L-1.7,3.8",
    ),
    "arrived": (sentence("new: not there before"), "M0,-3.8 V3.8 M-3.8,0 H3.8"),
    "vanished": (sentence("gone: there before only"), "M-3.8,0 H3.8"),
    "altered": (
        sentence("not the same as before"),
        "M-3.6,-1.5 H3.6 M-3.6,1.5 H3.6 M1.7,-3.8 L-1.7,3.8",
    ),
}
"""Flag -> what it means, and its glyph within a disc of 16 px."""

_SPOKEN = {
    "input": sentence("input"),
    "output": sentence("output"),
    "parameter": sentence("parameter"),
    "decision": sentence("decision"),
    "constant": sentence("constant"),
    "grad": sentence("grad"),
    "accumulate": sentence("accumulate"),
    "branch": sentence("branch"),
    "loop": sentence("loop"),
    "box": sentence("box"),
    "failed": sentence("failed"),
    "inplace": sentence("inplace"),
    "view": sentence("view"),
    "nonfinite": sentence("nonfinite"),
    "executed": sentence("executed"),
    "skipped": sentence("skipped"),
    "accumulated": sentence("accumulated"),
    "new": sentence("new"),
    "gone": sentence("gone"),
    "fused": sentence("fused"),
    "unrolled": sentence("unrolled"),
    "replaced": sentence("replaced"),
    "changed": sentence("changed"),
    "arrived": sentence("arrived"),
    "vanished": sentence("vanished"),
    "altered": sentence("altered"),
    "only-a": sentence("only in A"),
    "only-b": sentence("only in B"),
}


def spoken(word: str) -> str:
    """A kind or a flag of a node as a screen reader says it."""
    return _SPOKEN.get(word, word)


TURNS = ("loop", "trip", "repeat")
"""Kinds of boxes that run more than once: a turning arrow stands on their border."""

WARNING_PLATE = "M0,-8.6 L9,7 H-9 Z"
"""The triangle behind the mark of "nonfinite"."""

LOOP_ICON = "M10.6,4.2 A5,5 0 1 0 11,7.4 M11.2,0.8 V4.6 H7.4"
"""A turning arrow in a square of 12 px."""


def number(value: float) -> str:
    """Return a coordinate in px with one decimal at most: enough to see, and short."""
    return f"{value:.1f}".removesuffix(".0")


def path(*parts: str | float) -> str:
    """Join commands and coordinates to the `d` of an SVG path."""
    return " ".join(part if isinstance(part, str) else number(part) for part in parts)


def rounded(x: float, y: float, w: float, h: float, radius: float) -> str:
    """Return a rectangle with round corners."""
    r = min(radius, w / 2, h / 2)
    return path(
        "M", x + r, y, "H", x + w - r, "A", r, r, "0 0 1", x + w, y + r,
        "V", y + h - r, "A", r, r, "0 0 1", x + w - r, y + h,
        "H", x + r, "A", r, r, "0 0 1", x, y + h - r,
        "V", y + r, "A", r, r, "0 0 1", x + r, y, "Z",
    )  # fmt: skip


def outline(kind: str, w: float, h: float, inset: float = 0.0) -> str:
    """Return the outline of a node of `kind`, `inset` px inside its rectangle of w x h."""
    i = inset
    draw = _OUTLINES.get(kind)
    if draw is not None:
        return draw(i, i, w - 2 * i, h - 2 * i)
    return rounded(i, i, w - 2 * i, h - 2 * i, 7 - i)


def _stadium(x: float, y: float, w: float, h: float) -> str:
    return rounded(x, y, w, h, h / 2)


def _folded(x: float, y: float, w: float, h: float) -> str:
    return path("M", x, y, "H", x + w - _FOLD, "L", x + w, y + _FOLD, "V", y + h, "H", x, "Z")


def _diamond(x: float, y: float, w: float, h: float) -> str:
    return path("M", x + w / 2, y, "L", x + w, y + h / 2, x + w / 2, y + h, x, y + h / 2, "Z")


def _hexagon(x: float, y: float, w: float, h: float) -> str:
    return path(
        "M", x + _SLANT, y, "H", x + w - _SLANT, "L", x + w, y + h / 2,
        x + w - _SLANT, y + h, "H", x + _SLANT, "L", x, y + h / 2, "Z",
    )  # fmt: skip


def _house(x: float, y: float, w: float, h: float) -> str:
    return path("M", x + w / 2, y, "L", x + w, y + _ROOF, "V", y + h, "H", x, "V", y + _ROOF, "Z")


def _front(x: float, y: float, w: float, h: float) -> str:
    return rounded(x, y + _STACK, w - _STACK, h - _STACK, 7)


_OUTLINES: dict[str, Callable[[float, float, float, float], str]] = {
    "input": _stadium,
    "output": _stadium,
    "parameter": _folded,
    "decision": _diamond,
    "constant": lambda x, y, w, h: rounded(x, y, w, h, 3),
    "accumulate": _house,
    "branch": _hexagon,
    "box": _front,
}


def behind(kind: str, w: float, h: float) -> str:
    """Return what lies behind the outline ("" for most kinds): a closed box is a stack."""
    return rounded(_STACK, 0, w - _STACK, h - _STACK, 7) if kind == "box" else ""


def furthest(w: float, h: float) -> str:
    """Return a third card behind a closed box that stands for several equal ones ("×12")."""
    return rounded(2 * _STACK, -_STACK, w - _STACK, h - _STACK, 7)


def detail(kind: str, w: float, h: float) -> str:
    """Return lines drawn inside the outline ("" for most kinds)."""
    if kind == "parameter":
        return path("M", w - _FOLD, 0, "V", _FOLD, "H", w)
    if kind == "output":
        return outline(kind, w, h, 3.5)
    return ""


def solid(kind: str, w: float, h: float) -> str:
    """Return a filled part ("" for most kinds): the bar at the left of an autograd node."""
    if kind != "grad":
        return ""
    return path(
        "M", _BAR, 0, "V", h, "H", 7, "A", 7, 7, "0 0 1", 0, h - 7,
        "V", 7, "A", 7, 7, "0 0 1", 7, 0, "Z",
    )  # fmt: skip


def text_centre(kind: str, w: float, h: float) -> tuple[float, float]:
    """Return the middle of the text of a node of `kind`."""
    dx, dy = _TEXT_SHIFT.get(kind, (0.0, 0.0))
    return (w + dx) / 2, (h + dy) / 2


_TEXT_SHIFT = {
    "grad": (_BAR, 0.0),
    "parameter": (-6.0, 0.0),
    "accumulate": (0.0, _ROOF - 2),
    "box": (-_STACK, _STACK),
}


def corner(kind: str, w: float, h: float) -> tuple[float, float, int]:
    """Return where the badge of a node sits: the middle (x, y) of a disc of 16 px across the
    upper right border, and the direction (-1 left, +1 right) in which it grows when wider.

    Marks sit at the mirror image of that place and grow the other way: the middle of the upper
    border, where most edges arrive, stays free.
    """
    if kind == "decision":
        return w * 0.66, h * 0.16, 1  # higher on the slope than the text reaches
    if kind in ("branch", "input", "output"):
        return w - _SLANT, 1.0, -1
    return w - 3.0, _ROOF if kind == "accumulate" else 1.0, -1
