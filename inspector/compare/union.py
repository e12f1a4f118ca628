"""Two runs as one: a recording that holds the ops of both, each pair once.

Pictures of this one recording show both runs at the same places, so that what they share does
not move when one is looked at after the other: `union(a, b)` has the records, and which of them
belong to which run.
"""

from __future__ import annotations

import itertools
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from operator import attrgetter

from inspector.compare.align import Both, everything
from inspector.compare.build import Aligned, compared
from inspector.compare.copies import copies
from inspector.comparison import Comparison, Value
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
        self._pairs = [
            (
                None if one.a is None else self._a.ops[one.a.number],
                None if one.b is None else self._b.ops[one.b.number],
            )
            for one in self._ops
        ]
        self._tensor_a = {number: new for new, number in enumerate(self._a.tensors)}
        self._tensor_b: dict[int, int] = {}

    def made(self, comparison: Comparison) -> Union:
        tensors = self._both_tensors()
        ops = tuple(self._both_ops())
        recording = Recording(
            ops=ops,
            tensors=dict(enumerate(tensors)),
            module_calls=tuple(self._both_calls(ops)),
            decisions=tuple(self._decisions()),
            steps=tuple(self._step(number, one) for number, one in enumerate(self._steps)),
            sources={**self._b.sources, **self._a.sources},
            lines=self._a.lines,
            failure=None,
            meta=self._meta(),
            inputs=self._numbered(self._a.inputs, self._b.inputs),
            output=self._numbered(self._a.output, self._b.output),
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

    def _both_tensors(self) -> list[TensorInfo]:
        """The values: those of A first; of B those that have no counterpart in A."""
        for mine, theirs in self._pairs:
            if mine is not None and theirs is not None:
                self._match(mine.outputs, theirs.outputs)
        self._match(self._a.inputs, self._b.inputs)
        self._match_named()
        of_a = list(self._a.tensors.values())
        alone = [number for number in self._b.tensors if number not in self._tensor_b]
        self._tensor_b.update(zip(alone, itertools.count(len(of_a))))
        of_b = [self._b.tensors[number] for number in alone]
        found = _renumbered(of_a, 0, self._new_a, self._tensor_a)
        return found + _renumbered(of_b, len(of_a), self._new_b, self._tensor_b)

    def _match(self, mine: Sequence[int], theirs: Sequence[int]) -> None:
        for x, y in zip(mine, theirs, strict=False):
            outside = self._a.tensors[x].producer is None
            if outside == (self._b.tensors[y].producer is None):
                self._tensor_b.setdefault(y, self._tensor_a[x])

    def _match_named(self) -> None:
        """Parameters by their path: the first value of each, which no op made."""
        own = {t.name: t.id for t in self._a.tensors.values() if t.name and t.producer is None}
        for number, tensor in self._b.tensors.items():
            if tensor.producer is None and tensor.name in own:
                self._tensor_b.setdefault(number, self._tensor_a[own[tensor.name]])

    def _numbered(self, mine: Sequence[int], theirs: Sequence[int]) -> tuple[int, ...]:
        """Tensors of A and of B in the numbers of both, each once."""
        if not mine and not theirs:
            return ()
        found = [self._tensor_a[number] for number in mine]
        found += [self._tensor_b[number] for number in theirs]
        return tuple(dict.fromkeys(found))

    # -- the other records ---------------------------------------------------------------------

    def _both_ops(self) -> list[Op]:
        """Of a pair the op of A, with the tensors of both."""
        first = [mine or theirs for mine, theirs in self._pairs]
        return copies(
            Op,
            [op for op in first if op is not None],
            id=range(len(first)),
            inputs=self._tensors_of_ops(attrgetter("inputs")),
            outputs=self._tensors_of_ops(attrgetter("outputs")),
            overwrites=self._tensors_of_ops(attrgetter("overwrites")),
            module_call=itertools.starmap(self._call_of, self._pairs),
        )

    def _call_of(self, mine: Op | None, theirs: Op | None) -> int | None:
        op, table = (theirs, self._call_b) if mine is None else (mine, self._call_a)
        return None if op is None or op.module_call is None else table[op.module_call]

    def _tensors_of_ops(self, tensors: Callable[[Op], tuple[int, ...]]) -> Iterator[object]:
        for mine, theirs in self._pairs:
            yield self._numbered(
                () if mine is None else tensors(mine), () if theirs is None else tensors(theirs)
            )

    def _both_calls(self, ops: Sequence[Op]) -> list[ModuleCall]:
        first: list[ModuleCall] = []
        parents: list[int | None] = []
        for one in self._calls:
            is_in_a = one.a is not None
            run, table = (self._a, self._call_a) if is_in_a else (self._b, self._call_b)
            call = run.module_calls[one.item.number]
            first.append(call)
            parents.append(None if call.parent is None else table.get(call.parent))
        inside: list[list[int]] = [[] for _ in first]
        for op in ops:
            if op.module_call is not None:
                inside[op.module_call].append(op.id)
        own = map(tuple, inside)
        return copies(ModuleCall, first, id=range(len(first)), parent=parents, ops=own)

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
        others: list[tuple[int, int | None, Value]] = []
        for number, (op_a, op_b) in enumerate(self._pairs):
            mine = None if op_a is None else own.get(op_a.id)
            theirs = None if op_b is None else partners.get(op_b.id)
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
            found.append(decision)
            others.append((number, tensor, value))
        ops, tensors, values = zip(*others, strict=True) if others else ((), (), ())
        return copies(Decision, found, id=range(len(found)), op=ops, tensor=tensors, value=values)

    def _meta(self) -> dict[str, object]:
        new = [(self._tensor_a[i], name) for i, name in self._a.input_names().items()]
        new += [
            (self._tensor_b[i], name)
            for i, name in self._b.input_names().items()
            if self._tensor_b[i] >= len(self._a.tensors)
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

    def _edges(self, recording: Recording, new: dict[int, int]) -> Iterator[tuple[int, int]]:
        makers = {
            number: None if tensor.producer is None else new.get(tensor.producer)
            for number, tensor in recording.tensors.items()
        }
        for op in recording.ops:
            user = new[op.id]
            for number in op.inputs:
                maker = makers[number]
                if maker is not None:
                    yield maker, user


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
                if kind == "op":
                    continue
                self._name(f"{kind}:{number}", one)
                is_call = kind == "call"
                place, call, step = None, number if is_call else None, None if is_call else number
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


def _renumbered(
    tensors: Sequence[TensorInfo], first: int, ops: dict[int, int], numbers: dict[int, int]
) -> list[TensorInfo]:
    """Tensors in the numbers of both, from `first` on."""
    return copies(
        TensorInfo,
        tensors,
        id=range(first, first + len(tensors)),
        producer=[None if one.producer is None else ops.get(one.producer) for one in tensors],
        alias_of=[None if one.alias_of is None else numbers[one.alias_of] for one in tensors],
    )
