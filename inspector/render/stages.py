"""Two stages of a graph side by side, as a value for the workbench's JavaScript."""

from __future__ import annotations

import os
from collections.abc import Iterable, Mapping
from typing import Any

from inspector.language import Translate, sentence
from inspector.records import IRNode, StaticGraph
from inspector.render.told import told
from inspector.render.workbench import Json, drawn_panes, ir_lines, payload_of
from inspector.stages import Stage, StageChange
from inspector.views.model import GraphView
from inspector.views.stages import SIDES, change_of, stage_view, with_groups_as_calls

_SIGNS = {"gone": "−", "new": "+", "fused": "»", "unrolled": "≡", "replaced": "→"}


CHANGES = {
    "gone": sentence("gone"),
    "new": sentence("new"),
    "fused": sentence("fused"),
    "unrolled": sentence("unrolled"),
    "replaced": sentence("replaced"),
}
"""What becomes of a node."""

SAME = sentence("same")


def stage_payload(
    before: Stage,
    after: Stage,
    change: StageChange | None = None,
    *,
    translate: Translate = str,
    labels: Mapping[str, Any] | None = None,
    opened: Mapping[str, frozenset[str]] | None = None,
    height: int | None = None,
) -> Json:
    """Everything the workbench needs to show two stages: graphs, IR texts, source and cards.

    The panes are "before" and "after", with "before-text" and "after-text" behind them, and
    "source". Selecting a node lights up what it became.

    Args:
        before, after: two stages; a stage without a graph shows its reason.
        change: from the one to the other; None takes `after.change`, which has to be one
            from `before`.
        translate: gives a text in the page's language.
        labels: the component's own texts in that language.
        opened: open boxes by pane ("before", "after"); what fits is opened where there is none.
        height: of the whole component, in px.
    """
    if change is None and after.compared_with == before.name:
        change = after.change
    stages = dict(zip(SIDES, (before, after), strict=True))
    graphs = {side: stage.graph for side, stage in stages.items() if stage.graph is not None}
    views = {
        side: stage_view(graph, change, side, (opened or {}).get(side))
        for side, graph in graphs.items()
    }
    cards = {side: _Cards(graph, change, side) for side, graph in graphs.items()}
    panes = list(_panes(stages, views, change, translate))
    items, used = _items(views, cards)
    found = payload_of(panes, items, used, labels, height)
    return {**found, **told({name: found[name] for name in ("panes", "cards")}, translate)}


def _panes(
    stages: Mapping[str, Stage],
    views: Mapping[str, GraphView],
    change: StageChange | None,
    t: Translate,
) -> Iterable[Json]:
    drawn = drawn_panes(views, t)
    for side, place in zip(SIDES, ("left", "right"), strict=True):
        stage = stages[side]
        title = stage.title
        empty: Json = {"svg": None, "empty": stage.reason}
        yield {"id": side, "side": place, "title": title, **empty, **drawn.get(side, {})}
        if stage.graph is not None:
            yield {
                "id": f"{side}-text",
                "side": place,
                "title": sentence("IR text"),
                "of": side,
                "lines": list(_lines(stage.graph, change, side)),
            }
    files = {
        name: text
        for stage in stages.values()
        if stage.graph is not None
        for name, text in stage.graph.sources.items()
    }
    if files:
        shown = [_file(name, text) for name, text in sorted(files.items())]
        yield {"id": "source", "side": "right", "title": sentence("Python source"), "files": shown}


def _lines(graph: StaticGraph, change: StageChange | None, side: str) -> Iterable[Json]:
    """The IR's text; the lines of changed nodes begin with a sign."""
    changes = change_of(change, side)
    for line in ir_lines(with_groups_as_calls(graph), None):
        number = None if line["node"] is None else int(line["node"].partition(":")[2])
        found = None if number is None else changes.get(number)
        sign = _SIGNS.get(found[1].kind, " ") if found is not None else " "
        yield {**line, "text": f"{sign} {line['text']}"}


def _file(name: str, text: str) -> Json:
    lines = text.splitlines()
    return {"name": os.path.basename(name), "path": name, "lines": lines, "first": 1, "hits": {}}


def _items(
    views: Mapping[str, GraphView], cards: Mapping[str, _Cards]
) -> tuple[Json, dict[str, Json]]:
    """Items by pane and id, and the cards they name."""
    items: Json = {}
    used: dict[str, Json] = {}
    for side, view in views.items():
        own = items[side] = {}
        for node in view.nodes:
            name = f"{side}/{node.id}"
            used[name] = cards[side].card(node.id, node.title)
            own[node.id] = {"ops": list(node.ops), "source": node.source, "card": name}
        for number, ops, place in cards[side].text_nodes():
            if f"ir:{number}" not in own:
                name = f"{side}/ir:{number}"
                used[name] = cards[side].card(f"ir:{number}", "")
                own[f"ir:{number}"] = {"ops": ops, "source": place, "card": name}
    return items, used


class _Cards:
    """What the card of a node tells: what it is, and what became of it."""

    def __init__(self, graph: StaticGraph, change: StageChange | None, side: str) -> None:
        self._graph = graph
        self._changes = change_of(change, side)

    def text_nodes(self) -> Iterable[tuple[int, list[int], tuple[str, int] | None]]:
        """Each node with its changes and its place, for the lines of the text."""
        for node in self._graph.nodes:
            found = self._changes.get(node.id)
            place = None if node.source is None else (node.source.file, node.source.line)
            yield node.id, [] if found is None else [found[0]], place

    def card(self, drawn: str, title: str) -> Json:
        """The card of a drawn id."""
        kind, _, rest = drawn.partition(":")
        if kind != "ir":
            word = sentence("input") if kind == "value" else sentence("output")
            return {"title": title, "kind": word}
        number = int(rest.partition("@")[0].partition("/")[0])
        return self._ir(self._graph.nodes[number])

    def _ir(self, node: IRNode) -> Json:
        found = self._changes.get(node.id)
        rows = [(sentence("module"), node.module_path)] if node.module_path else []
        if found is not None:
            rows.append((sentence("change"), CHANGES.get(found[1].kind, SAME)))
        if node.types:
            rows.append((sentence("type"), ", ".join(node.types)))
        return {
            "title": node.kind,
            "kind": sentence("IR node"),
            "subtitle": node.text.partition(" # ")[0],
            "rows": rows,
            "tensors": [],
            "source": self._place(node),
            "note": found[1].reason if found is not None else "",
        }

    def _place(self, node: IRNode) -> Json | None:
        source = node.source
        if source is None:
            return None
        lines = self._graph.sources.get(source.file, "").splitlines()
        text = lines[source.line - 1].strip() if 0 < source.line <= len(lines) else ""
        file = os.path.basename(source.file)
        return {"file": file, "path": source.file, "line": source.line, "text": text}
