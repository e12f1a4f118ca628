"""`overlay`: finds the runs of the static graph's code in a recording."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from itertools import zip_longest
from typing import Any, cast

from inspector.errors import InspectorError
from inspector.language import sentence
from inspector.overlay.guide import Guide, Interpreted, Visits
from inspector.overlay.lines import Lines
from inspector.overlay.positions import Places, Slot
from inspector.overlay.replay import Replay, Run
from inspector.overlay.stream import Tally
from inspector.overlay.structure import Emitters, Structure
from inspector.overlay.sums import Sums
from inspector.overlay.traced import divergence, follow
from inspector.overlay.values import ListValue, TensorValue, recorded
from inspector.records import Divergence, ModuleCall, Op, Overlay, Recording, StaticGraph
from inspector.static_run import StaticRun


@dataclass(slots=True)
class _Part:
    """One run of the code within a recording: its ops, and paths from the scripted module on."""

    ops: list[tuple[Op, str]] = field(default_factory=list)
    calls: Counter[str] = field(default_factory=Counter)
    training: dict[str, bool] = field(default_factory=dict)


def overlay(
    static: StaticGraph,
    recording: Recording,
    run: StaticRun | Sequence[StaticRun] | None = None,
    path: str | None = None,
) -> Overlay:
    """What a recording executed of a static graph.

    The code may have run several times in the recording (a module called in each training
    step); counts are then of all runs, visits in their order. Ops of a backward pass and ops
    of modules that the graph does not hold are not looked at.

    Args:
        static: a graph from `script`, `trace` or `load_torchscript`.
        recording: a run of the same code, by the same files.
        run: what `interpret` made of the same inputs (and random state): counts, branches and
            trips are then exact and come from it, and `disagreements` says where the recording
            tells otherwise. Several, in their order, where the code ran several times.
        path: the path in the recording of the module that the graph is of, where only one of
            several of its class is meant ("encoder.layers.0").

    Returns:
        Counts, branches and trips; without `run`, a node of which they cannot be told is left
        out. Where the recording is of other code, all counts are 0 and `first_divergence` says so.

    Raises:
        InspectorError: an argument is not a graph, a recording or an interpretation.
    """
    expect(static, recording, run)
    parts = _parts(static, recording, path)
    runs = [] if run is None else [run] if isinstance(run, StaticRun) else [*run]
    if static.kind == "trace":
        found = _overlay_trace(static, recording, parts)
    else:
        found = _overlay_script(static, recording, parts)
    if path is None and _is_of_other_code(static, recording, found):
        return _other_code(static, recording)
    if not runs:
        return found
    if len(runs) != len(parts):
        return replace(
            found,
            method=sentence(
                "{method}; not interpreted: runs of the code in the recording: {parts}, "
                "interpretations given: {runs}",
                method=found.method,
                parts=len(parts),
                runs=len(runs),
            ),
        )
    return _interpreted(static, recording, parts, found, runs)


def expect(static: object, recording: object, run: object = None) -> None:
    """Check that each of these is what its name says.

    Raises:
        InspectorError: which one is not, what it is, and how to get the right one.
    """
    if isinstance(static, Recording) and isinstance(recording, StaticGraph):
        raise InspectorError(
            sentence(
                "The static graph comes first, then the recording; here they are the other "
                "way round."
            )
        )
    if not isinstance(static, StaticGraph):
        raise InspectorError(
            sentence(
                "The first argument must be a static graph, as `inspector.script`, "
                "`inspector.trace` and `inspector.load_torchscript` make it; this is {kind}.",
                kind=_a_kind(static),
            )
        )
    if not isinstance(recording, Recording):
        raise InspectorError(
            sentence(
                "The second argument must be a recording, as `inspector.record` makes it; "
                "this is {kind}.",
                kind=_a_kind(recording),
            )
        )
    several = isinstance(run, Sequence) and not isinstance(run, str)
    for each in cast(Sequence[object], run) if several else (run,):
        if each is None and not several:
            continue
        if not isinstance(each, StaticRun):
            raise InspectorError(
                sentence(
                    "`run` must be what `inspector.interpret` returns; this is {kind}.",
                    kind=_a_kind(each),
                )
            )


def _a_kind(value: object) -> str:
    return "None" if value is None else sentence("of the class `{kind}`", kind=type(value).__name__)


def _is_of_other_code(static: StaticGraph, recording: Recording, found: Overlay) -> bool:
    """Whether nothing of the graph is in a recording: no call of it, and no op on its lines.

    Torch's own lines do not count where there are the user's: other code may run those too.
    """
    if recording.meta.get("model") == static.name or _root_calls(static, recording, None):
        return False
    forward = [op for op in recording.ops if op.phase == "forward"]
    if not forward or any(_is_in_function(op, static) for op in forward):
        return False
    places = {(n.source.file, n.source.line) for n in static.nodes if n.source is not None}
    own = {place for place in places if place[0] in static.sources}
    if not own:
        return not found.op_to_node and bool(places)
    ran = {(site.file, site.line) for op in forward for site in (*op.stack, op.source) if site}
    lines = any(recording.lines.get(file, {}).get(line, 0) for file, line in own)
    return not lines and own.isdisjoint(ran)


def _other_code(static: StaticGraph, recording: Recording) -> Overlay:
    """No node ran, and why."""
    forward = [op for op in recording.ops if op.phase == "forward"]
    first = forward[0]
    return Overlay(
        executions={node.id: 0 for node in static.nodes},
        taken={},
        trips={},
        op_to_node={},
        unmatched_ops=tuple(op.id for op in forward),
        first_divergence=Divergence(
            op=first.id,
            node=None,
            source=first.source,
            reason=sentence(
                "The recording is of other code: `{name}` is not called in it, and none of "
                "its ops is on a line of the graph.",
                name=static.name,
            ),
        ),
        method=sentence("none: the recording is of other code"),
    )


def _interpreted(
    static: StaticGraph,
    recording: Recording,
    parts: list[_Part],
    found: Overlay,
    runs: list[StaticRun],
) -> Overlay:
    """The counts of interpretations, cross-checked with those found in the recording."""
    counts = Interpreted(runs)
    if static.kind != "trace":
        replayed = _Replayed(static, recording, parts, [Guide(run) for run in runs])
        found = replace(
            found,
            op_to_node=replayed.tally.op_to_node,
            unmatched_ops=replayed.unmatched,
        )
    return replace(
        found,
        executions=counts.executions,
        taken=counts.taken,
        trips=counts.trips,
        disagreements=counts.disagreements(static, *_counts_of(found)),
        method=sentence("interpretation of the graph, cross-checked with the recording"),
    )


def _counts_of(found: Overlay) -> tuple[Mapping[int, int], Visits, Visits]:
    return found.executions, found.taken, found.trips


class _Replayed:
    """The walks through a script's graph, one for each part of the recording."""

    def __init__(
        self,
        static: StaticGraph,
        recording: Recording,
        parts: list[_Part],
        guides: Sequence[Guide] = (),
    ) -> None:
        places = Places(static)
        self.structure = Structure(static, places)
        self.lines = Lines(self.structure, recording)
        self.tally = Tally()
        self.seen: set[Slot] = set()
        elsewhere: set[int] = set()
        only = len(parts) == 1
        for part, guide in zip_longest(parts, guides):
            placed = [(op, path, places.slot(op, path)) for op, path in part.ops]
            slots = [(op, slot) for op, _, slot in placed if slot is not None]
            elsewhere.update(
                op.id for op, path, slot in placed if slot is None and path not in places.paths
            )
            self.seen.update(slot for _, slot in slots)
            inputs = _inputs(static, recording) if only else {}
            run = Run(slots, inputs, part.training, only=only, guide=guide)
            Replay(self.structure, recording, run, self.lines, self.tally).walk()
        self.unmatched = tuple(
            op.id
            for part in parts
            for op, _ in part.ops
            if op.id not in self.tally.op_to_node and op.id not in elsewhere
        )


