"""Our own SVG of a view: structure, classes and texts; colours come from `theme` alone.

    svg.graph
    ├── g.box KIND FLAGS [data-id, data-rect] an open box, outer ones first
    │   ├── rect, text.box-title, text.box-subtitle
    │   ├── g.box-toggle [data-id]            ⊟
    │   └── g.mark or text.badge              a loop's arrow, how often it repeats
    ├── g.edge KIND FLAGS [data-source, data-target, data-label where the label is cut]
    │   └── path, text.edge-label
    └── g.node KIND FLAGS [data-id, data-size] placed by its transform
        ├── title, path.outline and the other parts of its shape
        ├── text.title, text.subtitle
        └── g.mark for a flag, text.badge

What is too long is cut in the drawing; the whole text is in `aria-label` and `<title>`.
Everything is escaped, and characters that XML does not allow are replaced.
"""

from __future__ import annotations

import re
import zlib
from collections.abc import Iterator
from xml.sax.saxutils import escape, quoteattr

from inspector.language import Translate, listed, sentence
from inspector.render import shapes
from inspector.render.dot import drawn_edges, unique_nodes, walk
from inspector.render.layout import ARROW, EdgePath, Layout, Rect
from inspector.render.measure import (
    BADGE_HEIGHT,
    NARROW_BOX,
    TOGGLE,
    badge_of,
    badge_width,
    icon_room,
    label_of,
    one_line,
    subtitle_of,
    text_width,
    title_of,
)
from inspector.render.shapes import number as n
from inspector.render.theme import TITLE_SIZE, palette, resolved_css
from inspector.views.model import GraphView, ViewBox, ViewEdge, ViewNode

_NOTE_HEIGHT = 24.0
_GRAPH, _TURNS = sentence("graph"), sentence("runs more than once")
_CHIP = 8.0
_NOT_XML = re.compile("[^\t\n\r\u0020-\ud7ff\ue000-\ufffd\U00010000-\U0010ffff]")


def to_svg(
    view: GraphView,
    layout: Layout,
    *,
    standalone: bool = False,
    theme: str = "light",
    translate: Translate = str,
) -> str:
    """Return the view as one `<svg class="graph">`.

    Args:
        view: what to draw.
        layout: where, from `inspector.render.layout.layout(view)`.
        standalone: True for a file that is complete in itself, with colours, a background and a
            note of what the view leaves out. False for a page that has `theme.graph_css()` and
            `theme.css_variables()`; light or dark is then the page's affair.
        theme: "light" or "dark", for a standalone file.
        translate: tells what the drawing itself says; the texts of the view are told before it is
            laid out (`told.told_view`).

    Raises:
        RenderError: there is no such theme.
    """
    palette(theme)
    note = translate(_note(view, standalone))
    width, height = layout.width, layout.height + (_NOTE_HEIGHT if note else 0)
    if note:
        width = max(width, text_width(note, TITLE_SIZE) + 24)
    # Of its own for each view: a hidden drawing's marker would hide the arrows of all others.
    arrow = f"arrow-{zlib.crc32(view.name.encode('utf-8', 'replace')):08x}"
    parts = list(
        _head(view.name or translate(_GRAPH), width, height, arrow, theme if standalone else None)
    )
    parts.extend(_boxes(view, layout, translate))
    edges = dict(drawn_edges(view))
    parts.extend(_edge(edges[path.index], path, arrow) for path in layout.edges)
    parts.extend(
        _node(node, layout.nodes[node.id], translate) for node in unique_nodes(view).values()
    )
    if note:
        parts.append(f'<text class="note" x="12" y="{n(height - 12)}">{_text(note)}</text>')
    return "\n".join([*parts, "</svg>"])


