"""Ops, tensors and ranges in words, for answers and findings."""

from __future__ import annotations

import os

from inspector.errors import QuestionError
from inspector.records import GradNode, Op, Recording, TensorInfo, TensorSummary
from inspector.text import shape_text


def tensor_of(recording: Recording, number: int) -> TensorInfo:
    """A tensor by its id.

    Raises:
        QuestionError: the recording has no such tensor.
    """
    info = recording.tensors.get(number)
    if info is None:
        raise QuestionError(f"The recording has no tensor {number}.")
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
    if node.op is not None:
        return f"{node.name} of {op_words(recording, recording.ops[node.op])}"
    if node.parameter is not None:
        return f"{node.name} of {node.parameter}"
    return node.name


def tensor_words(recording: Recording, number: int) -> str:
    """What a tensor is called: its path, its variable, else the op that made it, with its shape."""
    info = recording.tensors[number]
    name = info.name or info.variable
    if name is None and info.producer is not None:
        name = f"the result of {recording.ops[info.producer].name}"
    return f"{name or 'a tensor'} {shape_text(info)}"


def short_words(recording: Recording, number: int) -> str:
    """What a tensor is called, without its shape."""
    return tensor_words(recording, number).rpartition(" " + shape_text(recording.tensors[number]))[
        0
    ]


def range_words(summary: TensorSummary | None) -> str:
    """The values of a tensor: "between 0 and 3.2, 25 % of them 0"; "" where nothing is known."""
    if summary is None:
        return ""
    if summary.numel == 0:
        return "empty"
    parts = []
    if summary.min is not None and summary.max is not None:
        low, high = f"{summary.min:.4g}", f"{summary.max:.4g}"
        parts.append(f"all {low}" if low == high else f"between {low} and {high}")
    zeros = summary.zero_fraction
    if zeros and parts and not parts[0].startswith("all"):
        parts.append(f"{max(1, round(100 * zeros))} % of them 0")
    parts += bad_words(summary)
    return ", ".join(parts)


def bad_words(summary: TensorSummary | None) -> list[str]:
    """How many values are NaN and how many infinite: ["2 NaN"]; empty where there are none."""
    if summary is None:
        return []
    counted = ((summary.nan_count, "NaN"), (summary.inf_count, "infinite"))
    return [f"{count:,} {word}" for count, word in counted if count]