def _overlay_script(static: StaticGraph, recording: Recording, parts: list[_Part]) -> Overlay:
    replayed = _Replayed(static, recording, parts)
    tally = replayed.tally
    sums = Sums(
        replayed.structure,
        Emitters(replayed.structure, replayed.seen),
        replayed.lines,
        tally,
        whole=len(parts) == 1,
        failed=recording.failure is not None,
    )
    return Overlay(
        executions=sums.executions,
        taken=sums.visits("prim::If", tally.taken),
        trips=sums.visits("prim::Loop", tally.trips),
        op_to_node=tally.op_to_node,
        unmatched_ops=replayed.unmatched,
        method=sentence("source positions, replayed with the values that were read"),
    )


def _overlay_trace(static: StaticGraph, recording: Recording, parts: list[_Part]) -> Overlay:
    paths = {node.module_path for node in static.nodes}
    executions: Counter[int] = Counter()
    op_to_node: dict[int, int] = {}
    unmatched: list[int] = []
    first: Divergence | None = None
    for part in parts:
        match = follow(static, recording, part.ops, part.calls)
        executions.update(match.executions)
        op_to_node.update(match.op_to_node)
        path_of = {op.id: path for op, path in part.ops}
        unmatched += [op.id for op in match.unmatched if path_of[op.id] in paths]
        first = first or divergence(static, recording, match)
    return Overlay(
        executions={node.id: executions[node.id] for node in static.nodes},
        taken={},
        trips={},
        op_to_node=op_to_node,
        unmatched_ops=tuple(unmatched),
        first_divergence=first,
    )


