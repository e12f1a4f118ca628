"""A recording as trace events, for Perfetto (ui.perfetto.dev) and chrome://tracing.

A recording knows how long each op took, but not what passed between two of them. So the events
stand one after the other, in the order of the run, each as long as it took: lengths are true, and
gaps are left out. Module calls, training steps and ATen kernels are slices that nest; arrows lead
from a forward op to the autograd nodes that it made; a counter shows the memory that is alive.
"""

from __future__ import annotations

import math
from collections.abc import Iterator
from typing import Any

from inspector.formats.document import plain
from inspector.records import Decision, GradNode, ModuleCall, Op, Recording, Step
from inspector.timeline import PHASES, Timeline, timeline

Json = dict[str, Any]

PROCESS = 1
LONGEST = 1e11
"""µs, a day: a damaged file can say anything."""
_Key = tuple[str, int]
"""What a slice stands for: a step or a module call, by its number."""


def to_trace(recording: Recording) -> Json:
    """A recording in the Trace Event Format; times are in µs.

    Each of `timeline.PHASES` is a thread. On one thread, slices never overlap but by nesting.
    A module call that others interrupt is several slices.
    """
    return {
        "traceEvents": list(_Trace(recording).events()),
        "displayTimeUnit": "ms",
        "otherData": {
            "model": str(recording.meta.get("model", "")),
            "time": "events in the order of the run, each as long as it took; gaps are left out",
        },
    }


