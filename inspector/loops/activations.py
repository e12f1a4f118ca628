"""What ran inside of what: module calls and steps, and the frames that belong to each.

A module call and a training step are known exactly, one from the next. Each is an *activation*:
what happens directly in one (its own ops, the calls and steps it makes) is a sequence of
events, and each event has the frames between the activation's own code and the event.
Activations are numbered: 0 is the run itself, then come the calls, then the steps.
"""

from __future__ import annotations

from dataclasses import dataclass

from inspector.loops.reading import Files
from inspector.loops.syntax import Spot
from inspector.records import Op, Recording, Source

RUN = 0
"""The activation that is the whole run."""


@dataclass(slots=True, eq=False)
class Event:
    """Something that happened directly in an activation.

    `spots` are the places of the frames, outermost first. `unit` is the activation that began
    here, None for an op; then `op` is its first op. `direct`: the op was called in the user's
    own code, not in a library that the user's code called. `tests`: it reads what the op
    before it made, for an `if` or `while`.
    """

    op: int
    unit: int | None
    spots: tuple[Spot, ...]
    direct: bool
    tests: bool = False


class Activations:
    """The activations of a recording.

    Attributes:
        of_op: op -> the activation that it ran directly in.
        outer: activation -> the one around it.
        first_op: activation -> its first op at any depth, None for one without ops.
    """

    def __init__(self, recording: Recording) -> None:
        self._recording = recording
        self._calls = len(recording.module_calls)
        self._bounds = _bounds(recording)
        count = 1 + self._calls + len(recording.steps)
        self.outer = [RUN] * count
        self.of_op = [RUN if op.module_call is None else 1 + op.module_call for op in recording.ops]
        self.first_op: list[int | None] = [None] * count
        self._nest()

    def call(self, activation: int) -> int | None:
        """The module call that an activation is."""
        return activation - 1 if 1 <= activation <= self._calls else None

    def step(self, activation: int) -> int | None:
        """The step that an activation is."""
        return activation - 1 - self._calls if activation > self._calls else None

    def of_call(self, call: int | None) -> int:
        """The number of a module call's activation."""
        return RUN if call is None else 1 + call

    def of_step(self, step: int) -> int:
        """The number of a step's activation."""
        return 1 + self._calls + step

    def events(self, files: Files) -> list[list[Event]]:
        """Activation -> what happened directly in it, in order."""
        return _Events(self._recording, self, files).found()

    # -- nesting -------------------------------------------------------------------------------

    def _nest(self) -> None:
        """Put steps between the calls that they ran in and the calls that they made."""
        calls = self._recording.module_calls
        for call in calls:
            self.outer[1 + call.id] = self.of_call(call.parent)
        steps = [step for step in self._recording.steps if step.first_op < step.last_op]
        for step in sorted(steps, key=lambda one: one.first_op - one.last_op):  # outer ones first
            here = self.of_step(step.id)
            inner: set[int] = set()
            around = self._around(step.first_op, step.last_op - 1)
            for op in range(step.first_op, step.last_op):
                child = self.of_op[op]
                if child == around:
                    self.of_op[op] = here
                    continue
                while child not in (around, here, RUN) and child not in inner:
                    inner.add(child)
                    child = self.outer[child]
            for child in inner:
                if self.outer[child] == around:
                    self.outer[child] = here
            self.outer[here] = around
        self._note_first_ops()

    def _around(self, first: int, last: int) -> int:
        """The innermost activation that all of these ops ran in."""
        found = self.of_op[first]
        while found != RUN:
            call = self.call(found)
            bounds = self._step_bounds(found) if call is None else self._bounds[call]
            if bounds is not None and bounds[0] <= first and last <= bounds[1]:
                return found
            found = self.outer[found]
        return RUN

    def _step_bounds(self, activation: int) -> tuple[int, int]:
        step = self._recording.steps[activation - 1 - self._calls]
        return step.first_op, step.last_op - 1

    def _note_first_ops(self) -> None:
        for op, activation in enumerate(self.of_op):
            while self.first_op[activation] is None:
                self.first_op[activation] = op
                activation = self.outer[activation]


def _bounds(recording: Recording) -> list[tuple[int, int] | None]:
    """The first and the last op of each call, at any depth."""
    calls = recording.module_calls
    found = [(min(call.ops), max(call.ops)) if call.ops else None for call in calls]
    for call in reversed(calls):
        own = found[call.id]
        if call.parent is not None and own is not None:
            outer = found[call.parent] or own
            found[call.parent] = min(outer[0], own[0]), max(outer[1], own[1])
    return found


