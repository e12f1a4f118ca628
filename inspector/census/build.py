"""Many inputs, the distinct graphs that they give, and what parts these: `take_census`."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterable, Iterator, Mapping
from typing import Any, Literal

from inspector.capture.many import STRUCTURE, Given, is_torchscript, read_inputs
from inspector.capture.options import CaptureOptions
from inspector.census.counting import count
from inspector.census.coverage import coverage
from inspector.census.tally import Group, Point, Tally
from inspector.census.tree import decision_tree, ways
from inspector.counted import Census, CensusPoint, Coverage, InputProblem, Variant
from inspector.errors import CaptureError, InspectorError, ScriptError
from inspector.language import counted, sentence
from inspector.loops import find_loops
from inspector.records import Recording, StaticGraph

Static = Literal["script", "trace"] | StaticGraph | None
Swept = Iterable[float | str | None] | None


def take_census(
    model: Callable[..., Any],
    inputs: Any,
    engine: str | None,
    static: Static,
    labels: Iterable[str] | None,
    swept: Swept,
    options: CaptureOptions | None,
    workers: int,
) -> Census:
    """See `inspector.census.census`."""
    begin = time.perf_counter()
    if not callable(model):
        raise CaptureError(
            sentence(
                "census() needs a module or a function to call, not {name}.",
                name=type(model).__name__,
            )
        )
    chosen = STRUCTURE if options is None else options
    reading = _Reading(read_inputs(inputs, labels, swept))
    if engine is None:
        tally = count(model, reading, chosen)
    else:
        from inspector.census.on_dask import count_on_dask

        tally = count_on_dask(model, reading, chosen, engine, workers)
    if not tally.points and not tally.problems:
        raise InspectorError(
            sentence(
                "There are no inputs: the collection is empty. Give at least one, as the "
                "model is called with."
            )
        )
    found = _Found(tally, reading.swept)
    graph, reason = _static_graph(model, static, reading.kept(found.first_that_ran))
    seconds = time.perf_counter() - begin
    return found.census(graph, reason, _name(model), engine or "here", seconds)


class _Reading:
    """The inputs as they are read: remembers what they stand for, and those up to one that ran."""

    def __init__(self, inputs: Iterator[Given | InputProblem]) -> None:
        self._inputs = inputs
        self.swept: dict[int, float | str | None] = {}
        self._kept: dict[int, Given] = {}

    def __iter__(self) -> Iterator[Given | InputProblem]:
        for one in self._inputs:
            if isinstance(one, Given):
                self.swept[one.position] = one.swept
                if len(self._kept) < _KEPT:
                    self._kept[one.position] = one
            yield one

    def kept(self, position: int | None) -> Given | None:
        """One of the first inputs."""
        return None if position is None else self._kept.get(position)


_KEPT = 16
"""Inputs that stay, so that one is there to trace with."""


def _name(model: Callable[..., Any]) -> str:
    own = getattr(model, "__name__", None)
    return own if isinstance(own, str) else type(model).__name__


def _static_graph(
    model: Callable[..., Any], static: Static, example: Given | None
) -> tuple[StaticGraph | None, str]:
    """The graph that coverage is told of, or why there is none."""
    if static is None:
        return None, sentence("It was not asked for.")
    if isinstance(static, StaticGraph):
        return static, ""
    if is_torchscript(model):
        return None, sentence(
            "The model is TorchScript: its run is recorded as one op, which does not tell what "
            "nodes ran. Take the census of the model that it was made of."
        )
    from inspector.torchscript import script, trace

    try:
        if static == "script":
            return script(model), ""
        if example is None:
            return None, sentence(
                "None of the first inputs ran without failure, so there is no trace."
            )
        return trace(model, *example.args, **example.kwargs), ""
    except ScriptError as error:
        return None, str(error)


class _Found:
    """Turns what was counted into records."""

    def __init__(self, tally: Tally, swept: Mapping[int, float | str | None]) -> None:
        self._tally = tally
        self._swept = swept
        groups = tally.groups.items()
        self._ordered = sorted(groups, key=lambda item: (-item[1].count, item[1].example))
        self._numbers = {mark: number for number, (mark, _) in enumerate(self._ordered)}
        self._groups: list[tuple[int, Group]] = [
            (number, group) for number, (_, group) in enumerate(self._ordered)
        ]

    @property
    def first_that_ran(self) -> int | None:
        """The position of the first input that did not fail."""
        ran = (g.example for _, g in self._groups if _recording(g).failure is None)
        return min(ran, default=None)

    def census(
        self,
        graph: StaticGraph | None,
        reason: str,
        model: str,
        engine: str,
        seconds: float,
    ) -> Census:
        tree = decision_tree(self._groups) if self._groups else None
        decisions = {} if tree is None else dict(ways(tree, self._groups))
        variants = tuple(
            Variant(
                fingerprint=mark,
                count=group.count,
                example=group.example,
                label=group.label,
                decisions=decisions.get(number, ()),
                failure=_recording(group).failure,
                ops=group.ops,
                loops=_loops(_recording(group)),
                recording=_recording(group),
            )
            for number, (mark, group) in enumerate(self._ordered)
        )
        return Census(
            variants=variants,
            points=tuple(map(self._point, sorted(self._tally.points, key=_position))),
            tree=tree,
            coverage=self._coverage(graph),
            no_coverage=reason,
            untouched_parameters=_untouched([variant.recording for variant in variants]),
            problems=tuple(sorted(self._tally.problems, key=_position)),
            notes=tuple(self._notes()),
            model=model,
            engine=engine,
            seconds=seconds,
        )

    def _point(self, point: Point) -> CensusPoint:
        return CensusPoint(
            point.position,
            point.label,
            self._numbers[point.fingerprint],
            point.ops,
            point.duration_us,
            self._swept.get(point.position),
        )

    def _coverage(self, graph: StaticGraph | None) -> Coverage | None:
        if graph is None or not self._groups:
            return None
        return coverage(graph, [(_recording(group), group.count) for _, group in self._groups])

    def _notes(self) -> Iterator[str]:
        changed = sorted(self._tally.changed)
        if changed:
            names = ", ".join(changed[:3])
            more = len(changed) - 3
            yield sentence(
                "Running the model changes it ({names}). That was put back after each input: "
                "all saw the model as it was at the start.",
                names=names
                if more <= 0
                else sentence("{names} and {count:,} more", names=names, count=more),
            )
        for note, times in self._tally.notes.most_common():
            if times < 2:
                yield note
            else:
                yield counted("{note} ({count} input)", "{note} ({count} inputs)", times, note=note)


def _position(one: Point | InputProblem) -> int:
    return one.position


def _recording(group: Group) -> Recording:
    assert group.recording is not None, "the example's recording is always there in the end"
    return group.recording


def _loops(recording: Recording) -> tuple[tuple[str, str, int, int], ...]:
    return tuple(
        (run.statement.header, run.statement.file, run.statement.line, run.trips)
        for run in find_loops(recording).runs
    )


def _untouched(recordings: list[Recording]) -> tuple[str, ...]:
    """Parameters that no run used, in the order of the model."""
    infos = [i for recording in recordings for i in recording.parameters if i.kind == "parameter"]
    used = {info.name for info in infos if info.tensor is not None}
    return tuple(dict.fromkeys(info.name for info in infos if info.name not in used))
