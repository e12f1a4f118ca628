"""What of a `Book` goes into a saved page: answers worked out beforehand, as far as there is room.

A page without a server can draw nothing anew. So it takes along the picture as it is at first and
those with one more box opened (or closed), each drawing once; the cards, the search, the timeline
and the findings. Everything is gzipped JSON in base64, piece by piece: `workbench-h-file.js`
unpacks a piece when it is first needed, and offers only what is there.
"""

from __future__ import annotations

import base64
import gzip
import json
from collections import deque
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from typing import Any

from inspector.errors import InspectorError
from inspector.render.answers import Book, answer
from inspector.render.findindex import Index
from inspector.render.findtable import find_table
from inspector.render.heatscale import heat_payload
from inspector.render.relationwords import relations_answer
from inspector.render.told import told
from inspector.views import GraphView

Json = dict[str, Any]


@dataclass(frozen=True, slots=True)
class Limits:
    """How much a page takes along.

    Args:
        room: bytes of all pieces together. What a page cannot do without is there in any case.
        pictures: pictures with another box opened or closed, at most.
        records: of a run with more ops and autograd nodes than this, only what is drawn has cards,
            and no tensor a history. A card takes 1 ms.
        moments: of a run with more moments than this, none is told in full. One takes 2 ms.
        histories: of so many tensors at most it is told where they come from and where they go.
            One takes up to 10 ms.
        whys: answers to questions that begin with why, at most.
    """

    room: int = 1_450_000
    pictures: int = 12
    records: int = 8_000
    moments: int = 400
    histories: int = 400
    whys: int = 100


@dataclass(frozen=True, slots=True)
class Archive:
    """What was packed.

    Attributes:
        pieces: by name, gzipped JSON in base64.
        pictures: how many pictures there are besides the first one.
        boxes: how many boxes could be opened or closed in the first one.
        answers: the questions that a page with it can answer.
    """

    pieces: Mapping[str, str]
    pictures: int
    boxes: int
    answers: tuple[str, ...]


def archive(book: Book, limits: Limits | None = None) -> Archive:
    """Pack what a page can show of a book, in the book's language."""
    return _Packer(book, limits or Limits()).pack()


