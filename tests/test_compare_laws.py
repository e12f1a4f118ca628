"""Laws of comparison, over random small programs that are written to a file and run.

A program is a tree of statements. It is written down as Python and recorded, and walked through
here by itself, which says for each op where in which trip of which loop it stands: two ops are the
same step exactly if that is the same.
"""

from __future__ import annotations

import importlib.util
import itertools
import re
import tempfile
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import Tensor

import inspector
from inspector.check import self_check
from inspector.compare.union import union
from inspector.comparison import Comparison
from inspector.records import Op, Recording, TensorInfo

PLACES = 3
"""Numbers that a program is given to decide by."""

FUNCTIONS = ("sin", "cos", "tanh")


@dataclass(frozen=True)
class Apply:
    """`x = x.sin()`: one op."""

    function: str


@dataclass(frozen=True)
class If:
    """`if given[1] > 0:`: the ops getitem, gt and bool; then one of the bodies."""

    place: int
    body: tuple[Any, ...]
    otherwise: tuple[Any, ...]


@dataclass(frozen=True)
class For:
    """`for _ in range(int(given[1])):`: the ops getitem and int; then a body for each trip."""

    place: int
    body: tuple[Any, ...]


@dataclass(frozen=True)
class While:
    """`while given[1] > n:`: before each trip, and once more, the ops getitem, gt and bool."""

    place: int
    body: tuple[Any, ...]


@dataclass(frozen=True)
class Call:
    """`x = helper(x)`: two ops in another function."""


def bodies(statements: st.SearchStrategy[Any]) -> st.SearchStrategy[tuple[Any, ...]]:
    return st.lists(statements, min_size=1, max_size=3).map(tuple)


def trips(statements: st.SearchStrategy[Any]) -> st.SearchStrategy[tuple[Any, ...]]:
    """A loop's body. It begins with an op: where an outer loop does nothing but run an inner one,
    only counts tell their trips apart."""
    return bodies(statements).map(lambda body: (Apply("sin"), *body))


PLACE = st.integers(0, PLACES - 1)
STATEMENTS = st.recursive(
    st.one_of(st.sampled_from(FUNCTIONS).map(Apply), st.just(Call())),
    lambda inner: st.one_of(
        st.builds(If, PLACE, bodies(inner), bodies(inner)),
        st.builds(For, PLACE, trips(inner)),
        st.builds(While, PLACE, trips(inner)),
    ),
    max_leaves=6,
)
PROGRAMS = bodies(STATEMENTS)
GIVEN = st.lists(st.integers(0, 3), min_size=PLACES, max_size=PLACES)

LAWS = settings(max_examples=40, deadline=None)


# -- the program as Python ------------------------------------------------------------------------

HEAD = """
def helper(x):
    x = x.exp()
    return x.neg()


def program(x, given):
"""


def written(program: tuple[Any, ...]) -> str:
    names = itertools.count()
    return HEAD + "\n".join(lines(program, 1, names)) + "\n    return x\n"


def lines(body: Sequence[Any], depth: int, names: Iterator[int]) -> Iterator[str]:
    space = "    " * depth
    for one in body:
        if isinstance(one, Apply):
            yield f"{space}x = x.{one.function}()"
        elif isinstance(one, Call):
            yield f"{space}x = helper(x)"
        elif isinstance(one, If):
            yield f"{space}if given[{one.place}] > 0:"
            yield from lines(one.body, depth + 1, names)
            yield f"{space}else:"
            yield from lines(one.otherwise, depth + 1, names)
        elif isinstance(one, For):
            yield f"{space}for _ in range(int(given[{one.place}])):"
            yield from lines(one.body, depth + 1, names)
        else:
            n = f"n{next(names)}"
            yield f"{space}{n} = 0"
            yield f"{space}while given[{one.place}] > {n}:"
            yield f"{space}    {n} += 1"
            yield from lines(one.body, depth + 1, names)


def loaded(text: str, folder: str) -> Callable[..., Tensor]:
    path = Path(folder) / "program.py"
    path.write_text(text)
    spec = importlib.util.spec_from_file_location("random_program", path)
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    found: Callable[..., Tensor] = module.program
    return found


def record(function: Callable[..., Tensor], given_numbers: list[int]) -> Recording:
    return inspector.record(function, torch.ones(2), torch.tensor(given_numbers))


def recorded(program: tuple[Any, ...], *inputs: list[int]) -> list[Recording]:
    with tempfile.TemporaryDirectory() as folder:
        function = loaded(written(program), folder)
        return [record(function, numbers) for numbers in inputs]


# -- the program by itself ------------------------------------------------------------------------

Step = tuple[Any, ...]


def steps(body: Sequence[Any], numbers: list[int], at: Step = ()) -> Iterator[Step]:
    """For each op where it stands: statements by number, trips by number, which op of those."""
    for place, one in enumerate(body):
        here = (*at, place)
        if isinstance(one, Apply):
            yield (*here, one.function)
        elif isinstance(one, Call):
            yield from ((*here, "exp"), (*here, "neg"))
        elif isinstance(one, If):
            yield from ((*here, name) for name in ("getitem", "gt", "bool"))
            way = numbers[one.place] > 0
            yield from steps(one.body if way else one.otherwise, numbers, (*here, way))
        elif isinstance(one, For):
            yield from ((*here, name) for name in ("getitem", "int"))
            for trip in range(numbers[one.place]):
                yield from steps(one.body, numbers, (*here, trip))
        else:
            for trip in range(numbers[one.place] + 1):
                yield from ((*here, trip, name) for name in ("getitem", "gt", "bool"))
                if trip < numbers[one.place]:
                    yield from steps(one.body, numbers, (*here, trip, "body"))


