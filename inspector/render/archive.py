"""What of a `Book` goes into a saved page: answers worked out beforehand, as far as there is room.

A page without a server can draw nothing anew. So it takes along the picture as it is at first and
each closed box by itself (`closeups.py`), the cards, the search, the timeline and the findings.
Everything is gzipped JSON in base64, piece by piece: `workbench-h-file.js` unpacks a piece when it
is first needed, and offers only what is there.
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from typing import Any

from inspector.errors import InspectorError
from inspector.render.answers import Book, answer
from inspector.render.closeups import Closeup, closed_boxes, closeups
from inspector.render.findindex import Index
from inspector.render.findtable import find_table
from inspector.render.heatscale import heat_payload
from inspector.render.packed import columns, packed_cards, packed_drawings, piece
from inspector.render.pairs import PairBook
from inspector.render.relationwords import relations_answer
from inspector.render.told import told, told_text
from inspector.render.workbench import drawings
from inspector.views import GraphView
from inspector.views.closeup import base_id

Json = dict[str, Any]


@dataclass(frozen=True, slots=True)
class Limits:
    """How much a page takes along.

    Args:
        room: bytes of all pieces together. What a page cannot do without is there in any case.
        closeups: boxes that can be opened, at most.
        effort: so many ops and autograd nodes times boxes at most: each box takes time for all of
            them, 0.1 s of a run of 2,000 ops. An answer to "why" counts as eight.
        both: of a run with more ops and autograd nodes than this, they are drawn as forward and as
            backward graph, not with both in one picture: that is half of the bytes.
        records: of a run with more ops and autograd nodes than this, only what is drawn has cards,
            and no tensor a history. A card takes 1 ms.
        searched: of a run with more ops and autograd nodes than this, the search finds what is
            drawn. Each takes 14 to 20 bytes and 0.2 ms, so that of more there is no room.
        moments: of a run with more moments than this, none is told in full. One takes 2 ms.
        histories: of so many tensors at most it is told where they come from and where they go.
            One takes up to 10 ms.
        whys: answers to questions that begin with why, at most.
    """

    room: int = 1_450_000
    closeups: int = 600
    effort: int = 750_000
    both: int = 2_000
    records: int = 8_000
    searched: int = 60_000
    moments: int = 400
    histories: int = 400
    whys: int = 100


@dataclass(frozen=True, slots=True)
class Archive:
    """What was packed.

    Attributes:
        pieces: by name, gzipped JSON in base64.
        closeups: how many boxes can be opened.
        left_out: how many boxes are drawn closed and cannot be opened.
        answers: the questions that a page with it can answer.
    """

    pieces: Mapping[str, str]
    closeups: int
    left_out: int
    answers: tuple[str, ...]


def archive(book: Book, limits: Limits | None = None) -> Archive:
    """Pack what a page can show of a book, in the book's language."""
    return _Packer(book, limits or Limits()).pack()