class _Trace:
    def __init__(self, recording: Recording) -> None:
        self._recording = recording
        self._timeline: Timeline = timeline(recording)
        self._now = 0.0
        self._open: list[list[tuple[_Key, Json]]] = [[] for _ in PHASES]  # a stack per thread
        self._last = [0.0] * len(PHASES)  # where the last event of each thread ended
        self._starts: dict[int, Json] = {}  # op -> its slice

    def events(self) -> Iterator[Json]:
        yield _meta("process_name", 0, {"name": str(self._recording.meta.get("model", "run"))})
        for thread, phase in enumerate(PHASES):
            yield _meta("thread_name", thread, {"name": phase})
            yield _meta("thread_sort_index", thread, {"sort_index": thread})
        alive = self._timeline.lifetimes.nbytes
        for moment in range(len(self._timeline)):
            start = self._now
            yield from self._moment(moment)
            yield {
                "ph": "C", "pid": PROCESS, "tid": 0, "ts": start, "name": "memory",
                "args": {"alive": int(alive[moment])},
            }  # fmt: skip
        for thread in range(len(PHASES)):
            yield from self._close(thread, 0)

    def _moment(self, moment: int) -> Iterator[Json]:
        record = self._timeline.record(moment)
        thread = int(self._timeline.phases[moment])
        yield from self._turn_to(thread, self._around(moment, record))
        if isinstance(record, Op):
            yield from self._op(record, thread)
        elif isinstance(record, GradNode):
            yield from self._grad(record, thread)
        else:
            name = record.kind
            args = plain(record) if isinstance(record, Decision) else {"step": record.id}
            yield {**self._at(thread), "ph": "i", "s": "t", "cat": "event", "name": name,
                   "args": args}  # fmt: skip
        self._last[thread] = self._now

    # -- slices around -------------------------------------------------------------------------

    def _around(self, moment: int, record: Op | Decision | GradNode | Step) -> list[_Key]:
        """The slices that a moment is in, outermost first."""
        step = record if isinstance(record, Step) else self._timeline.step_around(moment)
        number = -1 if step is None else step.id
        steps: list[_Key] = []
        while number >= 0:
            steps.append(("step", number))
            number = self._timeline.levels.step_parents[number]
        call = record.module_call if isinstance(record, (Op, Decision)) else None
        if isinstance(record, Decision) and record.op is not None:
            call = self._recording.ops[record.op].module_call
        calls: list[_Key] = []
        while call is not None:
            calls.append(("call", call))
            call = self._recording.module_calls[call].parent
        return [*reversed(steps), *reversed(calls)]

    def _turn_to(self, thread: int, around: list[_Key]) -> Iterator[Json]:
        """End the slices that are over, and begin those that are new."""
        stack = self._open[thread]
        same = 0
        while same < min(len(stack), len(around)) and stack[same][0] == around[same]:
            same += 1
        yield from self._close(thread, same)
        for key in around[same:]:
            stack.append((key, {**self._at(thread), **self._described(key)}))

    def _close(self, thread: int, keep: int) -> Iterator[Json]:
        stack = self._open[thread]
        while len(stack) > keep:
            _, begun = stack.pop()
            yield {**begun, "ph": "X", "dur": self._last[thread] - begun["ts"]}

    def _described(self, key: _Key) -> Json:
        kind, number = key
        if kind == "step":
            step = self._recording.steps[number]
            args = {"step": number, "pass": step.pass_index, "detail": step.detail}
            return {"name": step.kind, "cat": "step", "args": args}
        call: ModuleCall = self._recording.module_calls[number]
        args = {"call": number, "module": call.path, "training": call.training}
        name = f"{call.path} ({call.type})" if call.path else call.type
        return {"name": name, "cat": "module", "args": args}

    # -- what ran --------------------------------------------------------------------------------

    def _op(self, op: Op, thread: int) -> Iterator[Json]:
        tensors = self._recording.tensors
        args = {
            "op": op.id,
            "function": op.function,
            "arguments": op.arguments,
            "outputs": [list(tensors[i].shape) for i in op.outputs],
            "source": None if op.source is None else str(op.source),
        }
        found = list(self._slice(op.name, "op", args, op.duration_us, op, thread))
        self._starts[op.id] = found[0]
        yield from found

    def _grad(self, node: GradNode, thread: int) -> Iterator[Json]:
        args = {
            "node": node.id,
            "op": node.op,
            "parameter": node.parameter,
            "pass": node.pass_index,
        }
        found = list(self._slice(node.name, "autograd", args, node.duration_us, node, thread))
        yield from found
        begun = None if node.op is None else self._starts.get(node.op)
        if begun is not None:
            arrow = {"cat": "autograd", "name": "made", "id": node.id, "pid": PROCESS}
            yield {**arrow, "ph": "s", "tid": begun["tid"], "ts": begun["ts"]}
            yield {**arrow, "ph": "f", "bp": "e", "tid": thread, "ts": found[0]["ts"]}

    def _slice(
        self, name: str, kind: str, args: Json, took: float, record: Op | GradNode, thread: int
    ) -> Iterator[Json]:
        """A record as a slice, with its kernels inside; time goes on to its end."""
        kernels = [(kernel, _time(kernel.duration_us)) for kernel in record.kernels]
        length = max(_time(took), sum(duration for _, duration in kernels))
        yield {**self._at(thread), "ph": "X", "dur": length, "name": name, "cat": kind,
               "args": args}  # fmt: skip
        at = self._now
        for kernel, duration in kernels:
            about = {"flops": kernel.flops, "allocated": kernel.allocated}
            yield {"pid": PROCESS, "tid": thread, "ts": at, "ph": "X", "dur": duration,
                   "name": kernel.name, "cat": "kernel", "args": about}  # fmt: skip
            at += duration
        self._now += length

    def _at(self, thread: int) -> Json:
        return {"pid": PROCESS, "tid": thread, "ts": self._now}


def _meta(name: str, thread: int, args: Json) -> Json:
    return {"ph": "M", "pid": PROCESS, "tid": thread, "ts": 0, "name": name, "args": args}


def _time(duration: float) -> float:
    """A duration that times can be added up with: whole 1/1024 µs, so that ends meet exactly."""
    known = 0.0 if math.isnan(duration) else min(max(duration, 0.0), LONGEST)
    return round(known * 1024) / 1024
