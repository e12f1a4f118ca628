"""A run in one picture with the run before it: what is gone, what is new, all else in its place.

A `MorphBook` is the `Book` of the run that is there now, and answers all that one does: its
timeline, cards, values, backward graph and IR are those of that run. Only the dynamic graph is
drawn together with the run before (`views/morph.py`), in the names of the run now.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from typing import Any

from inspector.compare import compare
from inspector.comparison import Comparison
from inspector.found import Finding
from inspector.language import sentence
from inspector.records import Recording
from inspector.render.answers import Book
from inspector.render.cardparts import Card
from inspector.render.cards import BOX_KINDS, BOXES, Cards
from inspector.render.once import once
from inspector.render.workbench import Shown, Views
from inspector.timeline import Timeline
from inspector.views import GraphView, ViewIndex
from inspector.views.morph import Morph
from inspector.views.names import describe

Json = dict[str, Any]


@dataclass(frozen=True, slots=True)
class MorphShown(Shown):
    """What a workbench shows of a run beside the one before it."""

    morph: Morph | None = None

    def views(self) -> Mapping[str, GraphView]:
        """The drawings' contents: the dynamic graph of both runs, the others of the one now."""
        plain = Shown.views(self)
        assert self.morph is not None
        makers = {pane: _maker(plain, pane) for pane in plain}
        makers["dynamic"] = _maker_of(self.morph, self.opened)
        return Views(makers)


class MorphBook(Book):
    """The book of a run that shows what changed since the run before.

    Args:
        before, now: books of the two runs.
        names: what they are called, before and now.

    Attributes:
        morph: the picture of both.
    """

    def __init__(self, before: Book, now: Book, names: tuple[str, str]) -> None:
        super().__init__(now.recording, now.static, now.overlay, now.static_reason)
        self.beside = before.recording
        self.run = now.run
        self.before, self.now = before, now
        self.names = names
        self.morph = Morph(before.index, now.index, now_first=now.run < before.run)

    @once
    def comparison(self) -> Comparison:
        """What changed, from before (A) to now (B)."""
        if self.before.run < self.now.run:
            return self.morph.union.comparison
        return compare(self.before.recording, self.now.recording)

    @once
    def cards(self) -> Cards:
        """The cards of the run now, and those of what it has not any more."""
        return _MorphCards(self)

    @once
    def index(self) -> ViewIndex:
        """Boxes and edges of the run now; the way to an op is that in the picture of both."""
        return _IndexNow(self.now.recording, self.morph)

    @once
    def timeline(self) -> Timeline:
        """The moments of the run now."""
        return self.now.timeline

    @once
    def findings(self) -> tuple[Finding, ...]:
        """What is wrong in the run now."""
        return self.now.findings

    @once
    def first_open(self) -> frozenset[str]:
        """Boxes that are open at first, of all graphs."""
        static = frozenset(box for box in self.now.first_open if box.startswith("ir:"))
        return self.morph.first_open() | static

    def shown(self, toggled: frozenset[str]) -> Shown:
        """What is shown when these boxes are not as they are at first."""
        plain = super().shown(toggled)
        return MorphShown(
            plain.recording,
            plain.static,
            plain.overlay,
            plain.static_reason,
            opened=plain.opened,
            static_opened=plain.static_opened,
            index=plain.index,
            morph=self.morph,
        )

    def payload(self, shown: Shown, draw: frozenset[str] | None) -> Json:
        """The workbench's value, with what each item of the dynamic graph was before."""
        found = super().payload(shown, draw)
        view = self.views(shown)["dynamic"]
        ids = [node.id for node in view.nodes] + [box.id for box in view.boxes]
        was = {one: self.morph.name_before(one) for one in ids}
        found["morph"] = {
            "before": self.before.run,
            "names": list(self.names),
            "was": {one: name for one, name in was.items() if name is not None},
            "ir": self._ir_of_gone(ids),
        }
        return found

    def _ir_of_gone(self, ids: Iterable[str]) -> dict[str, list[str]]:
        """The IR nodes that what is gone had run, where both runs have the same IR."""
        before, now = self.before.static, self.now.static
        if before is None or now is None or (before.kind, before.text) != (now.kind, now.text):
            return {}
        nodes: dict[int, list[str]] = {}
        for node in before.nodes:
            for op in self.before.cards.ops_of(node):
                nodes.setdefault(op, []).append(f"ir:{node.id}")
        found = {one: self.morph.ops_before(one) for one in ids}
        linked = {
            one: list(dict.fromkeys(ir for op in ops for ir in nodes.get(op, ())))
            for one, ops in found.items()
        }
        return {one: irs for one, irs in linked.items() if irs}


class _IndexNow(ViewIndex):
    def __init__(self, recording: Recording, morph: Morph) -> None:
        super().__init__(recording)
        self._morph = morph

    def way_to(self, op: int) -> tuple[str, ...]:
        return self._morph.way_to(op)


class _MorphCards(Cards):
    def __init__(self, book: MorphBook) -> None:
        super().__init__(book.recording, book.static, book.overlay, index=book.now.index)
        self._book = book
        self._morph = book.morph
        self._by_id = book.now.index.by_id
        self._changes = {f"op:{one.b}": one.detail for one in book.comparison.changes}

    def card(self, pane: str, item: str) -> Card:
        """The card of an item; of the dynamic graph with what became of it."""
        if pane != "dynamic":
            return super().card(pane, item)
        own = item.partition("@")[0]
        kind = own.partition(":")[0]
        before = self._morph.name_before(own)
        if kind.startswith("was_") and before is not None:
            return self._gone(own, before)
        if kind.removeprefix("both_") in BOXES and own not in self._by_id:
            found = self._of_both(own)
        else:
            found = super().card(pane, item)
        rows = list(found.get("rows", ()))
        if kind != "more" and before is None and not kind.startswith("both_"):
            name = self._book.names[0]
            rows.insert(0, (sentence("new"), sentence("not with “{name}”", name=name)))
        elif own in self._changes:
            rows.insert(0, (sentence("changed"), self._changes[own]))
        return {**found, "rows": rows}

    def _gone(self, own: str, before: str) -> Card:
        """The card that it had before. Its tensors are not of this run: nothing more is asked."""
        kind = own.removeprefix("was_").partition(":")[0]
        inside = kind in BOXES and before not in self._book.before.index.by_id
        found = self._of_both(own) if inside else self._book.before.cards.card("dynamic", before)
        name = self._book.names[0]
        row = (sentence("gone"), sentence("only with “{name}”", name=name))
        known = found.get("tensors", ())
        tensors = [
            {key: value for key, value in one.items() if key not in ("id", "family", "values")}
            for one in known
        ]
        return {**found, "rows": [row, *found.get("rows", ())], "tensors": tensors}

    def _of_both(self, own: str) -> Card:
        """A loop or a part of many that is a box only in the picture of both."""
        number = self._morph.box_of(own)
        index = self._morph.index
        found = None if number is None else describe(index, index.boxes[number].id)
        if found is None:
            return {"title": own}
        rows = [(sentence("ops"), f"{found.size:,}")]
        return {
            "title": found.title,
            "kind": BOX_KINDS.get(found.kind, found.kind),
            "subtitle": found.subtitle,
            "rows": rows,
        }


def _maker(views: Mapping[str, GraphView], pane: str) -> Callable[[], GraphView]:
    return lambda: views[pane]


def _maker_of(morph: Morph, opened: frozenset[str]) -> Callable[[], GraphView]:
    return lambda: morph.view(opened)
