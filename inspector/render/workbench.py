"""The workbench's content as one JSON-like value: linked drawings, texts and cards.

The same value feeds the Streamlit page and an exported page; `assets/workbench*.js` shows it.
"""

from __future__ import annotations

import hashlib
import os
import re
import threading
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from importlib import resources
from itertools import pairwise
from typing import Any

import numpy as np

from inspector.errors import RenderError
from inspector.language import Translate, listed, sentence
from inspector.records import IRNode, Overlay, Recording, StaticGraph
from inspector.render.cards import Cards
from inspector.render.layout import Cancelled, layout
from inspector.render.svg import hidden_told, to_svg
from inspector.render.theme import THEMES, css_variables, graph_css
from inspector.render.told import told, told_text, told_view
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
Cancelling = Callable[[], bool]
"""Whether nobody waits for a picture any more."""

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
        cancelled: asked often, by several threads; True ends the work on it.
    """

    recording: Recording
    static: StaticGraph | None = None
    overlay: Overlay | None = None
    static_reason: str = ""
    opened: frozenset[str] = field(default_factory=frozenset)
    static_opened: frozenset[str] | None = None
    index: ViewIndex | None = field(default=None, compare=False)
    cancelled: Cancelling | None = field(default=None, compare=False)

    def check(self) -> None:
        """Raise `Cancelled` if nobody waits for it any more."""
        if self.cancelled is not None and self.cancelled():
            raise Cancelled("The picture was no longer wanted.")

    def views(self) -> Mapping[str, GraphView]:
        """The drawings' contents, by pane; each is made when it is asked for."""
        recording, opened = self.recording, self.opened
        index = self.index or index_of(recording)
        makers = {"dynamic": lambda: dynamic_view(recording, opened, index)}
        if recording.grad_nodes:
            makers["backward"] = lambda: backward_view(recording, opened, index)
            makers["twins"] = lambda: twin_view(recording, opened, index)
        if (static := self.static) is not None:
            makers["static"] = lambda: static_view(static, self.overlay, self.static_opened)
        return Views(makers)


