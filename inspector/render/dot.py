"""A graph as DOT text: complete and good-looking as it stands, for any Graphviz.

The text carries colours and fonts of its own. (`layout` writes another, plainer DOT, in which
only sizes matter.) Strings are escaped for where they stand: ids in double quotes, labels as
Graphviz's HTML-like labels, in which `&`, `<`, `>` and the backslash are special.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterator, Mapping

from inspector.render.measure import badge_of, label_of, one_line, subtitle_of, title_of
from inspector.render.theme import STAGE_FLAGS, SUBTITLE_SIZE, TITLE_SIZE, colour_role, palette
from inspector.views.model import GraphView, ViewBox, ViewEdge, ViewNode

SHAPES = {
    "input": "oval",
    "output": "oval",
    "parameter": "note",
    "decision": "diamond",
    "constant": "box",
    "grad": "box",
    "accumulate": "house",
    "branch": "hexagon",
    "loop": "box",
    "box": "box3d",
}
"""Graphviz's shape for each kind; others are a box."""

# Only signs that common fonts have; a view is told by its double border.
_GLYPHS = {
    "failed": "✕",
    "nonfinite": "⚠",
    "inplace": "✎",
    "accumulated": "+",
    "new": "+",
    "gone": "−",
    "fused": "»",
    "unrolled": "≡",
    "replaced": "→",
}
_BOX_GLYPHS = dict.fromkeys(("loop", "trip", "repeat"), "↻ ")
_DASHED_BOXES = ("block", "step", "trip", "range")
_SHARP = ("grad", "constant")
_EDGE_STYLES = {"control": "dashed", "write": "dotted"}
_DIRECTIONS = ("TB", "BT", "LR", "RL")


def direction(view: GraphView) -> str:
    """Return Graphviz's `rankdir` for the view; an unknown direction is top to bottom."""
    return view.direction if view.direction in _DIRECTIONS else "TB"


def quote(text: str) -> str:
    """Return `text` as a quoted DOT id. Different texts give different ids.

    Backslashes are doubled, and a control character or lone surrogate becomes one backslash and
    its number, so that no other text can read the same.
    """
    escaped = text.replace("\\", "\\\\").replace('"', '\\"')
    if not escaped.isprintable():
        escaped = "".join(c if c.isprintable() else f"\\u{ord(c):04x}" for c in escaped)
    return f'"{escaped}"'


def html(text: str) -> str:
    """Return one line of `text`, escaped for an HTML-like label (which must not be empty).

    Backslashes are doubled: Graphviz replaces a backslash and "N" by the node's name even there.
    """
    return (one_line(text) or " ").translate(_ENTITIES)


_ENTITIES = str.maketrans({"&": "&amp;", "<": "&lt;", ">": "&gt;", "\\": "\\\\"})


def parents(view: GraphView) -> dict[str, str | None]:
    """Return box id -> id of the box around it, None at the top.

    An unknown parent, and a chain of parents that comes back to itself, count as the top.
    """
    named = {box.id: box.parent for box in view.boxes}
    sound: dict[str, str | None] = {}
    for box_id in named:
        seen = {box_id}
        above = named[box_id]
        while above in named and above not in seen and above not in sound:
            seen.add(above)
            above = named[above]
        reaches_top = above not in seen
        parent = named[box_id]
        sound[box_id] = parent if reaches_top and parent in named else None
    return sound


