"""What was not the same around two runs: their code, the modes of their modules, their inputs."""

from __future__ import annotations

import os
from collections.abc import Iterator, Sequence

from inspector.compare.changes import SCALAR
from inspector.compare.sites import aligned_lines, counterpart
from inspector.language import counted, listed, sentence
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
            counted(
                "{run} ran line {lines}",
                "{run} ran lines {lines}",
                len(lines),
                run=run,
                lines=_named(lines),
            )
            for run, lines in (("A", only_a), ("B", only_b))
            if lines
        ]
        if told:
            yield sentence(
                "The code of {name} is not the same: {ran}, which the other has not.",
                name=os.path.basename(file),
                ran=listed(told, "{first} and {then}"),
            )


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
        paths = [path or sentence("the model") for path in other if modes_a[path] is mode]
        if paths:
            yield sentence(
                "In training mode in {run} only: {modules}.", run=run, modules=_named(paths)
            )


def other_inputs(a: Recording, b: Recording) -> Iterator[str]:
    """Tensors passed in with another shape, dtype or device, by name else by position."""
    names = a.input_names()
    for place, (x, y) in enumerate(zip(a.inputs, b.inputs, strict=False)):
        mine, theirs = a.tensors[x], b.tensors[y]
        one, other = _shape(mine), _shape(theirs)
        if mine.dtype != theirs.dtype:
            one = sentence("{shape} {dtype}", shape=one, dtype=mine.dtype)
            other = sentence("{shape} {dtype}", shape=other, dtype=theirs.dtype)
        if mine.device != theirs.device:
            one = sentence("{tensor} on {device}", tensor=one, device=mine.device)
            other = sentence("{tensor} on {device}", tensor=other, device=theirs.device)
        if one != other:
            name = names.get(x, sentence("number {number}", number=place + 1))
            yield sentence("The input {name} was {a} in A and {b} in B.", name=name, a=one, b=other)


def _shape(tensor: TensorInfo) -> str:
    return "×".join(map(str, tensor.shape)) or SCALAR


def _named(things: Sequence[object]) -> str:
    told = listed(
        (one if isinstance(one, str) else str(one) for one in things[:NAMED]), "{first}, {then}"
    )
    if len(things) <= NAMED:
        return told
    return sentence("{names} and {count:,} more", names=told, count=len(things) - NAMED)