class _Packer:
    def __init__(self, book: Book, limits: Limits) -> None:
        self._book = book
        self._limits = limits
        self._pieces: dict[str, str] = {}
        self._drawings: dict[str, int] = {}
        self._cards: dict[str, Json] = {}
        self._states: list[Json] = []
        self._related: dict[str, Json] = {}
        self._first = answer(book, "picture", {})
        self._has_findings = any(pane["id"] == "findings" for pane in self._first["panes"])

    def pack(self) -> Archive:
        book, first = self._book, self._first
        self._add_state(frozenset(), first)
        self._put("timeline", answer(book, "timeline", {}))
        if self._has_findings:
            self._put("findings", answer(book, "findings", {}))
        boxes = list(self._toggles(frozenset()))
        self._add_states()
        whys = self._whys()
        self._pack_cards()
        self._offer_search()
        self._offer_histories()
        self._offer_moments()
        answers = self._answers()
        contents = {
            "answers": answers,
            "css": first["css"],
            "labels": first["labels"],
            "panes": [_frame(pane) for pane in first["panes"] if self._says_something(pane)],
            "states": self._states,
            "whys": whys,
        }
        self._put("contents", contents)
        return Archive(self._pieces, len(self._states) - 1, len(boxes), answers)

    # -- pieces ------------------------------------------------------------------------------

    @property
    def _room(self) -> int:
        return self._limits.room - sum(map(len, self._pieces.values()))

    def _put(self, name: str, value: Any) -> None:
        self._pieces[name] = piece(value)

    def _offer(self, name: str, value: Any) -> bool:
        """Pack it if there is room; whether there was."""
        made = piece(value)
        if len(made) > self._room:
            return False
        self._pieces[name] = made
        return True

    # -- pictures ----------------------------------------------------------------------------

    def _add_state(self, toggled: frozenset[str], found: Json) -> None:
        """Pack a picture; drawings that are there already are only named."""
        views = self._book.views(self._book.shown(toggled))
        drawn = [pane for pane in found["panes"] if pane["id"] in views]
        heat = self._heat(views)
        state: Json = {"toggled": sorted(toggled), "opened": found["opened"], "drawings": {}}
        for pane in drawn:
            name = pane["id"]
            items = found["items"].get(name, {})
            drawing = {
                "pane": {key: pane[key] for key in _DRAWN if key in pane},
                "items": items,
                "heat": heat.get(name, []),
                "relations": dict(self._relations(name, items)),
            }
            state["drawings"][name] = self._number_of(drawing)
        if "compare" in found:
            state["compare"] = found["compare"]
        self._states.append(state)
        self._cards.update(found["cards"])

    def _heat(self, views: Mapping[str, GraphView]) -> Json:
        """What nodes can be coloured by; nothing where a damaged file has numbers of no scale."""
        book = self._book
        try:
            found = heat_payload(views, book.recording, book.overlay, book.translate)
            json.dumps(found, allow_nan=False)
        except (ArithmeticError, ValueError):
            return {}
        return found

    def _number_of(self, drawing: Json) -> int:
        text = json.dumps(drawing)
        if text not in self._drawings:
            number = self._drawings[text] = len(self._drawings)
            self._put(f"drawing-{number}", drawing)
        return self._drawings[text]

    def _relations(self, pane: str, items: Iterable[str]) -> Iterator[tuple[str, Json]]:
        if pane == "static":
            return
        book, known = self._book, self._related
        for item in items:
            if item not in known:
                found = relations_answer(book.recording, book.index, {"id": item})
                known[item] = told(found, book.translate)
            if known[item]["relations"]:
                yield item, known[item]

    def _add_states(self) -> None:
        """Pictures with boxes opened, level by level; then those with one closed.

        They get half of the room: the other half is for cards and the search.
        """
        least = self._room // 2
        waiting = deque(frozenset({box}) for box in self._toggles(frozenset()))
        known = set(waiting)
        while waiting and self._room > least and len(self._states) <= self._limits.pictures:
            toggled = waiting.popleft()
            found = answer(self._book, "picture", {"toggled": sorted(toggled)})
            before = dict(self._pieces), dict(self._drawings), dict(self._cards)
            self._add_state(toggled, found)
            if self._room < least:
                self._states.pop()
                self._pieces, self._drawings, self._cards = before
                return
            if toggled <= self._book.first_open:
                continue  # a box was closed: what is open beside it was so before
            inside = set(self._toggles(toggled)) - {one for other in known for one in other}
            deeper = [toggled | {box} for box in sorted(inside)]
            known |= set(deeper)
            waiting.extend(deeper)

    def _toggles(self, toggled: frozenset[str]) -> Iterator[str]:
        """Boxes that can be opened in a picture, then those that can be closed."""
        views = self._book.views(self._book.shown(toggled)).values()
        closed = (node.id for view in views for node in view.nodes if node.kind == "box")
        folded = (box.id for view in views for box in view.boxes if box.is_folded)
        opened = (box.id for view in views for box in view.boxes if not box.is_folded)
        found = (box.partition("@")[0] for boxes in (closed, folded, opened) for box in boxes)
        yield from dict.fromkeys(found)

    def _says_something(self, pane: Json) -> bool:
        """Nobody asked for an IR that there is not, nor for the reason."""
        book = self._book
        return pane["id"] != "static" or book.static is not None or bool(book.static_reason)

    # -- cards -------------------------------------------------------------------------------

    @property
    def _tells_all(self) -> bool:
        recording = self._book.recording
        return len(recording.ops) + len(recording.grad_nodes) <= self._limits.records

    def _pack_cards(self) -> None:
        """The cards of all ops and autograd nodes; where there is no room, of what is drawn."""
        self._all_cards = self._tells_all and self._offer("cards", _unique(self._with_all()))
        if not self._all_cards:
            self._put("cards", _unique(self._cards))

    def _with_all(self) -> dict[str, Json]:
        cards, recording = dict(self._cards), self._book.recording
        names = [f"dynamic/op:{op.id}" for op in recording.ops]
        if "backward" in self._states[0]["drawings"]:
            names += [f"backward/grad:{node.id}" for node in recording.grad_nodes]
        for name in names:
            if name not in cards:
                made = self._book.cards.card(*name.split("/", 1))
                cards[name] = told(made, self._book.translate)
        return cards

    def _whys(self) -> list[tuple[Json, Json]]:
        """Questions that the cards of what is drawn offer, with their answers."""
        found: list[tuple[Json, Json]] = []
        if not self._has_findings:
            return found
        asks = (
            offer["ask"]
            for card in self._cards.values()
            for tensor in card.get("tensors", ())
            for offer in tensor.get("whys", ())
        )
        for ask in {json.dumps(ask): ask for ask in asks}.values():
            if len(found) == self._limits.whys:
                break
            try:
                found.append((ask, answer(self._book, "why", ask)))
            except InspectorError:
                continue  # it has no answer: it is not offered
        return found

    # -- what there may be no room for ---------------------------------------------------------

    def _offer_search(self) -> None:
        book = self._book
        index = Index(book.recording, book.static, book.overlay, book.index)
        self._offer("find", told(find_table(index), book.translate))

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


def _frame(pane: Json) -> Json:
    """A pane without its drawing."""
    return {key: value for key, value in pane.items() if key != "svg"}


def _unique(cards: Mapping[str, Json]) -> Json:
    """Cards by name, each once: a node has the same card in two panes."""
    known: dict[str, int] = {}
    names: dict[str, int] = {}
    different: list[Json] = []
    for name, card in cards.items():
        number = names[name] = known.setdefault(json.dumps(card), len(known))
        if number == len(different):
            different.append(card)
    return {"names": names, "cards": different}


def piece(value: Any) -> str:
    """A value as gzipped JSON in base64. The same value always gives the same text."""
    # ASCII only: a name can hold half a character (a lone surrogate), which UTF-8 has not.
    text = json.dumps(value, allow_nan=False, separators=(",", ":")).encode("ascii")
    return base64.b64encode(gzip.compress(text, 9, mtime=0)).decode("ascii")