def _head(name: str, width: float, height: float, arrow: str, theme: str | None) -> Iterator[str]:
    """The opening tag and the arrowhead; with a theme also its style and a background."""
    yield (
        f'<svg xmlns="http://www.w3.org/2000/svg" class="graph" viewBox="0 0 {n(width)} '
        f'{n(height)}" width="{n(width)}" height="{n(height)}" role="group" '
        f"aria-label={_attribute(one_line(name))}>"
    )
    if theme:
        yield f"<style>{escape(resolved_css(theme))}</style>"
    yield (
        f'<defs><marker id="{arrow}" markerUnits="userSpaceOnUse" markerWidth="{n(ARROW)}" '
        f'markerHeight="8" refX="0.5" refY="4" orient="auto-start-reverse">'
        f'<path class="arrow" d="M0,0.8 L{n(ARROW)},4 L0,7.2 Z"/></marker></defs>'
    )
    if theme:
        yield '<rect class="canvas" width="100%" height="100%"/>'


def _note(view: GraphView, standalone: bool) -> str:
    """What the view leaves out; what says that a view is empty."""
    if standalone and any(view.hidden.values()):
        return sentence("Not drawn: {what}", what=listed(hidden_told(view)))
    return "" if view.nodes or view.boxes else sentence("Nothing to show")


def hidden_told(view: GraphView) -> Iterator[str]:
    """What the view leaves out, as in "12 ops in closed boxes"."""
    for what, count in view.hidden.items():
        if count:
            yield sentence("{count:,} {what}", count=count, what=what)


def _attribute(text: str) -> str:
    """A quoted attribute value that holds `text` itself, less what XML does not allow."""
    return quoteattr(_NOT_XML.sub("\ufffd", text))


def _text(text: str) -> str:
    return escape(one_line(text))


def _classes(*names: str) -> str:
    return " ".join(re.sub(r"[^A-Za-z0-9_-]", "-", name) for name in names if name)


# Boxes


def _boxes(view: GraphView, layout: Layout, t: Translate) -> Iterator[str]:
    depth = 0
    for event, item in walk(view):
        if event == "open" and isinstance(item, ViewBox):
            yield _box(item, layout.boxes[item.id], depth % 2, t)
            depth += 1
        elif event == "close":
            depth -= 1


def _box(box: ViewBox, rect: Rect, level: int, t: Translate) -> str:
    title, subtitle = title_of(box), subtitle_of(box)
    x, y = rect.x + 10, rect.y + 9
    text_x = x + TOGGLE + 6
    after, anchor = text_x + text_width(title, TITLE_SIZE) + 9, "start"
    if rect.w < NARROW_BOX:
        after, anchor = rect.x + rect.w - 10, "end"
    kind = box.kind if box.kind != "box" else "module"
    parts = [
        f'<g class="box {_classes(kind, *box.flags)} level-{level}" data-id={_attribute(box.id)} '
        f'data-rect="{n(rect.x)} {n(rect.y)} {n(rect.w)} {n(rect.h)}">',
        *(_behind(rect, far) for far in ((8, 4) if box.is_folded else ())),
        f'<rect x="{n(rect.x)}" y="{n(rect.y)}" width="{n(rect.w)}" height="{n(rect.h)}" rx="9"/>',
        _toggle(box.id, x, y, t(_to_toggle(box)), opened=not box.is_folded),
        f'<text class="box-title" x="{n(text_x)}" y="{n(y + 10.5)}">{_text(title)}</text>',
    ]
    if subtitle:
        parts.append(
            f'<text class="box-subtitle" x="{n(after)}" y="{n(y + 10.5)}" '
            f'text-anchor="{anchor}">{_text(subtitle)}</text>'
        )
    right = rect.x + rect.w - 12
    if badge := badge_of(box):
        left = right - badge_width(badge)
        parts.append(f"<g>{_badge(badge, left, rect.y - BADGE_HEIGHT / 2)}</g>")
        right = left - 2 * _CHIP
    if box.kind in shapes.TURNS:
        parts.append(_turn(right - _CHIP, rect.y, t(_TURNS)))
    return "".join([*parts, "</g>"])


def _behind(rect: Rect, far: float) -> str:
    """A card behind an open box that shows one of several equal ones."""
    return (
        f'<rect x="{n(rect.x + far)}" y="{n(rect.y - far)}" width="{n(rect.w)}" '
        f'height="{n(rect.h)}" rx="9"/>'
    )


