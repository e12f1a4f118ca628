"""Two runs as one: a recording that holds the ops of both, each pair once.

Pictures of this one recording show both runs at the same places, so that what they share does
not move when one is looked at after the other: `union(a, b)` has the records, and which of them
belong to which run.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace

from inspector.compare.align import Both, everything
from inspector.compare.build import Aligned, compared
from inspector.comparison import Comparison
from inspector.loops import LoopPlace, LoopRun, Loops
from inspector.loops.activations import Activations
from inspector.making import uncollected
from inspector.records import Decision, ModuleCall, Op, Recording, Step, TensorInfo


@dataclass(frozen=True, slots=True)
class Union:
    """Two runs as one recording.

    `recording` holds all ops: of a pair the one of A, with the inputs of both. `of_a` and
    `of_b` give each op's number in that run, None where it did not run in it. `edges_a` and
    `edges_b` are the pairs (maker, user) of ops, in numbers of `recording`. `tensors_a` and
    `tensors_b` give each tensor of that run its number in `recording`. `names_a` and `names_b` say
    what a call, step, loop or trip of `recording` ("call:3", "trip:0/2") is in that run; what is
    not of that run is not there. Autograd nodes and values of tensors are not part of it.
    """

    recording: Recording
    loops: Loops
    of_a: tuple[int | None, ...]
    of_b: tuple[int | None, ...]
    edges_a: frozenset[tuple[int, int]]
    edges_b: frozenset[tuple[int, int]]
    comparison: Comparison
    tensors_a: Mapping[int, int] = field(default_factory=dict)
    tensors_b: Mapping[int, int] = field(default_factory=dict)
    names_a: Mapping[str, str] = field(default_factory=dict)
    names_b: Mapping[str, str] = field(default_factory=dict)


def union(a: Recording, b: Recording, *, tolerance: float | None = None) -> Union:
    """Put two runs together, as `compare` aligns them. Takes linear time."""
    with uncollected():
        aligned = Aligned(a, b)
        return _Union(aligned).made(compared(aligned, tolerance))


class _Union:
    def __init__(self, aligned: Aligned) -> None:
        self._a, self._b = aligned.a.recording, aligned.b.recording
        self._aligned = aligned
        self._ops = aligned.items.get("op", [])
        self._calls = aligned.items.get("call", [])
        self._steps = aligned.items.get("step", [])
        self._new_a = _numbers(self._ops, "a")
        self._new_b = _numbers(self._ops, "b")
        self._call_a, self._call_b = _numbers(self._calls, "a"), _numbers(self._calls, "b")
        self._tensors: dict[int, TensorInfo] = {}
        self._tensor_a: dict[int, int] = {}
        self._tensor_b: dict[int, int] = {}

    def made(self, comparison: Comparison) -> Union:
        self._take_tensors()
        ops = tuple(self._op(number, one) for number, one in enumerate(self._ops))
        calls = tuple(self._call(number, one) for number, one in enumerate(self._calls))
        recording = Recording(
            ops=ops,
            tensors={number: self._tensors[number] for number in range(len(self._tensors))},
            module_calls=calls,
            decisions=tuple(self._decisions()),
            steps=tuple(self._step(number, one) for number, one in enumerate(self._steps)),
            sources={**self._b.sources, **self._a.sources},
            lines=self._a.lines,
            failure=None,
            meta=self._meta(),
            inputs=self._both_tensors(self._a.inputs, self._b.inputs),
            output=self._both_tensors(self._a.output, self._b.output),
        )
        loops = _LoopsOf(self._aligned, recording)
        return Union(
            recording,
            loops.loops(),
            tuple(None if one.a is None else one.a.number for one in self._ops),
            tuple(None if one.b is None else one.b.number for one in self._ops),
            frozenset(self._edges(self._a, self._new_a)),
            frozenset(self._edges(self._b, self._new_b)),
            comparison,
            self._tensor_a,
            self._tensor_b,
            *loops.names,
        )

    # -- tensors -------------------------------------------------------------------------------

    def _take_tensors(self) -> None:
        """Number the values: those of A first; of B those that have no counterpart in A."""
        for number, tensor in self._a.tensors.items():
            self._tensor_a[number] = self._add(tensor, self._new_a)
        for one in self._ops:
            if one.a is not None and one.b is not None:
                mine, theirs = self._a.ops[one.a.number], self._b.ops[one.b.number]
                self._match(mine.outputs, theirs.outputs)
        self._match(self._a.inputs, self._b.inputs)
        self._match_named()
        for number, tensor in self._b.tensors.items():
            if number not in self._tensor_b:
                self._tensor_b[number] = self._add(tensor, self._new_b)
        for new, tensor in self._tensors.items():
            table = self._tensor_a if new < len(self._a.tensors) else self._tensor_b
            alias = None if tensor.alias_of is None else table[tensor.alias_of]
            self._tensors[new] = replace(tensor, alias_of=alias)

    def _add(self, tensor: TensorInfo, ops: dict[int, int]) -> int:
        number = len(self._tensors)
        producer = None if tensor.producer is None else ops.get(tensor.producer)
        self._tensors[number] = replace(tensor, id=number, producer=producer)
        return number

    def _match(self, mine: Sequence[int], theirs: Sequence[int]) -> None:
        for x, y in zip(mine, theirs, strict=False):
            outside = self._a.tensors[x].producer is None, self._b.tensors[y].producer is None
            if outside[0] == outside[1]:
                self._tensor_b.setdefault(y, self._tensor_a[x])

    def _match_named(self) -> None:
        """Parameters by their path: the first value of each, which no op made."""
        own = {t.name: t.id for t in self._a.tensors.values() if t.name and t.producer is None}
        for number, tensor in self._b.tensors.items():
            if tensor.producer is None and tensor.name in own:
                self._tensor_b.setdefault(number, self._tensor_a[own[tensor.name]])

    def _both_tensors(self, mine: Sequence[int], theirs: Sequence[int]) -> tuple[int, ...]:
        found = [self._tensor_a[number] for number in mine]
        found += [self._tensor_b[number] for number in theirs]
        return tuple(dict.fromkeys(found))

    # -- the other records ---------------------------------------------------------------------

    def _op(self, number: int, one: Both) -> Op:
        mine = None if one.a is None else self._a.ops[one.a.number]
        theirs = None if one.b is None else self._b.ops[one.b.number]
        op = mine or theirs
        assert op is not None
        call = self._call_of(mine, theirs)
        return replace(
            op,
            id=number,
            inputs=self._both_tensors(_of(mine, "inputs"), _of(theirs, "inputs")),
            outputs=self._both_tensors(_of(mine, "outputs"), _of(theirs, "outputs")),
            overwrites=self._both_tensors(_of(mine, "overwrites"), _of(theirs, "overwrites")),
            module_call=call,
        )

    def _call_of(self, mine: Op | None, theirs: Op | None) -> int | None:
        if mine is not None:
            return None if mine.module_call is None else self._call_a[mine.module_call]
        assert theirs is not None
        return None if theirs.module_call is None else self._call_b[theirs.module_call]

    def _call(self, number: int, one: Both) -> ModuleCall:
        if one.a is not None:
            call, table = self._a.module_calls[one.a.number], self._call_a
        else:
            call, table = self._b.module_calls[one.item.number], self._call_b
        inside = tuple(self._number_of(child) for child in _direct_ops(one))
        parent = None if call.parent is None else table.get(call.parent)
        return replace(call, id=number, parent=parent, ops=inside)

    def _number_of(self, one: Both) -> int:
        return self._new_a[one.a.number] if one.a is not None else self._new_b[one.item.number]

    def _step(self, number: int, one: Both) -> Step:
        step = (self._a if one.a is not None else self._b).steps[one.item.number]
        inside = [self._number_of(each) for each in everything(one) if each.item.kind == "op"]
        first, last = (min(inside), max(inside) + 1) if inside else (0, 0)
        return replace(step, id=number, first_op=first, last_op=last, roots=())

    def _decisions(self) -> list[Decision]:
        """Of a pair with other values both, as "True → False"."""
        partners = {d.op: d for d in self._b.decisions if d.op is not None}
        own = {d.op: d for d in self._a.decisions if d.op is not None}
        found: list[Decision] = []
        for number, one in enumerate(self._ops):
            mine = None if one.a is None else own.get(one.a.number)
            theirs = None if one.b is None else partners.get(one.b.number)
            decision = mine or theirs
            if decision is None:
                continue
            value = decision.value
            if mine is not None and theirs is not None and mine.value != theirs.value:
                value = f"{mine.value} → {theirs.value}"
            tensor = None
            if decision.tensor is not None:
                table = self._tensor_a if decision is mine else self._tensor_b
                tensor = table[decision.tensor]
            found.append(replace(decision, id=len(found), op=number, tensor=tensor, value=value))
        return found

    def _meta(self) -> dict[str, object]:
        names = dict(self._a.meta.get("input_names", ()))
        new = [(self._tensor_a[int(i)], name) for i, name in names.items()]
        new += [
            (self._tensor_b[int(i)], name)
            for i, name in self._b.meta.get("input_names", ())
            if self._tensor_b[int(i)] >= len(self._a.tensors)
        ]
        return {"model": self._a.meta.get("model"), "input_names": new, **self._loss_from()}

    def _loss_from(self) -> dict[str, object]:
        """The first op of the loss; the ops of both losses are the last ones."""
        found = [
            table[side.meta["loss_from"]]
            for side, table in ((self._a, self._new_a), (self._b, self._new_b))
            if side.meta.get("loss_from") in table
        ]
        return {"loss_from": min(found)} if found else {}

    def _edges(self, recording: Recording, new: dict[int, int]) -> set[tuple[int, int]]:
        found = set()
        for op in recording.ops:
            for number in op.inputs:
                maker = recording.tensors[number].producer
                if maker is not None and maker in new and op.id in new:
                    found.add((new[maker], new[op.id]))
        return found


class _LoopsOf:
    """Reads the loops off the tree of both runs.

    A pair has as many trips as the run that made more.

    Attributes:
        names: of A and of B; see `Union.names_a`.
    """

    def __init__(self, aligned: Aligned, recording: Recording) -> None:
        self._aligned = aligned
        self._activations = Activations(recording)
        self._runs: list[LoopRun] = []
        self._places: list[LoopPlace] = []
        self._of: dict[str, list[int | None]] = {
            "op": [None] * len(recording.ops),
            "call": [None] * len(recording.module_calls),
            "step": [None] * len(recording.steps),
        }
        self._next = dict.fromkeys(self._of, 0)
        self.names: tuple[dict[str, str], dict[str, str]] = {}, {}

    def loops(self) -> Loops:
        self._walk()
        return Loops(
            tuple(self._runs),
            tuple(self._places),
            tuple(self._of["op"]),
            tuple(self._of["call"]),
            tuple(self._of["step"]),
            activations=self._activations,
        )

    def _walk(self) -> None:
        """Owners before what is inside; each item with its place, call and step around it."""
        todo: list[tuple[Both, int | None, int | None, int | None]] = [
            (self._aligned.both, None, None, None)
        ]
        while todo:
            one, place, call, step = todo.pop()
            kind = one.item.kind
            if kind in self._of:
                number = self._next[kind]
                self._next[kind] += 1
                self._of[kind][number] = place
                self._name(f"{kind}:{number}", one)
                if kind == "call":
                    place, call, step = None, number, None
                elif kind == "step":
                    place, call, step = None, None, number
            elif kind == "loop":
                place = self._add_run(one, place, call, step)
            elif kind == "trip" and place is not None:
                place = self._add_trip(one, place)
            todo += [(child, place, call, step) for child in reversed(one.children)]

    def _add_run(self, one: Both, outer: int | None, call: int | None, step: int | None) -> int:
        """A loop; the place that stands for it until its trips are told apart."""
        side = self._aligned.a if one.a is not None else self._aligned.b
        known = side.loops.runs[one.item.number]
        trips = self._trips(one)
        number = len(self._runs)
        self._runs.append(
            replace(
                known,
                id=number,
                trips=trips or known.trips,
                outer=outer,
                call=call,
                step=step,
                first_op=self._next["op"],
                exact=trips > 0,
            )
        )
        self._places.append(LoopPlace(number, 0))
        self._name(f"loop:{number}", one)
        return len(self._places) - 1

    def _name(self, name: str, one: Both) -> None:
        """Note what an item of both is in each run; a trip by the loop that it is of."""
        kind, _, number = name.partition(":")
        for item, names in zip((one.a, one.b), self.names, strict=True):
            if item is None:
                continue
            if kind == "trip":
                loop = names[f"loop:{number.partition('/')[0]}"].partition(":")[2]
                names[name] = f"trip:{loop}/{item.number}"
            else:
                names[name] = f"{kind}:{item.number}"

    def _trips(self, loop: Both) -> int:
        """The trips of the run that made more; 0 where they are not told apart."""
        if not any(child.item.kind == "trip" for child in loop.children):
            return 0
        sides = ((self._aligned.a, loop.a), (self._aligned.b, loop.b))
        return max(side.loops.runs[item.number].trips for side, item in sides if item is not None)

    def _add_trip(self, one: Both, place: int) -> int:
        run = self._places[place].run
        self._name(f"trip:{run}/{one.item.number}", one)
        is_last_test = one.item.number >= self._runs[run].trips
        self._places.append(LoopPlace(run, None if is_last_test else one.item.number))
        return len(self._places) - 1


def _numbers(items: Sequence[Both], side: str) -> dict[int, int]:
    """Number in one run -> number in the union."""
    found = {}
    for number, one in enumerate(items):
        item = getattr(one, side)
        if item is not None:
            found[item.number] = number
    return found


def _of(op: Op | None, name: str) -> tuple[int, ...]:
    found: tuple[int, ...] = () if op is None else getattr(op, name)
    return found


def _direct_ops(call: Both) -> list[Both]:
    """The ops directly in a call: in its loops and trips too, not in calls inside it."""
    found: list[Both] = []
    todo = list(reversed(call.children))
    while todo:
        one = todo.pop()
        if one.item.kind == "op":
            found.append(one)
        elif one.item.kind != "call":
            todo += reversed(one.children)
    return found
