"""`to_text`: a recording as text, one op a line.

The format is the test oracle, the input of text diffs and what people paste into bug reports,
so it holds nothing that changes from run to run: no times, no addresses, no absolute paths.

    branching.py  Branching
      %0 float32[4, 8]  input
    forward
      [0] mean         %2 = mean(%0)                 float32[]       branching.py:31
      [1] gt ...
"""

from __future__ import annotations

import os
import re
from collections.abc import Iterator

from inspector.records import Decision, Op, Recording, Source, Step, TensorInfo


def to_text(recording: Recording) -> str:
    """All of `recording` that is the same from run to run, as lines ending in a newline."""
    parts = (
        _head(recording),
        _ops(recording),
        _backward(recording),
        _parameters(recording),
        _end(recording),
    )
    return "\n".join(line.rstrip() for part in parts for line in part) + "\n"


def split_lines(text: str) -> list[str]:
    """The lines as Python counts them: other separators of `str.splitlines` are no line ends."""
    return re.split(r"\r\n?|\n", text)


def shape_text(tensor: TensorInfo) -> str:
    """As in "float32[2, 3]"."""
    return f"{tensor.dtype}[{', '.join(map(str, tensor.shape))}]"


def place(source: Source | None) -> str:
    """As in "file.py:12", without the folder."""
    return "" if source is None else f"{os.path.basename(source.file)}:{source.line}"


def _head(recording: Recording) -> Iterator[str]:
    yield f"recording of {recording.meta.get('model', 'a block of code')}"
    for role, ids in (("input", recording.inputs), ("output", recording.output)):
        for number in ids:
            yield f"  {role} %{number} {shape_text(recording.tensors[number])}"


def _ops(recording: Recording) -> Iterator[str]:
    decisions = {decision.op: decision for decision in recording.decisions}
    reads: dict[int, list[Decision]] = {}
    for decision in recording.decisions:
        if decision.op is None:
            reads.setdefault(decision.before_op or 0, []).append(decision)
    steps: dict[int, list[Step]] = {}
    for step in recording.steps:
        steps.setdefault(step.first_op, []).append(step)
    inside: int | None = None
    for number in range(len(recording.ops) + 1):
        for read in reads.get(number, ()):
            yield from _entered(recording, inside, read.module_call)
            inside = read.module_call
            yield _read_line(read)
        for step in steps.get(number, ()):
            yield f"-- {step.kind} {step.detail} {place(step.source)}"
        if number < len(recording.ops):
            op, found = recording.ops[number], decisions.get(number)
            yield from _entered(recording, inside, op.module_call)
            inside = op.module_call
            yield _op_line(recording, op, None if found is None else repr(found.value))


def _entered(recording: Recording, before: int | None, now: int | None) -> Iterator[str]:
    """The line that says in which module call the run goes on."""
    if now != before:
        if now is None:
            yield "outside of modules"
        else:
            call = recording.module_calls[now]
            yield f"in {call.path or '(root)'} {call.type} call {now}"


def _read_line(read: Decision) -> str:
    """A size that was read, and steered: no op, so it has no number."""
    tensor = "" if read.tensor is None else f"%{read.tensor}"
    return f"  [-] {read.kind}({tensor}) -> {read.value}  {place(read.source)}"


def _op_line(recording: Recording, op: Op, value: str | None) -> str:
    outputs = ", ".join(f"%{i} {shape_text(recording.tensors[i])}" for i in op.outputs)
    made = outputs or (value if value is not None else "")
    call = f"{op.name}({op.arguments})"
    mark = " backward" if op.phase == "backward" else ""
    writes = f" overwrites {', '.join(f'%{i}' for i in op.overwrites)}" if op.overwrites else ""
    return f"  [{op.id}] {call} -> {made}{writes}{mark}  {place(op.source)}"


def _backward(recording: Recording) -> Iterator[str]:
    current: int | None = None
    for node in recording.grad_nodes:
        if node.pass_index != current:
            current = node.pass_index
            yield f"backward pass {current}"
        whence = "" if node.op is None else f" of [{node.op}]"
        onto = f" {node.parameter or 'a leaf'}" if node.name == "AccumulateGrad" else ""
        added = " onto an old gradient" if node.accumulated else ""
        following = f" -> {', '.join(map(str, node.next))}" if node.next else ""
        yield f"  ({node.id}) {node.name}{whence}{onto}{added}{following}"


def _parameters(recording: Recording) -> Iterator[str]:
    if recording.parameters:
        yield "parameters"
    for info in recording.parameters:
        shape = f"{info.dtype}[{', '.join(map(str, info.shape))}]"
        used = "" if info.tensor is not None else " (not used)"
        grad = " with gradient" if info.has_grad else ""
        yield f"  {' = '.join(info.names)} {info.kind} {shape}{used}{grad}"


def _end(recording: Recording) -> Iterator[str]:
    for note in recording.notes:
        yield f"note: {note}"
    failure = recording.failure
    if failure is not None:
        where = "" if failure.op is None else f" at [{failure.op}]"
        first = failure.message.strip().splitlines()[0]
        yield f"failed{where}: {failure.type}: {first}  {place(failure.source)}"