class Views(Mapping[str, GraphView]):
    """The drawings' contents by pane. Each is made once, when it is first asked for."""

    def __init__(self, makers: Mapping[str, Callable[[], GraphView]]) -> None:
        self._makers = makers
        self._made: dict[str, GraphView] = {}
        self._lock = threading.Lock()

    def __getitem__(self, pane: str) -> GraphView:
        with self._lock:
            if pane not in self._made:
                self._made[pane] = self._makers[pane]()
            return self._made[pane]

    def __iter__(self) -> Iterator[str]:
        return iter(self._makers)

    def __len__(self) -> int:
        return len(self._makers)


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
    views: Mapping[str, GraphView] | None = None,
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
        draw: panes that are drawn now; the others say that they wait, and have no items yet.
            None draws all.
        views: what `shown.views()` returned, where it was called before.

    A drawing that fails is replaced by the reason in words; the other panes are unharmed.

    Raises:
        Cancelled: `shown.cancelled` said so.
    """
    views = shown.views() if views is None else views
    cards = cards or Cards(shown.recording, shown.static, shown.overlay, index=shown.index)
    now = [pane for pane in views if draw is None or pane in draw]
    drawn, items, used = drawings(now, views, shown, cards, translate)
    drawn |= {pane: {"waits": True} for pane in views if pane not in now}
    panes = told(list(_panes(shown, drawn)), translate)
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


def drawings(
    panes: Sequence[str],
    views: Mapping[str, GraphView],
    shown: Shown,
    cards: Cards,
    t: Translate,
) -> tuple[dict[str, Json], Json, dict[str, Json]]:
    """Some panes with what belongs to them.

    Args:
        panes: of `views`.
        views: of what is `shown`.
        cards: of the same records.
        t: gives a text in the page's language.

    Returns:
        By pane its SVG (or the reason why there is none) with a note; by pane and id the items;
        by name the cards of the items.

    Raises:
        Cancelled: `shown.cancelled` said so.
    """
    now: dict[str, GraphView] = {}
    for pane in panes:
        shown.check()
        now[pane] = views[pane]
    shown.check()
    items, used = _items(now, shown, cards)
    return drawn_panes(now, t, shown.cancelled), items, told(used, t)


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
    for ir in _text_nodes(shown.static) if "static" in views else ():
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
    """Numbers in order, runs of three and more as [first, last] or [first, last, step].

    A closed box has 100,000 ops; one op of a loop's trip stands for the same op of each trip.

    >>> runs_of([8, 7, 6, 5, 2, 1, 20, 31, 42])
    [1, 2, [5, 8], [20, 42, 11]]
    """
    if len(numbers) < 3:
        return sorted(numbers)
    unique = np.unique(np.asarray(numbers, dtype=np.int64))
    steps = np.diff(unique)
    bounds = [0, *(np.flatnonzero(np.diff(steps)) + 1).tolist(), len(steps)]
    found: list[int] = unique.tolist()
    runs: list[int | list[int]] = []
    at = 0  # the first number that is in no run yet
    for start, end in pairwise(bounds):  # found[start] to found[end] are at equal distances
        start = max(start, at)
        if end - start > 1:
            step = found[start + 1] - found[start]
            run = [found[start], found[end], step]
            runs += [*found[at:start], run if step > 1 else run[:2]]
            at = end + 1
    return runs + found[at:]


def _panes(shown: Shown, drawn: Mapping[str, Json]) -> Iterable[Json]:
    empty = sentence("No backward pass ran: there was no loss, or the run failed before it.")
    yield _pane("dynamic", "left", sentence("Dynamic graph"), drawn)
    yield _pane("backward", "left", sentence("Backward graph"), drawn, empty)
    if "twins" in drawn:
        yield _pane("twins", "left", sentence("Both"), drawn)
    traced = shown.static is not None and shown.static.kind == "trace"
    title = sentence("TorchScript IR (trace)") if traced else sentence("TorchScript IR")
    static = _pane("static", "right", title, drawn, shown.static_reason)
    source = {
        "id": "source",
        "side": "right",
        "title": sentence("Python source"),
        "files": list(_files(shown.recording, shown.index or index_of(shown.recording))),
        "empty": sentence("The source of this run is not known."),
    }
    if shown.static is None:
        yield from (source, static)  # the first one is on top: not the one that is empty
        return
    lines = list(ir_lines(shown.static, shown.overlay))
    yield static
    yield {"id": "irtext", "side": "right", "title": sentence("IR text"), "lines": lines}
    yield source


def _pane(pane: str, side: str, title: str, drawn: Mapping[str, Json], empty: str = "") -> Json:
    found: Json = {"id": pane, "side": side, "title": title, "svg": None, "empty": empty}
    return {**found, **drawn.get(pane, {})}


def drawn_panes(
    views: Mapping[str, GraphView], t: Translate, cancelled: Cancelling | None = None
) -> dict[str, Json]:
    """The drawings by pane: with the SVG, or with the reason why there is none.

    All are drawn at once: Graphviz runs outside of this process, and where it hangs the
    reader waits for one time limit, not for three.
    """

    def draw(view: GraphView) -> Json:
        notes = list(hidden_told(view))
        shown = told_view(view, t)
        try:
            places = layout(shown, LAYOUT_SECONDS, cancelled)
            notes += places.notes
            return {"svg": to_svg(shown, places, translate=t), "note": _row(notes, t)}
        except Cancelled:
            raise
        except RenderError as error:
            return {"empty": error.message, "note": _row(notes, t)}

    with ThreadPoolExecutor(max_workers=max(1, len(views))) as pool:
        return dict(zip(views, pool.map(draw, views.values()), strict=True))


def _row(notes: Sequence[str], t: Translate) -> str:
    return told_text(listed(notes, sentence("{first}; {then}")), t)


def _files(recording: Recording, index: ViewIndex) -> Iterable[Json]:
    """The files, the user's own before those of packages, the ones that ran most ops first."""
    order = sorted(
        recording.sources,
        key=lambda name: (_is_library(name), -index.ops_by_file.get(name, 0), name),
    )
    for file in order:
        hits = recording.lines.get(file, {})
        yield {
            "name": os.path.basename(file),
            "path": file,
            "lines": recording.sources[file].splitlines(),
            "first": 1,
            "hits": {str(line): count for line, count in hits.items()},
            "branches": {
                str(one.line): [one.kind, one.taken, one.not_taken]
                for one in reversed(recording.branches)  # of two on a line, the first
                if one.file == file
            },
        }


def _is_library(file: str) -> bool:
    path = file.replace(os.sep, "/")
    return "/site-packages/" in path or "/dist-packages/" in path


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