# -- laws -----------------------------------------------------------------------------------------


@LAWS
@given(PROGRAMS, GIVEN, GIVEN)
def test_two_ops_are_the_same_step_exactly_if_they_stand_at_the_same_place_in_the_same_trips(
    program: tuple[Any, ...], one: list[int], other: list[int]
) -> None:
    a, b = recorded(program, one, other)
    in_a, in_b = list(steps(program, one)), list(steps(program, other))
    # The walk is right if it has the ops that ran.
    assert [op.name for op in a.ops] == [step[-1] for step in in_a]
    assert [op.name for op in b.ops] == [step[-1] for step in in_b]
    places = {step: number for number, step in enumerate(in_b)}
    expected = [(number, places[step]) for number, step in enumerate(in_a) if step in places]
    found = inspector.compare(a, b)
    assert list(found.common) == expected
    assert found.same == (in_a == in_b and not found.decisions and not found.changes)


@LAWS
@given(PROGRAMS, GIVEN)
def test_a_run_is_the_same_as_itself_and_as_itself_recorded_again(
    program: tuple[Any, ...], one: list[int]
) -> None:
    a, again = recorded(program, one, one)
    for other in (a, again):
        found = inspector.compare(a, other)
        assert found.same
        assert found.common == tuple((op.id, op.id) for op in a.ops)
        nothing = (found.only_a, found.only_b, found.changes, found.decisions, found.loops)
        assert nothing == ((), (), (), (), ())
        assert len(found.explanation) == 1


def mirrored(found: Comparison) -> tuple[object, ...]:
    return (
        sorted((y, x) for x, y in found.common),
        found.only_b,
        found.only_a,
        sorted((change.b, change.a, change.kinds) for change in found.changes),
        sorted((str(one.b), str(one.a)) for one in found.decisions),
        sorted((one.first_b, one.trips_b, one.trips_a, one.end_trip) for one in found.loops),
    )


def straight(found: Comparison) -> tuple[object, ...]:
    return (
        sorted(found.common),
        found.only_a,
        found.only_b,
        sorted((change.a, change.b, change.kinds) for change in found.changes),
        sorted((str(one.a), str(one.b)) for one in found.decisions),
        sorted((one.first_a, one.trips_a, one.trips_b, one.end_trip) for one in found.loops),
    )


@LAWS
@given(PROGRAMS, GIVEN, GIVEN)
def test_comparing_b_with_a_is_the_mirror_of_comparing_a_with_b(
    program: tuple[Any, ...], one: list[int], other: list[int]
) -> None:
    a, b = recorded(program, one, other)
    assert mirrored(inspector.compare(a, b)) == straight(inspector.compare(b, a))


@LAWS
@given(PROGRAMS, GIVEN, GIVEN)
def test_the_union_holds_each_op_of_both_once_and_in_its_order(
    program: tuple[Any, ...], one: list[int], other: list[int]
) -> None:
    a, b = recorded(program, one, other)
    found = union(a, b)
    self_check(found.recording)
    assert [number for number in found.of_a if number is not None] == [op.id for op in a.ops]
    assert [number for number in found.of_b if number is not None] == [op.id for op in b.ops]
    both = zip(found.of_a, found.of_b, strict=True)
    assert {pair for pair in both if None not in pair} == set(found.comparison.common)
    assert len(found.recording.ops) == len(a.ops) + len(b.ops) - len(found.comparison.common)


@LAWS
@given(PROGRAMS, GIVEN, GIVEN, st.integers(1, 50))
def test_other_numbers_of_the_tensors_change_nothing(
    program: tuple[Any, ...], one: list[int], other: list[int], shift: int
) -> None:
    a, b = recorded(program, one, other)
    assert inspector.compare(a, renumbered(b, shift)) == inspector.compare(a, b)


@LAWS
@given(PROGRAMS, GIVEN, GIVEN, st.integers(0, 5))
def test_lines_that_only_moved_change_nothing(
    program: tuple[Any, ...], one: list[int], other: list[int], moved: int
) -> None:
    (a, b) = recorded(program, one, other)
    with tempfile.TemporaryDirectory() as folder:
        text = "# moved\n" * moved + written(program)
        later = record(loaded(text, folder), other)
    there, then = inspector.compare(a, b), inspector.compare(a, later)
    assert (then.common, then.only_a, then.only_b) == (there.common, there.only_a, there.only_b)


def renumbered(recording: Recording, shift: int) -> Recording:
    """The same run with other numbers for its tensors: backwards, and from `shift` on."""
    highest = max(recording.tensors, default=0) + shift
    new = {number: highest - number for number in recording.tensors}

    def all_of(numbers: Sequence[int]) -> tuple[int, ...]:
        return tuple(new[number] for number in numbers)

    def op(one: Op) -> Op:
        return replace(
            one,
            inputs=all_of(one.inputs),
            outputs=all_of(one.outputs),
            overwrites=all_of(one.overwrites),
            arguments=re.sub(r"%(\d+)", lambda m: f"%{new[int(m[1])]}", one.arguments),
        )

    def tensor(one: TensorInfo) -> TensorInfo:
        alias = None if one.alias_of is None else new[one.alias_of]
        return replace(one, id=new[one.id], alias_of=alias)

    return replace(
        recording,
        ops=tuple(map(op, recording.ops)),
        tensors={new[number]: tensor(one) for number, one in recording.tensors.items()},
        decisions=tuple(
            replace(one, tensor=None if one.tensor is None else new[one.tensor])
            for one in recording.decisions
        ),
        inputs=all_of(recording.inputs),
        output=all_of(recording.output),
        meta={
            **recording.meta,
            "input_names": [
                (new[int(number)], name) for number, name in recording.meta["input_names"]
            ],
        },
    )
