"""What was not the same around two runs: their code, the modes of their modules, their inputs."""

from __future__ import annotations

import os
from collections.abc import Iterator, Sequence

from inspector.compare.sites import aligned_lines, counterpart
from inspector.records import Recording, TensorInfo

NAMED = 6
"""Lines, or modules, that are named; how many more there are is said."""


def other_code(a: Recording, b: Recording) -> Iterator[str]:
    """A sentence for each file with lines that one run went through and the other has not."""
    for file, text in a.sources.items():
        other = counterpart(file, a.sources, b.sources)
        if other is None or b.sources[other] == text:
            continue
        pairs = aligned_lines(text, b.sources[other])
        only_a = _ran(a, file, {line for line, _ in pairs})
        only_b = _ran(b, other, {line for _, line in pairs})
        told = [
            f"{run} ran {'line' if len(lines) == 1 else 'lines'} {_named(lines)}"
            for run, lines in (("A", only_a), ("B", only_b))
            if lines
        ]
        if told:
            name = os.path.basename(file)
            ran = " and ".join(told)
            yield f"The code of {name} is not the same: {ran}, which the other has not."


def _ran(recording: Recording, file: str, known: set[int]) -> list[int]:
    """The lines of a file that ran and have no counterpart."""
    return sorted(
        line for line, count in recording.lines.get(file, {}).items() if count and line not in known
    )


def other_modes(a: Recording, b: Recording) -> Iterator[str]:
    """Modules in training mode in one run and evaluation mode in the other."""
    modes_a = {call.path: call.training for call in a.module_calls}
    modes_b = {call.path: call.training for call in b.module_calls}
    other = [path for path, mode in modes_a.items() if modes_b.get(path, mode) != mode]
    for run, mode in (("A", True), ("B", False)):
        paths = [path or "the model" for path in other if modes_a[path] is mode]
        if paths:
            yield f"In training mode in {run} only: {_named(paths)}."


def other_inputs(a: Recording, b: Recording) -> Iterator[str]:
    """Tensors passed in with another shape, dtype or device, by name else by position."""
    names = {int(number): str(name) for number, name in a.meta.get("input_names", ())}
    for place, (x, y) in enumerate(zip(a.inputs, b.inputs, strict=False)):
        mine, theirs = a.tensors[x], b.tensors[y]
        told = [_shape(mine), _shape(theirs)]
        if mine.dtype != theirs.dtype:
            told = [f"{told[0]} {mine.dtype}", f"{told[1]} {theirs.dtype}"]
        if mine.device != theirs.device:
            told = [f"{told[0]} on {mine.device}", f"{told[1]} on {theirs.device}"]
        if told[0] != told[1]:
            name = names.get(x, f"number {place + 1}")
            yield f"The input {name} was {told[0]} in A and {told[1]} in B."


def _shape(tensor: TensorInfo) -> str:
    return "×".join(map(str, tensor.shape)) or "scalar"


def _named(things: Sequence[object]) -> str:
    told = ", ".join(map(str, things[:NAMED]))
    return told if len(things) <= NAMED else f"{told} and {len(things) - NAMED:,} more"
