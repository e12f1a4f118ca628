"""Ops, tensors and ranges in words, for answers and findings."""

from __future__ import annotations

import os

from inspector.errors import QuestionError
from inspector.language import listed, sentence
from inspector.records import GradNode, Op, Recording, TensorInfo, TensorSummary
from inspector.text import shape_text


def tensor_of(recording: Recording, number: int) -> TensorInfo:
    """A tensor by its id.

    Raises:
        QuestionError: the recording has no such tensor.
    """
    info = recording.tensors.get(number)
    if info is None:
        raise QuestionError(sentence("The recording has no tensor {number}.", number=number))
    return info


def path_of(recording: Recording, op: Op) -> str:
    """The path of the module whose code ran the op; "" outside of modules and in the outermost."""
    return "" if op.module_call is None else recording.module_calls[op.module_call].path


def place_of(recording: Recording, op: Op) -> str:
    """Where an op ran: "encoder.0, train.py:12", as far as it is known."""
    parts = [path_of(recording, op)]
    if op.source is not None:
        parts.append(f"{os.path.basename(op.source.file)}:{op.source.line}")
    return ", ".join(part for part in parts if part)


def op_words(recording: Recording, op: Op) -> str:
    """An op with its place: "log (train.py:12)"."""
    place = place_of(recording, op)
    return f"{op.name} ({place})" if place else op.name


def node_words(recording: Recording, node: GradNode) -> str:
    """An autograd node with the op that made it, or the leaf that it adds to."""
    owner = node.parameter
    if node.op is not None:
        owner = op_words(recording, recording.ops[node.op])
    return node.name if owner is None else sentence("{node} of {op}", node=node.name, op=owner)


def tensor_words(recording: Recording, number: int) -> str:
    """What a tensor is called: its path, its variable, else the op that made it, with its shape."""
    name, shape = short_words(recording, number), shape_text(recording.tensors[number])
    return sentence("{name} {shape}", name=name, shape=shape)


def short_words(recording: Recording, number: int) -> str:
    """What a tensor is called, without its shape."""
    info = recording.tensors[number]
    name = info.name or info.variable
    if name:
        return name
    if name is None and info.producer is not None:
        return sentence("the result of {op}", op=recording.ops[info.producer].name)
    return sentence("a tensor")


def range_words(summary: TensorSummary | None) -> str:
    """The values of a tensor: "between 0 and 3.2, 25 % of them 0"; "" where nothing is known."""
    if summary is None:
        return ""
    if summary.numel == 0:
        return sentence("empty")
    parts: list[str] = []
    if summary.min is not None and summary.max is not None:
        low, high = f"{summary.min:.4g}", f"{summary.max:.4g}"
        if low == high:
            parts.append(sentence("all {value}", value=low))
        else:
            parts.append(sentence("between {low} and {high}", low=low, high=high))
            if summary.zero_fraction:
                share = max(1, round(100 * summary.zero_fraction))
                parts.append(sentence("{share} % of them 0", share=share))
    parts += bad_words(summary)
    return listed(parts)


def bad_words(summary: TensorSummary | None) -> list[str]:
    """How many values are NaN and how many infinite: ["2 NaN"]; empty where there are none."""
    if summary is None:
        return []
    return counts_words(summary.nan_count, summary.inf_count)


def counts_words(nan: int, infinite: int) -> list[str]:
    """Numbers of values in words: ["2 NaN", "1 infinite"], without those that are 0."""
    parts: list[str] = []
    if nan:
        parts.append(sentence("{count:,} NaN", count=nan))
    if infinite:
        parts.append(sentence("{count:,} infinite", count=infinite))
    return parts
