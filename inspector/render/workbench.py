"""The workbench's content as one JSON-like value: linked drawings, texts and cards.

The same value feeds the Streamlit page and an exported page; `assets/workbench*.js` shows it.
"""

from __future__ import annotations

import hashlib
import os
import re
from collections.abc import Iterable, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from importlib import resources
from itertools import groupby
from typing import Any

from inspector.errors import RenderError
from inspector.records import IRNode, Overlay, Recording, StaticGraph
from inspector.render.cards import Cards, Translate
from inspector.render.layout import layout
from inspector.render.svg import to_svg
from inspector.render.theme import THEMES, css_variables, graph_css
from inspector.views import (
    GraphView,
    ViewIndex,
    backward_view,
    dynamic_view,
    index_of,
    twin_view,
)
from inspector.views.static import static_view

Json = dict[str, Any]

LAYOUT_SECONDS = 20.0
"""After this long a drawing is given up."""


@dataclass(frozen=True, slots=True)
class Shown:
    """What a workbench shows.

    Args:
        recording: what ran.
        static: the IR beside it; None shows `static_reason` in its place.
        overlay: what the recording ran of `static`.
        static_reason: in plain words, why there is no script (or no IR at all).
        opened: open boxes of the dynamic and backward graphs.
        static_opened: open boxes of the IR; None opens what fits.
        index: of the recording, where it was made before.
    """

    recording: Recording
    static: StaticGraph | None = None
    overlay: Overlay | None = None
    static_reason: str = ""
    opened: frozenset[str] = field(default_factory=frozenset)
    static_opened: frozenset[str] | None = None
    index: ViewIndex | None = field(default=None, compare=False)

    def views(self) -> dict[str, GraphView]:
        """The drawings' contents, by pane."""
        index = self.index or index_of(self.recording)
        found = {"dynamic": dynamic_view(self.recording, self.opened, index)}
        if self.recording.grad_nodes:
            found["backward"] = backward_view(self.recording, self.opened, index)
            found["twins"] = twin_view(self.recording, self.opened, index)
        if self.static is not None:
            found["static"] = static_view(self.static, self.overlay, self.static_opened)
        return found


def script_text() -> str:
    """The component's JavaScript, one ES module."""
    return _assets(".js")


def style_text() -> str:
    """The component's CSS."""
    return _assets(".css")


def _assets(suffix: str) -> str:
    folder = resources.files("inspector.render") / "assets"
    names = sorted(item.name for item in folder.iterdir() if item.name.endswith(suffix))
    return "\n".join((folder / name).read_text(encoding="utf-8") for name in names)


def theme_css() -> str:
    """Colours of both themes and the rules of the drawings."""
    blocks = (f'[data-theme="{theme}"] {{\n{css_variables(theme)}\n}}' for theme in THEMES)
    return "\n".join([*blocks, graph_css()])


def workbench_payload(
    shown: Shown,
    *,
    translate: Translate = str,
    labels: Mapping[str, Any] | None = None,
    selected: str | None = None,
    selected_seq: int = 0,
    height: int | None = None,
    cards: Cards | None = None,
    draw: frozenset[str] | None = None,
) -> Json:
    """Everything the workbench needs, as values that JSON knows.

    Args:
        shown: the records.
        translate: gives a text in the page's language.
        labels: the component's own texts in that language.
        selected: "pane/id" to select at first.
        selected_seq: a number that grows with each selection made from outside.
        height: of the whole component, in px; None leaves it to the page's CSS.
        cards: of the same records, where they were made before.
        draw: panes that are drawn now; the others say that they wait. None draws all.

    A drawing that fails is replaced by the reason in words; the other panes are unharmed.
    """
    views = shown.views()
    cards = cards or Cards(
        shown.recording, shown.static, shown.overlay, translate, index=shown.index
    )
    items, used = _items(views, shown, cards)
    now = {pane: view for pane, view in views.items() if draw is None or pane in draw}
    drawn = drawings(now, translate) | {pane: {"waits": True} for pane in views.keys() - now.keys()}
    panes = list(_panes(shown, drawn, translate))
    return payload_of(panes, items, used, labels, height, selected, selected_seq)


def payload_of(
    panes: list[Json],
    items: Json,
    cards: Mapping[str, Json],
    labels: Mapping[str, Any] | None,
    height: int | None,
    selected: str | None = None,
    selected_seq: int = 0,
) -> Json:
    """The workbench's value from its parts; a change of a drawing makes another `key`."""
    digest = hashlib.sha1(repr([pane.get("svg") for pane in panes]).encode(), usedforsecurity=False)
    return {
        "key": digest.hexdigest(),
        "css": theme_css(),
        "labels": dict(labels or {}),
        "panes": panes,
        "items": items,
        "cards": cards,
        "selected": selected,
        "selected_seq": selected_seq,
        "height": height,
    }


def _items(
    views: Mapping[str, GraphView], shown: Shown, cards: Cards
) -> tuple[Json, dict[str, Json]]:
    """Items by pane and id, and the cards they name.

    IR nodes that are not drawn count too: they have their lines in the IR text.
    """
    items: Json = {}
    used: dict[str, Json] = {}
    for pane, view in views.items():
        own = items[pane] = {}
        for node in view.nodes:
            name = f"{pane}/{node.id}"
            used[name] = cards.card(pane, node.id)
            own[node.id] = _item(node.ops, node.grads, node.source, name)
    for ir in _text_nodes(shown.static):
        own = items["static"]
        if f"ir:{ir.id}" not in own:
            name = f"static/ir:{ir.id}"
            used[name] = cards.card("static", f"ir:{ir.id}")
            source = None if ir.source is None else (ir.source.file, ir.source.line)
            own[f"ir:{ir.id}"] = _item(cards.ops_of(ir), (), source, name)
    return items, used


