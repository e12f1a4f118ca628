"""Cards of two runs: what an item was in A and in B, where that differs."""

from __future__ import annotations

from collections.abc import Iterable, Iterator

from inspector.compare.union import Union
from inspector.language import sentence
from inspector.records import IRNode, Recording, TensorInfo
from inspector.render.cardparts import Card, duration_text
from inspector.render.cards import Cards
from inspector.render.tensorcards import TensorCards
from inspector.views.index import ViewIndex
from inspector.views.staticpair import IRPair
from inspector.views.union import A, B, sides_of


class PairCards(Cards):
    """Makes the cards of a union: its tensors and numbers are those of A, and those of B follow.

    Args:
        union: of the two runs.
        runs: A and B.
        index: of the union.
        ir: the IR that both ran of, if there is one.
        of_ir: the cards of A and of B, for its nodes.
    """

    def __init__(
        self,
        union: Union,
        runs: tuple[Recording, Recording],
        index: ViewIndex,
        ir: IRPair | None = None,
        of_ir: tuple[Cards, Cards] | None = None,
    ) -> None:
        super().__init__(union.recording, index=index)
        self._of_ir = of_ir
        self._ir_ops = {} if ir is None else _ops_of_nodes(ir)
        self._union = union
        self._runs = runs
        self._sides = sides_of(union)
        self._boxes = index
        self._mine = {new: old for old, new in union.tensors_a.items()}
        self._theirs = {new: old for old, new in union.tensors_b.items()}
        self._of_b = TensorCards(runs[1])
        self._changes = {change.a: change for change in union.comparison.changes}

    def card(self, pane: str, item: str) -> Card:
        """The card of an item, with the sides that it is of."""
        if pane == "static" and self._of_ir is not None:
            return self._of_both(self._of_ir, item)
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
        return sentence("order"), sentence("duration")

    def _op_sides(self, op: int) -> Iterator[tuple[str, str]]:
        names = {A: sentence("only in A"), B: sentence("only in B"), A | B: sentence("in A and B")}
        yield sentence("ran"), names[self._sides[op]]
        numbers = self._union.of_a[op], self._union.of_b[op]
        for name, number, run in zip("AB", numbers, self._runs, strict=True):
            if number is not None:
                took = duration_text(run.ops[number].duration_us)
                place = f"{number + 1} / {len(run.ops)}"
                yield sentence("order in {run}", run=name), f"{place} · {took}"
        change = None if numbers[0] is None else self._changes.get(numbers[0])
        if change is not None:
            yield sentence("changed"), change.detail

    def _box_sides(self, box: int) -> Iterator[tuple[str, str]]:
        sides = [self._sides[op] for op in self._boxes.ops_of(box)]
        for name, bit in (("A", A), ("B", B)):
            count = sum(bool(side & bit) for side in sides)
            yield sentence("ops in {run}", run=name), f"{count:,}"

    # -- the static graph ----------------------------------------------------------------------

    def ops_of(self, node: IRNode) -> list[int]:
        """The ops of both runs that an IR node is known to have run, in the numbers of both."""
        return self._ir_ops.get(node.id, [])

    def _of_both(self, of_ir: tuple[Cards, Cards], item: str) -> Card:
        """The card of an IR node: what is the same for both runs once, the rest for each."""
        mine, theirs = (cards.card("static", item) for cards in of_ir)
        rows = list(self._both_rows(mine.get("rows", ()), theirs.get("rows", ())))
        number = item.partition("@")[0].partition(":")[2]
        ops = self._ir_ops.get(int(number), []) if number.isdecimal() else []
        tensors = self.card("dynamic", f"op:{ops[-1]}")["tensors"] if ops else []
        return {**mine, "rows": rows, "tensors": tensors}

    def _both_rows(
        self, mine: Iterable[tuple[str, str]], theirs: Iterable[tuple[str, str]]
    ) -> Iterator[tuple[str, str]]:
        told = dict(theirs)
        always = {sentence("ran"), sentence("branches taken"), sentence("trips")}
        for label, value in mine:
            if label == sentence("recorded ops"):
                continue  # in the numbers of one run
            if label in always or told.get(label) != value:
                yield sentence("{role} in {run}", role=label, run="A"), value
                yield sentence("{role} in {run}", role=label, run="B"), told.get(label, "–")
            else:
                yield label, value

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
        return sentence("{role} in {run}", role=role, run=run)


def _ops_of_nodes(ir: IRPair) -> dict[int, list[int]]:
    found: dict[int, set[int]] = {}
    for overlay, numbers in zip(ir.overlays, ir.ops, strict=True):
        for op, node in overlay.op_to_node.items():
            found.setdefault(node, set()).add(numbers[op])
    return {node: sorted(ops) for node, ops in found.items()}


def _same(x: TensorInfo, y: TensorInfo) -> bool:
    return (x.shape, x.dtype, x.device, x.summary) == (y.shape, y.dtype, y.device, y.summary)


def _without(rows: list[tuple[str, str]], labels: tuple[str, ...]) -> list[tuple[str, str]]:
    return [row for row in rows if row[0] not in labels]