class _Packer:
    def __init__(self, book: Book, limits: Limits) -> None:
        self._book = book
        self._limits = limits
        self._pieces: dict[str, str] = {}
        self._cards: dict[str, Json] = {}
        self._related: dict[str, Json] = {}
        self._size = len(book.recording.ops) + len(book.recording.grad_nodes)
        self._views = book.views(book.shown(frozenset()))
        self._first = answer(book, "picture", {})
        self._has_findings = any(pane["id"] == "findings" for pane in self._first["panes"])

    def pack(self) -> Archive:
        book, first = self._book, self._first
        self._cards.update(first["cards"])
        panes = {pane["id"]: pane for pane in first["panes"]}
        self._put("first", self._drawings(self._views, panes, first["items"]))
        self._put("timeline", answer(book, "timeline", {}))
        if self._has_findings:
            self._put("findings", answer(book, "findings", {}))
        found, left_out = self._offer_closeups()
        self._put("relations", {id: one for id, one in self._related.items() if one["relations"]})
        self._pack_cards()
        self._offer_search()
        asks = self._offer_whys()
        self._offer_histories()
        self._offer_moments()
        answers = self._answers()
        contents = {
            "answers": answers,
            "css": first["css"],
            "labels": first["labels"],
            "panes": [_frame(pane) for pane in first["panes"] if self._says_something(pane)],
            "opened": first["opened"],
            "compare": first.get("compare"),
            "closeups": found,
            "whys": asks,
        }
        self._put("contents", contents)
        return Archive(self._pieces, len(found), left_out, answers)

    # -- pieces ------------------------------------------------------------------------------

    @property
    def _room(self) -> int:
        return self._limits.room - sum(map(len, self._pieces.values()))

    def _put(self, name: str, value: Any) -> None:
        self._pieces[name] = piece(value)

    def _offer(self, name: str, value: Any, keep: int = 0) -> bool:
        """Pack it if there is room, and `keep` bytes besides; whether there was."""
        made = piece(value)
        if len(made) > self._room - keep:
            return False
        self._pieces[name] = made
        return True

    # -- pictures ----------------------------------------------------------------------------

    def _drawings(
        self, views: Mapping[str, GraphView], panes: Mapping[str, Json], items: Json
    ) -> Json:
        """By pane what belongs to its drawing."""
        heat = self._heat(views)
        found = {}
        for name in views:
            found[name] = {
                "pane": {key: panes[name][key] for key in _DRAWN if key in panes[name]},
                "items": items.get(name, {}),
                "heat": heat.get(name, []),
            }
            self._relate(name, items.get(name, {}))
        return found

    def _heat(self, views: Mapping[str, GraphView]) -> Json:
        """What nodes can be coloured by; nothing where a damaged file has numbers of no scale."""
        book = self._book
        try:
            found = heat_payload(views, book.recording, book.overlay, book.translate)
            json.dumps(found, allow_nan=False)
        except (ArithmeticError, ValueError):
            return {}
        return found

    def _relate(self, pane: str, items: Iterable[str]) -> None:
        if pane == "static":
            return
        book, known = self._book, self._related
        for item in map(base_id, items):  # a copy has the same
            if item not in known:
                found = relations_answer(book.recording, book.index, {"id": item})
                known[item] = told(found, book.translate)

    def _offer_closeups(self) -> tuple[list[Json], int]:
        """Pack the boxes by themselves: all, or as many of the outer ones as there is room for.

        They get half of the room: the other half is for cards and the search.

        Returns:
            What the page has to know of each; how many boxes are drawn that it cannot open.
        """
        keep = self._room // 2
        limits = self._limits
        without = ("twins",) if self._size > limits.both else ()
        most = min(limits.closeups, limits.effort // max(self._size, 1))
        made = [self._closeup(one) for one in closeups(self._book, most, without)]
        count = len(made)
        while count and not self._offer("closeups", packed_drawings(made[:count]), keep=keep):
            count //= 2
        kept = made[:count]
        known = {one["box"] for one in kept}
        drawn = set(closed_boxes(self._views.values())).union(*(one["closed"] for one in kept))
        about = [{key: one[key] for key in _ABOUT if key in one} for one in kept]
        return about, len(drawn - known)

    def _closeup(self, one: Closeup) -> Json:
        book = self._book
        shown = book.shown(book.first_open ^ one.opened)
        panes, items, cards = drawings(
            list(one.views), one.views, shown, book.cards, book.translate
        )
        self._cards.update(cards)
        boxes = (box for view in one.views.values() for box in view.boxes)
        found = {
            "box": one.box,
            "title": told_text(one.title, book.translate),
            "around": list(self._around(one.box)),
            "opened": sorted({base_id(box.id) for box in boxes if not box.is_folded}),
            "closed": closed_boxes(one.views.values()),
            "drawings": told(self._drawings(one.views, panes, items), book.translate),
        }
        if isinstance(book, PairBook):
            found["compare"] = book.compare(one.views["dynamic"], one.opened)
        return found

    def _around(self, box: str) -> Iterator[str]:
        index = self._book.index
        if box in index.by_id:
            yield from (index.boxes[number].id for number in index.around(index.by_id[box])[:-1])

    def _says_something(self, pane: Json) -> bool:
        """Nobody asked for an IR that there is not, nor for the reason."""
        book = self._book
        return pane["id"] != "static" or book.static is not None or bool(book.static_reason)

    # -- cards -------------------------------------------------------------------------------

    def _pack_cards(self) -> None:
        """The cards of all ops and autograd nodes; else of what is drawn, or is drawn at first."""
        fits = self._size <= self._limits.records
        self._all_cards = fits and self._offer("cards", packed_cards(self._with_all()))
        if not self._all_cards and not self._offer("cards", packed_cards(self._cards)):
            self._put("cards", packed_cards(self._first["cards"]))

    def _with_all(self) -> dict[str, Json]:
        cards, recording = dict(self._cards), self._book.recording
        names = [f"dynamic/op:{op.id}" for op in recording.ops]
        if "backward" in self._views:
            names += [f"backward/grad:{node.id}" for node in recording.grad_nodes]
        for name in names:
            if name not in cards:
                made = self._book.cards.card(*name.split("/", 1))
                cards[name] = told(made, self._book.translate)
        return cards

    # -- what there may be no room for ---------------------------------------------------------

    def _offer_search(self) -> None:
        book = self._book
        if self._size > self._limits.searched:
            return
        index = Index(book.recording, book.static, book.overlay, book.index)
        found = told(find_table(index), book.translate)
        self._offer("find", {**found, "results": columns(found["results"])})

    def _offer_whys(self) -> list[Json]:
        """Answers to questions that the cards of what is drawn offer; the questions, in order."""
        found: list[tuple[Json, Json]] = []
        most = min(self._limits.whys, self._limits.effort // (8 * max(self._size, 1)))
        asks = (
            offer["ask"]
            for card in self._cards.values()
            for tensor in card.get("tensors", ())
            for offer in tensor.get("whys", ())
        )
        for ask in {json.dumps(ask): ask for ask in asks}.values():
            if len(found) == most or not self._has_findings:
                break
            try:
                found.append((ask, answer(self._book, "why", ask)))
            except InspectorError:
                continue  # it has no answer: it is not offered
        while found and not self._offer("whys", [told_why for _, told_why in found]):
            found = found[: len(found) // 2]
        return [ask for ask, _ in found]

    def _offer_histories(self) -> None:
        """Where the tensors at the head of the drawn cards come from, and where they go."""
        if not self._all_cards:
            return
        firsts = (card["tensors"][0] for card in self._cards.values() if card.get("tensors"))
        heads = {one["id"] for one in firsts if "id" in one}
        tell = self._book.cards.tensors.history
        found = {str(tensor): tell(tensor) for tensor in sorted(heads)[: self._limits.histories]}
        self._offer("history", told(found, self._book.translate))

    def _offer_moments(self) -> None:
        count = answer(self._book, "timeline", {})["count"]
        if 0 < count <= self._limits.moments:
            told_all = [answer(self._book, "moment", {"at": at}) for at in range(count)]
            self._offer("moments", told_all)

    def _answers(self) -> tuple[str, ...]:
        pieces = {"find": ("find", "way"), "history": ("history",), "moments": ("moment",)}
        extra = [name for piece, names in pieces.items() if piece in self._pieces for name in names]
        findings = ["findings"] if self._has_findings else []
        cards = ["card"] if self._all_cards else []
        return ("picture", "timeline", "heat", "relations", *findings, *cards, *extra)


_DRAWN = ("svg", "note", "empty")
"""Of a pane, what belongs to its drawing."""

_ABOUT = ("box", "title", "around", "opened", "compare")
"""Of a closeup, what is needed before it is shown."""


def _frame(pane: Json) -> Json:
    """A pane without its drawing."""
    return {key: value for key, value in pane.items() if key != "svg"}
