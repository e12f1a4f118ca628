"""Cards of two runs: what an item was in A and in B, where that differs."""

from __future__ import annotations

from collections.abc import Iterator

from inspector.compare.union import Union
from inspector.records import Recording, TensorInfo
from inspector.render.cardparts import Card, duration_text
from inspector.render.cards import Cards, Translate
from inspector.render.tensorcards import TensorCards
from inspector.views.index import ViewIndex
from inspector.views.union import A, B, sides_of


class PairCards(Cards):
    """Makes the cards of a union: its tensors and numbers are those of A, and those of B follow.

    Args:
        union: of the two runs.
        runs: A and B.
        translate: gives a label in the page's language.
        index: of the union.
    """

    def __init__(
        self,
        union: Union,
        runs: tuple[Recording, Recording],
        translate: Translate,
        index: ViewIndex,
    ) -> None:
        super().__init__(union.recording, translate=translate, index=index)
        self._union = union
        self._runs = runs
        self._sides = sides_of(union)
        self._boxes = index
        self._mine = {new: old for old, new in union.tensors_a.items()}
        self._theirs = {new: old for old, new in union.tensors_b.items()}
        self._of_b = TensorCards(runs[1], translate)
        self._changes = {change.a: change for change in union.comparison.changes}

    def card(self, pane: str, item: str) -> Card:
        """The card of an item, with the sides that it is of."""
        found = super().card(pane, item)
        kind, _, rest = item.partition("@")[0].partition(":")
        if kind == "op" and rest.isdigit():
            found["rows"] = [*self._op_sides(int(rest)), *_without(found["rows"], self._replaced)]
        elif (box := self._boxes.by_id.get(f"{kind}:{rest}")) is not None:
            found["rows"] = [*self._box_sides(box), *found.get("rows", ())]
        if "tensors" in found:
            found["tensors"] = [one for card in found["tensors"] for one in self._both(card)]
        return found

    @property
    def _replaced(self) -> tuple[str, ...]:
        """Rows of one run that say nothing of two."""
        return self._t("order"), self._t("duration")

    def _op_sides(self, op: int) -> Iterator[tuple[str, str]]:
        t = self._t
        names = {A: t("only in A"), B: t("only in B"), A | B: t("in A and B")}
        yield t("ran"), names[self._sides[op]]
        numbers = self._union.of_a[op], self._union.of_b[op]
        for name, number, run in zip("AB", numbers, self._runs, strict=True):
            if number is not None:
                took = duration_text(run.ops[number].duration_us)
                place = f"{number + 1} / {len(run.ops)}"
                yield t("order in {run}").format(run=name), f"{place} · {took}"
        change = None if numbers[0] is None else self._changes.get(numbers[0])
        if change is not None:
            yield t("changed"), change.detail

    def _box_sides(self, box: int) -> Iterator[tuple[str, str]]:
        t = self._t
        sides = [self._sides[op] for op in self._boxes.ops_of(box)]
        for name, bit in (("A", A), ("B", B)):
            count = sum(bool(side & bit) for side in sides)
            yield t("ops in {run}").format(run=name), f"{count:,}"

    # -- tensors -------------------------------------------------------------------------------

    def _both(self, card: Card) -> Iterator[Card]:
        """A tensor's column; the one of B after that of A, where they differ."""
        number = card.get("id", -1)  # what was not recorded has none
        mine, theirs = self._mine.get(number), self._theirs.get(number)
        if card.get("what") != "value" or mine is theirs is None:
            yield card
        elif mine is None or theirs is None:
            yield {**card, "role": self._role(card["role"], "A" if theirs is None else "B")}
        elif _same(self._runs[0].tensors[mine], self._runs[1].tensors[theirs]):
            yield card
        else:
            yield {**card, "role": self._role(card["role"], "A")}
            other = self._of_b.value(self._runs[1].tensors[theirs], card["role"])
            # Its number is one of run B: what the workbench asks by number is about the union.
            own = {key: value for key, value in other.items() if key not in ("id", "family")}
            yield {**own, "role": self._role(card["role"], "B"), "name": card["name"]}

    def _role(self, role: str, run: str) -> str:
        return self._t("{role} in {run}").format(role=role, run=run)


def _same(x: TensorInfo, y: TensorInfo) -> bool:
    return (x.shape, x.dtype, x.device, x.summary) == (y.shape, y.dtype, y.device, y.summary)


def _without(rows: list[tuple[str, str]], labels: tuple[str, ...]) -> list[tuple[str, str]]:
    return [row for row in rows if row[0] not in labels]