def walk(view: GraphView) -> Iterator[tuple[str, ViewBox | ViewNode]]:
    """Yield ("open", box), ("node", node) and ("close", box) in nesting order, and ("empty", box)
    inside a box that has nothing in it.

    Without recursion: boxes may be nested to any depth. Of two nodes or boxes with one id, the
    first counts; a node in an unknown box is at the top.
    """
    above = parents(view)
    inside: dict[str | None, list[ViewBox]] = defaultdict(list)
    members: dict[str | None, list[ViewNode]] = defaultdict(list)
    for box in {box.id: box for box in reversed(view.boxes)}.values():
        inside[above[box.id]].append(box)
    for node in unique_nodes(view).values():
        members[node.box if node.box in above else None].append(node)
    stack: list[tuple[str, ViewBox]] = [("open", box) for box in inside[None]]
    yield from (("node", node) for node in members[None])
    while stack:
        event, box = stack.pop()
        yield event, box
        if event == "open":
            yield from (("node", node) for node in members[box.id])
            if not members[box.id] and not inside[box.id]:
                yield "empty", box
            stack.append(("close", box))
            stack.extend(("open", child) for child in inside[box.id])


def blank(box: ViewBox) -> str:
    """Return an invisible node: Graphviz leaves out a box with nothing in it.

    Its name begins with a single backslash and a "b", which `quote` never writes.
    """
    name = '"\\b' + quote(box.id)[1:]
    return f'{name} [shape=box, style=invis, fixedsize=true, width=1, height=0.3, label=""];'


def unique_nodes(view: GraphView) -> dict[str, ViewNode]:
    """Return id -> node, in the view's order; of two nodes with one id, the first counts."""
    nodes: dict[str, ViewNode] = {}
    for node in view.nodes:
        nodes.setdefault(node.id, node)
    return nodes


def drawn_edges(view: GraphView) -> list[tuple[int, ViewEdge]]:
    """Return (index in `view.edges`, edge) of the edges between two different known nodes."""
    known = {node.id for node in view.nodes}
    return [
        (index, edge)
        for index, edge in enumerate(view.edges)
        if edge.source != edge.target and edge.source in known and edge.target in known
    ]


def to_dot(view: GraphView, theme: str = "light") -> str:
    """Return the view as DOT text that any Graphviz draws: `dot -Tsvg picture.dot`.

    Args:
        view: what to draw.
        theme: "light" or "dark".

    Raises:
        RenderError: there is no such theme.
    """
    colours = palette(theme)
    lines = [f"digraph {quote(view.name)} {{", *_defaults(view, colours)]
    ranks = _ranks(view)
    lines += ranks.get(None, ())
    depth = 0
    for event, item in walk(view):
        if isinstance(item, ViewNode):
            lines.append(_node(item, colours))
        elif event == "open":
            lines.append(_open_box(item, depth, colours))
            lines += ranks.get(item.id, ())
            depth += 1
        elif event == "empty":
            lines.append(blank(item))
        else:
            lines.append("}")
            depth -= 1
    lines += [_edge(edge, colours) for _, edge in drawn_edges(view)]
    return "\n".join([*lines, "}", ""])


def _defaults(view: GraphView, colours: Mapping[str, str]) -> Iterator[str]:
    font = 'fontname="Helvetica,Arial,sans-serif"'
    yield (
        f'graph [rankdir={direction(view)}, bgcolor="{colours["canvas"]}", pad=0.3, '
        f'nodesep=0.35, ranksep=0.45, {font}, fontcolor="{colours["text"]}"];'
    )
    yield (
        f'node [shape=box, style="rounded,filled", margin="0.16,0.08", height=0.4, penwidth=1.2, '
        f'{font}, fontsize={TITLE_SIZE}, fontcolor="{colours["text"]}"];'
    )
    yield (
        f'edge [color="{colours["edge"]}", fontcolor="{colours["muted"]}", arrowsize=0.7, '
        f'fontname="Courier,monospace", fontsize={SUBTITLE_SIZE - 1}];'
    )


def _ranks(view: GraphView) -> dict[str | None, list[str]]:
    """Box id -> what puts its nodes side by side; a group counts in the box of its first node."""
    known = {box.id for box in view.boxes}
    nodes = unique_nodes(view)
    found: dict[str | None, list[str]] = defaultdict(list)
    for group in view.ranks:
        owners = {id: nodes[id].box for id in group if id in nodes}
        owner = next(iter(owners.values()), None)
        together = [quote(id) for id, box in owners.items() if box == owner]
        if len(together) > 1:
            place = owner if owner in known else None
            found[place].append(f"{{ rank=same; {'; '.join(together)} }}")
    return found