def _to_toggle(box: ViewBox) -> str:
    title = one_line(box.title)
    if box.is_folded:
        return sentence("Show all of {title}", title=title)
    return sentence("Close {title}", title=title)


def _turn(x: float, y: float, meaning: str) -> str:
    """A turning arrow on the border of a box that runs more than once."""
    return (
        f'<g class="mark mark-turn" transform="translate({n(x)},{n(y)})">'
        f'<title>{escape(meaning)}</title><circle class="plate" r="{n(_CHIP)}"/>'
        f'<path class="glyph" transform="scale(0.74) translate(-6,-6)" '
        f'd="{shapes.LOOP_ICON}"/></g>'
    )


def _badge(badge: str, left: float, top: float) -> str:
    width = badge_width(badge)
    return (
        f'<rect class="badge-plate" x="{n(left)}" y="{n(top)}" width="{n(width)}" '
        f'height="{n(BADGE_HEIGHT)}" rx="{n(BADGE_HEIGHT / 2)}"/>'
        f'<text class="badge" x="{n(left + width / 2)}" y="{n(top + 11.6)}" '
        f'text-anchor="middle">{_text(badge)}</text>'
    )


def _toggle(box_id: str, x: float, y: float, label: str, *, opened: bool) -> str:
    """⊟ beside an open box's title, ⊞ beside a closed one's."""
    half, cross = TOGGLE / 2, "" if opened else f" M{n(TOGGLE / 2)},3 V{n(TOGGLE - 3)}"
    return (
        f'<g class="box-toggle" data-id={_attribute(box_id)} role="button" tabindex="-1" '
        f'aria-label={_attribute(label)} transform="translate({n(x)},{n(y)})">'
        f'<rect width="{n(TOGGLE)}" height="{n(TOGGLE)}" rx="2.5"/>'
        f'<path d="M3,{n(half)} H{n(TOGGLE - 3)}{cross}"/></g>'
    )


# Edges


def _edge(edge: ViewEdge, path: EdgePath, arrow: str) -> str:
    (start, *rest) = path.points
    course = " ".join(f"{n(x)},{n(y)}" for x, y in rest)
    label = label_of(edge.label)
    cut = one_line(edge.label) if label != one_line(edge.label) or not path.label else ""
    told = f" data-label={_attribute(cut)}" if cut else ""
    end = "start" if edge.up else "end"
    parts = [
        f'<g class="edge {_classes(edge.kind, "up" if edge.up else "", *edge.flags)}" '
        f"data-source={_attribute(edge.source)} data-target={_attribute(edge.target)}{told}>",
        f'<path d="M{n(start.x)},{n(start.y)} C{course}" marker-{end}="url(#{arrow})"/>',
    ]
    if label and path.label:
        parts.append(
            f'<text class="edge-label" x="{n(path.label.x)}" y="{n(path.label.y + 3.5)}" '
            f'text-anchor="middle">{_text(label)}</text>'
        )
    return "".join([*parts, "</g>"])


# Nodes


def _node(node: ViewNode, rect: Rect, t: Translate) -> str:
    spoken = _spoken(node, t)
    parts = [
        f'<g class="node {_classes(node.kind, *node.flags)}" data-id={_attribute(node.id)} '
        f'data-size="{n(rect.w)} {n(rect.h)}" tabindex="-1" role="button" '
        f"aria-label={_attribute(spoken)} "
        f'transform="translate({n(rect.x)},{n(rect.y)})">',
        f"<title>{escape(spoken)}</title>",
        *_shape(node, rect.w, rect.h),
        *_texts(node, rect.w, rect.h, t),
        *_marks(node, rect.w, rect.h, t),
    ]
    return "".join([*parts, "</g>"])