def _parts(static: StaticGraph, recording: Recording, path: str | None) -> list[_Part]:
    """The runs of the static graph's code, in order."""
    roots = _root_calls(static, recording, path)
    if not roots:
        return [_whole(static, recording)] if path is None else []
    parts = {call: _Part() for call in roots}
    owner: dict[int, int] = {}
    path_of: dict[int, str] = {}
    for call in recording.module_calls:
        root = (
            call.id if call.id in parts else owner.get(-1 if call.parent is None else call.parent)
        )
        if root is None:
            continue
        owner[call.id] = root
        below = _below(call.path, recording.module_calls[root].path)
        path_of[call.id] = below
        parts[root].calls[below] += 1
        parts[root].training.setdefault(below, call.training)
    for op in recording.ops:
        if op.phase == "forward" and op.module_call in owner:
            parts[owner[op.module_call]].ops.append((op, path_of[op.module_call]))
    return list(parts.values())


def _root_calls(static: StaticGraph, recording: Recording, path: str | None) -> list[int]:
    """The outermost calls of the module that the graph is of."""
    if len(static.block_inputs.get((None, 0), ())) == len(static.inputs):
        return []  # a function's graph
    inside: set[int] = set()
    roots: list[int] = []
    for call in recording.module_calls:
        if call.parent in inside:
            inside.add(call.id)
        elif call.type == static.name and path in (None, call.path):
            inside.add(call.id)
            roots.append(call.id)
    return roots


def _below(path: str, root: str) -> str:
    return path if not root else path.removeprefix(root).removeprefix(".")


def _whole(static: StaticGraph, recording: Recording) -> _Part:
    """The recording as one run, for functions and where no call of the module is found."""
    paths = {node.module_path for node in static.nodes}
    part = _Part()
    names = {call.id: _known_path(call, paths) for call in recording.module_calls}
    for call in recording.module_calls:
        part.calls[names[call.id]] += 1
        part.training.setdefault(names[call.id], call.training)
    end = recording.meta.get("loss_from", len(recording.ops))  # what follows is not the code's
    forward = [op for op in recording.ops[:end] if op.phase == "forward"]
    within = [op for op in forward if _is_in_function(op, static)] or forward
    part.ops = [(op, "" if op.module_call is None else names[op.module_call]) for op in within]
    return part


def _known_path(call: ModuleCall, paths: set[str]) -> str:
    """A call's path as the graph has it: without the class name of an outermost module."""
    below = call.path.partition(".")[2]
    return below if call.path not in paths and below in paths else call.path


def _is_in_function(op: Op, static: StaticGraph) -> bool:
    return any(
        site.file in static.sources and site.function.rpartition(".")[2] == static.name
        for site in op.stack
    )


def _inputs(static: StaticGraph, recording: Recording) -> dict[str, Any]:
    """What is known of the graph's inputs, if the graph is of what `record` was given.

    `meta["input_names"]` says which tensor came in by which parameter, `meta["arguments"]`,
    where there is one, the numbers, strings and None that came in by the others.
    """
    if recording.meta.get("model") != static.name:
        return {}
    given = recording.meta.get("arguments", {})
    values = {item.name: given[item.label] for item in static.inputs if item.label in given}
    named: dict[str, list[TensorValue]] = {}
    for number, name in recording.input_names().items():
        tensor = recorded(recording.tensors[number])
        named.setdefault(name.partition("[")[0], []).append(tensor)
    if not named:
        return values
    for item in static.inputs:
        found = named.get(item.label, [])
        if item.type == "Tensor[]":
            values[item.name] = ListValue([*found])
        elif found and item.type in ("Tensor", "Tensor?"):
            values[item.name] = found[0]
        elif not found and "Tensor" in item.type and item.type.endswith("?"):
            values[item.name] = None
    return values