def _item(
    ops: Sequence[int], grads: Sequence[int], source: tuple[str, int] | None, card: str
) -> Json:
    return {"ops": runs_of(ops), "grads": runs_of(grads), "source": source, "card": card}


def runs_of(numbers: Sequence[int]) -> list[int | list[int]]:
    """Numbers, of which runs of three and more are [first, last]: a closed box has 100,000 ops.

    >>> runs_of([1, 2, 5, 6, 7, 8])
    [1, 2, [5, 8]]
    """
    found: list[int | list[int]] = []
    for _, group in groupby(enumerate(numbers), lambda pair: pair[1] - pair[0]):
        run = [number for _, number in group]
        found += run if len(run) < 3 else [[run[0], run[-1]]]
    return found


def _panes(shown: Shown, drawn: Mapping[str, Json], t: Translate) -> Iterable[Json]:
    empty = t("No backward pass ran: there was no loss, or the run failed before it.")
    yield _pane("dynamic", "left", t("Dynamic graph"), drawn)
    yield _pane("backward", "left", t("Backward graph"), drawn, empty)
    if "twins" in drawn:
        yield _pane("twins", "left", t("Both"), drawn)
    traced = shown.static is not None and shown.static.kind == "trace"
    title = t("TorchScript IR (trace)") if traced else t("TorchScript IR")
    static = _pane("static", "right", title, drawn, shown.static_reason)
    source = {
        "id": "source",
        "side": "right",
        "title": t("Python source"),
        "files": list(_files(shown.recording)),
        "empty": t("The source of this run is not known."),
    }
    if shown.static is None:
        yield from (source, static)  # the first one is on top: not the one that is empty
        return
    lines = list(ir_lines(shown.static, shown.overlay))
    yield static
    yield {"id": "irtext", "side": "right", "title": t("IR text"), "lines": lines}
    yield source


def _pane(pane: str, side: str, title: str, drawn: Mapping[str, Json], empty: str = "") -> Json:
    found: Json = {"id": pane, "side": side, "title": title, "svg": None, "empty": empty}
    return {**found, **drawn.get(pane, {})}


def drawings(views: Mapping[str, GraphView], t: Translate) -> dict[str, Json]:
    """The drawings by pane: with the SVG, or with the reason why there is none.

    All are drawn at once: Graphviz runs outside of this process, and where it hangs the
    reader waits for one time limit, not for three.
    """

    def draw(view: GraphView) -> Json:
        notes = (f"{count:,} {t(word)}" for word, count in view.hidden.items())
        note = "; ".join(notes)
        try:
            return {"svg": to_svg(view, layout(view, LAYOUT_SECONDS)), "note": note}
        except RenderError as error:
            return {"empty": str(error), "note": note}

    with ThreadPoolExecutor(max_workers=max(1, len(views))) as pool:
        return dict(zip(views, pool.map(draw, views.values()), strict=True))


def _files(recording: Recording) -> Iterable[Json]:
    """The user's files, the ones that ran most ops first."""
    ops: dict[str, int] = {}
    for op in recording.ops:
        if op.source is not None:
            ops[op.source.file] = ops.get(op.source.file, 0) + 1
    for file in sorted(recording.sources, key=lambda name: (-ops.get(name, 0), name)):
        hits = recording.lines.get(file, {})
        yield {
            "name": os.path.basename(file),
            "path": file,
            "lines": recording.sources[file].splitlines(),
            "first": 1,
            "hits": {str(line): count for line, count in hits.items()},
        }


def _text_nodes(static: StaticGraph | None) -> Iterable[IRNode]:
    """The nodes that the graph's own text holds: not those of called graphs."""
    if static is None:
        return
    called: set[int] = set()
    for node in static.nodes:
        owner = node.parent[0] if node.parent is not None else None
        if owner is not None and (
            owner in called or static.nodes[owner].kind.startswith("prim::Call")
        ):
            called.add(node.id)
        else:
            yield node


_COMMENT = re.compile(r" # (\S*/)?([^/\s]+:\d+:\d+)$")


def ir_lines(static: StaticGraph, overlay: Overlay | None) -> Iterable[Json]:
    """The IR's text, each line with the node that it is, in the order of the nodes."""
    nodes = iter(_text_nodes(static))
    node = next(nodes, None)
    for line in static.text.rstrip("\n").split("\n"):
        found: Json = {"text": _COMMENT.sub(r"  # \2", line), "node": None, "state": ""}
        if node is not None and _is_line_of(line, node):
            found["node"] = f"ir:{node.id}"
            count = overlay.executions.get(node.id) if overlay is not None else None
            if count is not None:
                found["state"] = "executed" if count else "skipped"
                found["count"] = count
            node = next(nodes, None)
        yield found


def _is_line_of(line: str, node: IRNode) -> bool:
    return _without_place(line) == _without_place(node.text)


def _without_place(line: str) -> str:
    """A node's line without its position; one without outputs may start with " = "."""
    return line.strip().partition(" # ")[0].removeprefix("= ")