def _open_box(box: ViewBox, depth: int, colours: Mapping[str, str]) -> str:
    fill = colours["box-fill-alt" if depth % 2 else "box-fill"]
    stroke = colours["executed" if "executed" in box.flags else "box-stroke"]
    dashed = ",dashed" if "skipped" in box.flags or box.kind in _DASHED_BOXES else ""
    badge = f" {badge_of(box)}" if box.badge else ""
    label = f"<B>{html(_BOX_GLYPHS.get(box.kind, '') + title_of(box) + badge)}</B>"
    if box.subtitle:
        label += f' <FONT COLOR="{colours["muted"]}">{html(subtitle_of(box))}</FONT>'
    return (
        f"subgraph {quote('cluster_' + box.id)} {{\nlabel=<{label}>; labeljust=l; margin=14; "
        f'style="rounded,filled{dashed}"; fillcolor="{fill}"; color="{stroke}"; '
        f"fontsize={TITLE_SIZE};"
    )


def _node(node: ViewNode, colours: Mapping[str, str]) -> str:
    role = colour_role(node.kind)
    fill, stroke, width = colours[f"{role}-fill"], colours[f"{role}-stroke"], 1.2
    for flag, thickness in (("executed", 2.2), ("nonfinite", 2.2), ("failed", 3.0)):
        if flag in node.flags:
            stroke, width = colours[flag], thickness
    for flag in STAGE_FLAGS:
        if flag in node.flags:
            stroke, width = colours[f"stage-{flag}"], 2.2
    if "failed" in node.flags:
        fill = colours["failed-fill"]
    shape = SHAPES.get(node.kind, "box")
    rounded = shape == "box" and node.kind not in _SHARP
    style = ["filled"] + ["rounded"] * rounded
    style += ["dashed"] * bool({"inplace", "skipped", "gone", "vanished"} & set(node.flags))
    double = node.kind == "output" or "view" in node.flags
    return (
        f"{quote(node.id)} [label=<{_label(node, colours)}>, shape={shape}, "
        f'style="{",".join(style)}", fillcolor="{fill}", color="{stroke}", penwidth={width}'
        f"{', peripheries=2' if double else ''}];"
    )


def _label(node: ViewNode, colours: Mapping[str, str]) -> str:
    marks = "".join(f"{glyph} " for flag, glyph in _GLYPHS.items() if flag in node.flags)
    prefix = {"loop": "↻ ", "box": "⊞ "}.get(node.kind, "")
    colour = colours["muted" if "skipped" in node.flags else "text"]
    label = f'<FONT COLOR="{colour}"><B>{html(prefix + marks + title_of(node))}</B></FONT>'
    muted = f'<FONT POINT-SIZE="{SUBTITLE_SIZE}" COLOR="{colours["muted"]}">'
    if node.badge:
        label += f" {muted}{html(badge_of(node))}</FONT>"
    if node.subtitle:
        label += f"<BR/>{muted}{html(subtitle_of(node))}</FONT>"
    return label


def _edge(edge: ViewEdge, colours: Mapping[str, str]) -> str:
    attributes = []
    if edge.label:
        attributes.append(f"label=<&#160;{html(label_of(edge.label))}>")
    if f"edge-{edge.kind}" in colours:
        attributes.append(f'color="{colours[f"edge-{edge.kind}"]}"')
    if edge.up:
        attributes.append("dir=back")
    if edge.kind in _EDGE_STYLES:
        attributes.append(f"style={_EDGE_STYLES[edge.kind]}")
    listed = f" [{', '.join(attributes)}]" if attributes else ""
    return f"{quote(edge.source)} -> {quote(edge.target)}{listed};"
