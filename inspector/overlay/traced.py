"""Overlays a recording on a traced graph, which has no branches: each node ran once or not.

A traced node keeps the lines of all Python frames it came from, without columns. An op belongs
to the first unused node of its kind with a frame on the op's line, if there is one behind the
last op's node: nodes stand in the order of the traced run. What differs from a script is that
the recorded run may have gone elsewhere than the traced one: then ops are left over, and nodes
have no op.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from itertools import zip_longest

from inspector.language import sentence
from inspector.overlay.indexing import VIEWS, index_steps, views_into
from inspector.overlay.positions import matches, plain, sites
from inspector.overlay.queues import Queue
from inspector.overlay.values import is_tensor
from inspector.records import Divergence, IRNode, Op, Recording, StaticGraph

Place = tuple[str, str, int]
"""Module path, file, line."""

_SILENT = frozenset("select slice unsqueeze tensor to detach size Int Bool Float".split())
"""Kinds that a trace holds without an op of their own in the recording."""


@dataclass(slots=True)
class Match:
    """Which op is which node, which ops have none, and how often each node ran."""

    op_to_node: dict[int, int] = field(default_factory=dict)
    unmatched: list[Op] = field(default_factory=list)
    executions: dict[int, int] = field(default_factory=dict)


def follow(
    static: StaticGraph, recording: Recording, ops: list[tuple[Op, str]], calls: Mapping[str, int]
) -> Match:
    """Match the ops of one run with the nodes of a trace, and say which nodes ran.

    Args:
        static: a traced graph.
        recording: the recording that the ops are from, for its lines.
        ops: the run's ops with their module paths, in order.
        calls: how often the module at each path was called.
    """
    walker = _Follower(static, recording, ops)
    found = Match()
    for op, path in ops:
        node = walker.take(op, path)
        if node is None:
            found.unmatched.append(op)
        else:
            found.op_to_node[op.id] = node.id
    found.executions = walker.executions(calls)
    return found


def divergence(static: StaticGraph, recording: Recording, match: Match) -> Divergence | None:
    """The first op that the trace does not have, or else the first node that did not run.

    Ops whose result only steers the program are no divergence: a trace never has those.
    """
    wanted = needed(recording)
    for op in match.unmatched:
        if op.id in wanted:
            line = sentence(" at line {line}", line=op.source.line) if op.source else ""
            return Divergence(
                op=op.id,
                node=None,
                source=op.source,
                reason=sentence(
                    "The trace has no node for `{name}`{line}: this input took a path that the "
                    "traced input did not take.",
                    name=op.name,
                    line=line,
                ),
            )
    for node in static.nodes:
        if match.executions[node.id] == 0 and node.source and is_op(node):
            name = node.kind.rpartition("::")[2]
            return Divergence(
                op=None,
                node=node.id,
                source=node.source,
                reason=sentence(
                    "The trace always runs `{name}` at line {line}; this input did not get there "
                    "(again).",
                    name=name,
                    line=node.source.line,
                ),
            )
    return None


class _Follower:
    """Hands out the nodes of a trace to ops, each once."""

    def __init__(
        self, static: StaticGraph, recording: Recording, ops: list[tuple[Op, str]]
    ) -> None:
        self._static = static
        self._lines = recording.lines
        self._arithmetic = _arithmetic(static)
        self._used: set[int] = set()
        self._last = -1  # the node of the last op
        self._makers = {name: node for node in static.nodes for name in node.outputs}
        self._needed = needed(recording)
        self._waiting: Counter[tuple[tuple[object, ...], str]] = Counter()  # needed ops to come
        self._parts: dict[tuple[tuple[object, ...], str], list[IRNode]] = {}
        self._fitting: dict[tuple[tuple[object, ...], str], tuple[Queue, Queue]] = {}
        self._nodes: dict[tuple[object, ...], list[IRNode]] = {}
        self._names: dict[Place, set[str]] = {}  # what ran at each place
        for node in static.nodes:
            self._nodes.setdefault((node.module_path,), []).append(node)
            for place in _places(node):
                self._nodes.setdefault(place, []).append(node)
        for op, path in ops:
            for place in _op_places(op, path):
                self._names.setdefault(place, set()).add(op.name)
                self._waiting[place, op.name] += op.id in self._needed

    def take(self, op: Op, path: str) -> IRNode | None:
        """The node that an op is; None when the trace has none (any more)."""
        places: list[tuple[object, ...]] = [*_op_places(op, path)]
        is_needed = op.id in self._needed
        for place in places:
            self._waiting[place, op.name] -= is_needed
        for place in places or [(path,)]:
            exact, alike = self._queues(place, op.name)
            # What only steers is in the trace where the traced run made more of it than steering.
            spare = 0 if is_needed else self._waiting[place, op.name]
            for queue in (exact, alike):
                node = queue.take(self._used, self._last, spare)
                if node is not None:
                    return self._placed(self._whole(node, op, place), op, places)
            if not exact.nodes and not alike.nodes:
                part = self._last_part(op, place)
                if part is not None:
                    return self._placed(part, op, [])
        return self._of_caller(op, path)

    def _of_caller(self, op: Op, path: str) -> IRNode | None:
        """The node of a hook's op: run within a module's call, but traced in its caller's block.

        Such a node comes from the very lines of the user's frames that the op comes from.
        """
        frames = [(site.file, site.line) for site in op.stack]
        if not path or not any(file in self._static.sources for file, _ in frames):
            return None
        for above in _above(path):
            for place in _op_places(op, above):
                behind = (
                    node
                    for node in self._nodes.get(place, [])
                    if node.id > self._last and node.id not in self._used
                )
                for node in behind:
                    if plain(node.kind) == plain(op.name) and self._user_frames(node) == frames:
                        return self._placed(self._whole(node, op, place), op, [])
        return None

    def _user_frames(self, node: IRNode) -> list[tuple[str, int]]:
        frames = [frame.rsplit(":", 2) for frame in node.attributes.get("stack", ())]
        return [(file, int(line)) for file, line, _ in frames if file in self._static.sources]

    def _last_part(self, op: Op, place: tuple[object, ...]) -> IRNode | None:
        """The node that makes the result of an op into which the trace looked.

        Each call of a module has a block of its own; so the parts of one op end where those of
        another call begin. The last ones are given again to what comes after them.
        """
        key = (place, op.name)
        if key not in self._parts:
            nodes = [n for n in self._nodes.get(place, []) if self._is_part(n, op, place)]
            self._parts[key] = [
                node
                for node, after in zip_longest(nodes, nodes[1:])
                if after is None or after.parent != node.parent
            ]
        ends_of_calls = self._parts[key]
        if len(ends_of_calls) > 1:
            return ends_of_calls.pop(0)
        return ends_of_calls[0] if ends_of_calls else None

    def _queues(self, place: tuple[object, ...], name: str) -> tuple[Queue, Queue]:
        """The nodes at a place that an op of this name can be: of that very kind, and others."""
        if (place, name) not in self._fitting:
            fitting = [n for n in self._nodes.get(place, []) if matches(name, n.kind)]
            exact = [node for node in fitting if plain(node.kind) == plain(name)]
            alike = [node for node in fitting if plain(node.kind) != plain(name)]
            self._fitting[place, name] = Queue(exact), Queue(alike)
        return self._fitting[place, name]

    def _whole(self, node: IRNode, op: Op, place: tuple[object, ...]) -> IRNode:
        """The last node of an op that is several: one for each part of an index."""
        group = [node]
        if op.name == "getitem":
            steps = index_steps(op)
            queue = self._queues(place, op.name)[1]
            group += views_into(node, queue.following(node, 2 * steps), steps)
        elif op.name == "setitem":
            maker = self._makers.get(node.inputs[0])
            while maker is not None and maker.kind in VIEWS and maker.id not in self._used:
                if place not in tuple(_places(maker)):
                    break
                group.insert(0, maker)
                maker = self._makers.get(maker.inputs[0])
        self._used.update(each.id for each in group)
        self._last = max(self._last, group[-1].id)
        return group[-1]

    def _placed(self, node: IRNode, op: Op, places: list[tuple[object, ...]]) -> IRNode:
        """Note the lines of an op that could not tell them itself."""
        for place in () if places else _places(node):
            self._names.setdefault(place, set()).add(op.name)
        return node

    def _is_part(self, node: IRNode, op: Op, place: tuple[object, ...]) -> bool:
        """Whether a node is one of several that the tracer made of one op."""
        frames = node.attributes.get("stack", ())
        if any(frame.rsplit(":", 1)[1].strip("_") == op.name for frame in frames):
            return True
        if len(place) == 1:
            return False
        if not op.inputs:  # a tensor made from Python values became a constant
            return node.kind == "prim::Constant" and any(map(is_tensor, node.types))
        others = self._names.get((str(place[0]), str(place[1]), int(str(place[2]))), ())
        return (
            place[1] not in self._static.sources  # torch's own line: nothing else can be there
            and is_op(node)
            and not any(matches(name, node.kind) for name in others)
        )

    def executions(self, calls: Mapping[str, int]) -> dict[int, int]:
        """How often each node ran: once or not at all."""
        counts: dict[int, int] = {}
        called: Counter[str] = Counter()
        for node in self._static.nodes:
            if node.parent is not None and counts[node.parent[0]] == 0:
                counts[node.id] = 0
            elif node.kind == "prim::CallMethod":
                path = self._callee(node)
                called[path] += 1
                counts[node.id] = int(called[path] <= calls.get(path, 0))
            else:
                counts[node.id] = int(node.id in self._used or self._ran(node))
        return counts

    def _callee(self, call: IRNode) -> str:
        """The path of the called module; the nodes inside follow the call."""
        following = self._static.nodes[call.id + 1 : call.id + 2]
        return following[0].module_path if following and call.blocks else call.module_path

    def _ran(self, node: IRNode) -> bool:
        """Whether a node without an op of its own ran, judged by its lines."""
        places = list(_places(node))
        if not places:
            return True
        silent = node.id in self._arithmetic or node.kind.rpartition("::")[2] in _SILENT
        if is_op(node) and not silent:
            names = self._names.get(places[0])
            if names is not None:
                # Its line ran, but the ops there are other nodes: another branch or trip.
                inner = places[0][1] not in self._static.sources
                return inner and not any(matches(name, node.kind) for name in names)
            if not any(place in self._names for place in places):
                return False
        return all(
            self._lines[file].get(line, 0) for _, file, line in places if file in self._lines
        )


def _places(node: IRNode) -> Iterator[Place]:
    frames = node.attributes.get("stack", ())
    for frame in dict.fromkeys(frame.rsplit(":", 1)[0] for frame in frames):
        file, _, line = frame.rpartition(":")
        yield node.module_path, file, int(line)


def _above(path: str) -> Iterator[str]:
    """The paths of the modules around a module, innermost first."""
    while path:
        path = path.rpartition(".")[0]
        yield path


def _op_places(op: Op, path: str) -> list[Place]:
    return [(path, site.file, site.line) for site in sites(op)]


def _arithmetic(static: StaticGraph) -> set[int]:
    """Nodes that reckon with sizes: tensors in a trace, plain integers in Python, so no ops."""
    numbers: set[str] = set()
    constants: set[str] = set()
    found: set[int] = set()
    for node in static.nodes:
        if node.kind == "prim::Constant":
            constants.update(node.outputs)
        elif node.kind == "prim::NumToTensor" or (
            node.kind.startswith("aten::")
            and not numbers.isdisjoint(node.inputs)
            and all(value in numbers or value in constants for value in node.inputs)
        ):
            numbers.update(node.outputs)
            found.add(node.id)
    return found


def is_op(node: IRNode) -> bool:
    """Whether a node computes a tensor."""
    return node.kind.startswith("aten::") and any(map(is_tensor, node.types))


def needed(recording: Recording) -> set[int]:
    """Ops that the run's result was made from; without a result, all that do not only steer."""
    read = {decision.op for decision in recording.decisions}
    wanted = set(recording.output)
    used: set[int] = set()
    found: set[int] = set()
    for op in reversed(recording.ops):
        ends = not recording.output and op.id not in read and used.isdisjoint(op.outputs)
        if ends or not wanted.isdisjoint(op.outputs):
            found.add(op.id)
            wanted.update(op.inputs)
        used.update(op.inputs)
    return found
