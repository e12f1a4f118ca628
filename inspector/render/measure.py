"""How much room text and nodes need, in px, without asking any font.

Graphviz gets these sizes as fixed, so a layout is the same on every machine, whatever fonts it
has. The widths are those of a common sans-serif at weight 600 (Arial and its metric twins are
within a few per cent) and of monospaced fonts (0.6 em a character in nearly all).
"""

from __future__ import annotations

import unicodedata
from functools import lru_cache

from inspector.render.theme import BADGE_SIZE, LABEL_SIZE, SUBTITLE_SIZE, TITLE_SIZE
from inspector.views.model import ViewBox, ViewNode

MAX_TEXT = 240.0
"""The widest title or subtitle drawn; longer ones are cut with an ellipsis."""
MAX_LABEL = 150.0
NARROW_BOX = 380.0
"""A box up to this wide has its subtitle at the right end of its title line."""
TOGGLE = 12.0
"""Side of the square that opens and closes a box."""
BADGE_HEIGHT = 16.0

_GAP = 6.0
_ICON_KINDS = ("box", "loop")
_MEMORY = 1 << 14
"""Texts whose drawn form and width are remembered: most of a big picture's are alike."""
_CLASSES = (
    ("iIjl|'.,:;!", 0.31),
    ('frt()[]{}/\\ -`"*', 0.39),
    ("mwMW%@", 0.90),
    ("ABCDEFGHJKLNOPQRSTUVXYZ&", 0.72),
)
_WIDTHS = {char: width for chars, width in _CLASSES for char in chars}


@lru_cache(maxsize=4096)
def _em(char: str) -> float:
    if char in _WIDTHS:
        return _WIDTHS[char]
    if unicodedata.combining(char) or unicodedata.category(char) in ("Cf", "Mn", "Me"):
        return 0.0
    if ord(char) > 0x1F000:
        return 1.3  # emoji and the like
    if unicodedata.east_asian_width(char) in "WF":
        return 1.0  # an em by design, in all fonts of these scripts
    return 0.60


@lru_cache(maxsize=_MEMORY)
def text_width(text: str, size: float, *, mono: bool = False) -> float:
    """Return the estimated width in px of one line of `text` in a font of `size` px."""
    if mono and text.isascii():
        return 0.602 * size * len(text)
    return size * sum(max(_em(char), 0.602) if mono and _em(char) else _em(char) for char in text)


def clip(text: str, width: float, size: float, *, mono: bool = False) -> str:
    """Return `text`, cut with "…" where it is wider than `width` px."""
    # Whatever is beyond 4 characters a px cannot be shown: a title of a million characters
    # must not be measured one by one.
    head = text[: int(4 * width) + 1]
    if text_width(head, size, mono=mono) <= width:
        return head
    room = width - text_width("…", size, mono=mono)
    kept = 0
    for char in head:
        room -= text_width(char, size, mono=mono)
        if room < 0:
            break
        kept += 1
    return head[:kept].rstrip() + "…"


def one_line(text: str) -> str:
    """Return `text` as one printable line: control and bidirectional characters and lone
    surrogates go (nothing hidden can reorder or break a label), white space is joined.
    """
    if text.isprintable():
        return " ".join(text.split())
    return " ".join("".join(_printable(char) for char in text).split())


def _printable(char: str) -> str:
    if char in "\t\n\r\v\f":
        return " "
    hidden = char in _BIDI or unicodedata.category(char) in ("Cc", "Cs")
    return "" if hidden or ord(char) & 0xFFFE == 0xFFFE else char


_BIDI = frozenset("\u200e\u200f\u202a\u202b\u202c\u202d\u202e\u2066\u2067\u2068\u2069")


@lru_cache(maxsize=_MEMORY)
def _fitted(text: str, width: float, size: float, *, mono: bool = False) -> str:
    return clip(one_line(text), width, size, mono=mono)


def title_of(node: ViewNode | ViewBox) -> str:
    """Return the title as drawn."""
    return _fitted(node.title, MAX_TEXT, TITLE_SIZE)


def subtitle_of(node: ViewNode | ViewBox) -> str:
    """Return the subtitle as drawn ("" where there is none)."""
    return _fitted(node.subtitle, MAX_TEXT, SUBTITLE_SIZE, mono=True)


def badge_of(node: ViewNode | ViewBox) -> str:
    """Return the badge as drawn ("" where there is none)."""
    return _fitted(node.badge, 80.0, BADGE_SIZE)


def label_of(text: str) -> str:
    """Return an edge's label as drawn."""
    return _fitted(text, MAX_LABEL, LABEL_SIZE, mono=True)


def badge_width(badge: str) -> float:
    """Return the width of the plate behind a badge."""
    return max(BADGE_HEIGHT, text_width(badge, BADGE_SIZE) + 10)


def label_size(text: str) -> tuple[float, float]:
    """Return (width, height) to keep free for an edge's label."""
    return text_width(label_of(text), LABEL_SIZE, mono=True) + 8, 14.0


def box_title_size(box: ViewBox) -> tuple[float, float]:
    """Return (width, height) of an open box's title line: toggle, title, subtitle.

    The gap before the subtitle is wide: in a narrow box the edge that enters in the middle
    passes between the two.
    """
    subtitle = subtitle_of(box)
    width = TOGGLE + _GAP + text_width(title_of(box), TITLE_SIZE)
    if subtitle:
        width += 44 + text_width(subtitle, SUBTITLE_SIZE, mono=True)
    return width, 20.0


def title_widths(box: ViewBox) -> tuple[float, float]:
    """Return how much of an open box's upper border is below texts, from the left and from the
    right; a wide box has its subtitle right after its title.
    """
    subtitle = subtitle_of(box)
    left = 10 + TOGGLE + _GAP + text_width(title_of(box), TITLE_SIZE) + 6
    return left, text_width(subtitle, SUBTITLE_SIZE, mono=True) + 16 if subtitle else 0.0


def icon_room(node: ViewNode) -> float:
    """Return the width that an icon before the title takes, 0 for kinds without one."""
    return TOGGLE + _GAP if node.kind in _ICON_KINDS else 0.0


def node_size(node: ViewNode) -> tuple[float, float]:
    """Return (width, height) of a node: its text, and what its kind's shape adds around it."""
    subtitle = subtitle_of(node)
    width = text_width(title_of(node), TITLE_SIZE) + icon_room(node)
    width = max(width, text_width(subtitle, SUBTITLE_SIZE, mono=True))
    height = 32.0 if subtitle else 16.0
    if node.kind == "decision":
        # A rectangle w x h fits into a diamond W x H when w/W + h/H <= 1.
        total = height + (42.0 if subtitle else 36.0)
        return round(max(width / (1 - height / total) + 12, 84.0)), total
    extra_w, extra_h = _AROUND.get(node.kind, (26.0, 16.0))
    return round(max(width + extra_w, 60.0)), height + extra_h


_AROUND = {
    "input": (36.0, 14.0),
    "output": (34.0, 22.0),
    "parameter": (34.0, 16.0),
    "constant": (18.0, 10.0),
    "grad": (34.0, 16.0),
    "accumulate": (30.0, 26.0),
    "branch": (52.0, 18.0),
    "box": (34.0, 24.0),
}
"""Width and height that a kind's shape adds to its text, in px; others as for "op"."""