def _spoken(node: ViewNode, t: Translate) -> str:
    """All that a node says, for a screen reader: "relu, 2×3, line 12"."""
    words = [one_line(node.title), "" if node.kind == "op" else t(shapes.spoken(node.kind))]
    words += [one_line(node.subtitle), one_line(node.badge)]
    words += [t(shapes.spoken(flag)) for flag in node.flags]
    if node.source:
        words.append(t(sentence("line {line}", line=node.source[1])))
    return _NOT_XML.sub("\ufffd", ", ".join(word for word in words if word))


def _shape(node: ViewNode, w: float, h: float) -> Iterator[str]:
    kind = node.kind
    if kind == "box" and node.badge:
        yield f'<path class="outline back" d="{shapes.furthest(w, h)}"/>'
    if back := shapes.behind(kind, w, h):
        yield f'<path class="outline back" d="{back}"/>'
    yield f'<path class="outline" d="{shapes.outline(kind, w, h)}"/>'
    if solid := shapes.solid(kind, w, h):
        yield f'<path class="solid" d="{solid}"/>'
    if detail := shapes.detail(kind, w, h):
        yield f'<path class="detail" d="{detail}"/>'
    elif "view" in node.flags:
        yield f'<path class="detail" d="{shapes.outline(kind, w, h, 2.5)}"/>'


def _texts(node: ViewNode, w: float, h: float, t: Translate) -> Iterator[str]:
    title, subtitle = title_of(node), subtitle_of(node)
    x, y = shapes.text_centre(node.kind, w, h)
    base = y - 3.5 if subtitle else y + 4.5
    icon = icon_room(node)
    start = x - (icon + text_width(title, TITLE_SIZE)) / 2
    if node.kind == "box":
        label = t(sentence("Open {title}", title=one_line(node.title)))
        yield _toggle(node.id, start, base - 10.5, label, opened=False)
    elif node.kind == "loop":
        place = f"translate({n(start)},{n(base - 11)})"
        yield f'<path class="detail icon" transform="{place}" d="{shapes.LOOP_ICON}"/>'
    yield (
        f'<text class="title" x="{n(x + icon / 2)}" y="{n(base)}" text-anchor="middle">'
        f"{_text(title)}</text>"
    )
    if subtitle:
        yield (
            f'<text class="subtitle" x="{n(x)}" y="{n(base + 15)}" text-anchor="middle">'
            f"{_text(subtitle)}</text>"
        )


def _marks(node: ViewNode, w: float, h: float, t: Translate) -> Iterator[str]:
    """Marks of flags at the upper left corner, the badge at the upper right one."""
    x, y, side = shapes.corner(node.kind, w, h)
    flags = [flag for flag in shapes.MARKS if flag in node.flags]
    for place, flag in enumerate(flags):
        yield _mark(flag, w - x - side * place * (2 * _CHIP + 2), y, t)
    if node.badges:
        yield from _badges(node, w, x if side > 0 else x + 2 * _CHIP, y)
    elif badge := badge_of(node):
        left = x - _CHIP if side > 0 else x + _CHIP - badge_width(badge)
        yield _badge(badge, left, y - BADGE_HEIGHT / 2)


def _badges(node: ViewNode, w: float, x: float, y: float) -> Iterator[str]:
    """The badge of each of two runs, side by side: above the text, beside what comes in."""
    widths = [badge_width(badge) for badge in node.badges]
    left = max(x - _CHIP - sum(widths) / 2, w / 2 + _CHIP)
    for run, badge, width in zip("ab", node.badges, widths, strict=False):
        yield f'<g class="badge-{run}">{_badge(badge, left, y - BADGE_HEIGHT + 2)}</g>'
        left += width


def _mark(flag: str, x: float, y: float, t: Translate) -> str:
    meaning, glyph = shapes.MARKS[flag]
    plate = f'<circle class="plate" r="{n(_CHIP)}"/>'
    if flag == "nonfinite":
        plate = f'<path class="plate" d="{shapes.WARNING_PLATE}"/>'
    return (
        f'<g class="mark mark-{flag}" transform="translate({n(x)},{n(y)})">'
        f'<title>{escape(t(meaning))}</title>{plate}<path class="glyph" d="{glyph}"/></g>'
    )