class _Events:
    """Collects the events of all activations in one pass over the ops."""

    def __init__(self, recording: Recording, activations: Activations, files: Files) -> None:
        self._recording = recording
        self._activations = activations
        self._files = files
        self._frames: dict[tuple[int, int, int, bool], tuple[Spot, ...]] = {}
        self._ends: dict[tuple[int, int, int], int] = {}
        self._seen: dict[tuple[int, int, int, int], tuple[tuple[Spot, ...], bool]] = {}
        self._written = _written_by_the_user(recording)
        self._sites = [None, *(c.source for c in recording.module_calls)]
        self._sites += [step.source for step in recording.steps]

    def found(self) -> list[list[Event]]:
        activations = self._activations
        events: list[list[Event]] = [[] for _ in activations.outer]
        for op, here in zip(self._recording.ops, activations.of_op, strict=True):
            if here != RUN and activations.first_op[here] == op.id:
                for event in reversed(self._begun(op, here)):
                    assert event.unit is not None
                    events[activations.outer[event.unit]].append(event)
            # Many ops share their positions: those of a loop, and of equal modules.
            same = id(op.stack), id(op.call_site), id(op.source), id(self._sites[here])
            known = self._seen.get(same)
            if known is None:
                known = self._seen[same] = self._where(op, here)
            tests = op.name == "bool" and self._reads_the_last(op)
            events[here].append(Event(op.id, None, *known, tests))
        return events

    def _begun(self, op: Op, here: int) -> list[Event]:
        """The activations that began with an op, innermost first."""
        activations = self._activations
        found: list[Event] = []
        begun, last = here, self._end(op.stack, here, 0)
        while begun != RUN and activations.first_op[begun] == op.id:
            outer, start = activations.outer[begun], last
            skip = 1 if self._is_own_frame(outer) else 0
            last = self._end(op.stack, outer, start + skip) if outer != RUN else len(op.stack)
            found.append(Event(op.id, begun, self._spots(op.stack, start, last, True), True))
            begun = outer
        return found

    def _where(self, op: Op, here: int) -> tuple[tuple[Spot, ...], bool]:
        """The spots of an op, and whether the user's own code called it."""
        direct = op.call_site is None or op.call_site == op.source
        if op.source is not None and op.source.end_column is None:
            direct = False  # only the line is known: a statement of many ops is one place
        is_item = not direct and not _starts_iterating(op.call_site)
        return self._spots(op.stack, 0, self._end(op.stack, here, 0), not is_item), direct

    def _reads_the_last(self, op: Op) -> bool:
        made = (self._recording.tensors[tensor].producer for tensor in op.inputs)
        of_op = self._activations.of_op
        return any(one == op.id - 1 and of_op[one] == of_op[op.id] for one in made)

    def _end(self, stack: tuple[Source, ...], activation: int, start: int) -> int:
        """How many of the frames, innermost first, lie inside of an activation.

        The frame that follows is the one that called it.
        """
        site = self._sites[activation]
        if site is None:
            return len(stack)
        key = (id(stack), id(site), start)
        known = self._ends.get(key)
        if known is None:
            places = (i for i in range(start, len(stack)) if stack[i] == site)
            known = self._ends[key] = next(places, len(stack))
        return known

    def _is_own_frame(self, activation: int) -> bool:
        """Whether the code that an activation runs is the user's, with a frame in the stacks."""
        call = self._activations.call(activation)
        return call is not None and self._recording.module_calls[call].type in self._written

    def _spots(
        self, stack: tuple[Source, ...], start: int, end: int, whole: bool
    ) -> tuple[Spot, ...]:
        """The places of stack[start:end], outermost first; frames of unknown text are left out.

        Args:
            stack: innermost first.
            start, end: the frames that are wanted.
            whole: whether an op at the position of a whole `for` runs before its trips.
        """
        key = (id(stack), start, end, whole)
        known = self._frames.get(key)
        if known is None:
            found = (self._spot(stack, i, whole) for i in range(end - 1, start - 1, -1))
            known = self._frames[key] = tuple(spot for spot in found if spot is not None)
        return known

    def _spot(self, stack: tuple[Source, ...], index: int, whole: bool) -> Spot | None:
        files, source = self._files, stack[index]
        spot = files.spot(source)
        if index:
            inner = stack[index - 1]
            generator = files.is_generator(inner)
            if generator or not inner.function.endswith("__iter__"):
                return files.item_spot(source, generator) or spot
            return spot
        return spot if whole else files.item_spot(source, False) or spot


def _starts_iterating(call_site: Source | None) -> bool:
    return call_site is not None and call_site.function.endswith("__iter__")


def _written_by_the_user(recording: Recording) -> frozenset[str]:
    """The classes whose `forward` is in the stacks."""
    functions = {source.function for stack in _stacks(recording) for source in stack}
    names = (function.split(".") for function in functions)
    return frozenset(parts[-2] for parts in names if len(parts) > 1 and parts[-1] == "forward")


def _stacks(recording: Recording) -> list[tuple[Source, ...]]:
    return list({id(op.stack): op.stack for op in recording.ops}.values())
