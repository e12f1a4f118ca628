"""The numbers of one tensor, or of its gradient, as something to draw.

`window` answers for Plotly figures, `values_json` the same for the card in the browser. Where a
recording does not hold the values, its sample of the first few stands in, with how to get more.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import replace
from typing import Any, Literal

import numpy

from inspector.errors import QuestionError
from inspector.language import sentence, sentences
from inspector.records import Recording, TensorInfo, TensorSummary
from inspector.render.asked import Asked, text_of, whole, whole_of
from inspector.render.windows import (
    FAR,
    FINITE,
    MARKS,
    SIDE,
    Slice,
    Window,
    blocks,
    near_range,
    window_of,
)
from inspector.tensors_about import TensorsAbout

Json = dict[str, Any]
What = Literal["value", "grad"]

MOST_AXES = 64
"""Dimensions that a tensor can have in PyTorch."""


def window(
    about: TensorsAbout, tensor: int, part: Slice | None = None, what: What = "value"
) -> Window:
    """The values, or the gradient, of a tensor as something to draw.

    Args:
        about: of the recording.
        tensor: id of the tensor.
        part: which part of it.
        what: "value", or "grad" for the gradient that reached it.

    Raises:
        QuestionError: there is no such tensor, or `part` names axes that it does not have.
    """
    part = part or Slice()
    info = about.recording.tensors.get(tensor)
    if info is None:
        raise QuestionError(sentence("The recording has no tensor %{tensor}.", tensor=tensor))
    axes = about.axes(tensor)
    array = array_of(about.recording, info, what)
    if array is None:
        return _from_sample(about.recording, info, axes, what)
    found = window_of(array, axes, part)
    summary = _summary(info, what)
    bounds = None
    if summary is not None and summary.min is not None and summary.max is not None:
        bounds = (summary.min, summary.max)
    near = near_range(array) if bounds is None or max(map(abs, bounds)) >= FAR else None
    return replace(found, bounds=near or bounds, beyond=near is not None)


def array_of(recording: Recording, info: TensorInfo, what: What = "value") -> numpy.ndarray | None:
    """All values of a tensor or of its gradient; None where the recording does not hold them."""
    kept = recording.values if what == "value" else getattr(recording, "grads", {})
    found: numpy.ndarray | None = kept.get(info.id)
    if found is not None:
        return found
    summary = _summary(info, what)
    if summary is None or summary.numel != len(summary.sample):
        return None
    if summary.numel != math.prod(info.shape):  # a gradient of another shape than its tensor
        return None
    found = numpy.array(summary.sample).reshape(info.shape)
    return found.astype(bool) if what == "value" and info.dtype == "bool" else found


# -- without the values ----------------------------------------------------------------------------


def _summary(info: TensorInfo, what: What) -> TensorSummary | None:
    return info.summary if what == "value" else info.grad


def _from_sample(
    recording: Recording, info: TensorInfo, axes: tuple[str, ...], what: What
) -> Window:
    """The few values that every recording keeps, and how to have them all."""
    summary = _summary(info, what)
    note = missing(recording, info, what)
    if summary is None or not summary.sample:
        return Window("unknown", info.shape, axes, note=note, complete=False)
    numbers = numpy.array(summary.sample)
    cells, marks = blocks(numbers, 0, 1)
    count = {"count": len(numbers), "all": summary.numel}
    first = sentence("The first {count} of {all:,} values.", **count)
    if not numbers.any():
        first = sentence("The first {count} of {all:,} values, all 0.", **count)
    near = near_range(numbers)
    return Window(
        "line",
        info.shape,
        axes,
        cells=cells,
        marks=marks,
        kinds=("line",),
        tiles=1,
        nans=int(numpy.isnan(numbers).sum()),
        infs=int(numpy.isinf(numbers).sum()),
        boolean=info.dtype == "bool",
        bounds=near,
        beyond=near is not None,
        note=sentences(first, note),
        brief=first if recording.values else sentences(first, _FOR_ALL),
        complete=False,
    )


def missing(recording: Recording, info: TensorInfo, what: What) -> str:
    """Why a recording does not hold the values of a tensor, and how to get them."""
    if what == "grad" and info.grad is None:
        if not recording.grad_nodes:
            return sentence("No backward pass was recorded, so there is no gradient.")
        if not info.requires_grad:
            return sentence("This tensor does not require a gradient.")
        return sentence("No gradient of this tensor was recorded.")
    if _summary(info, what) is None:
        return sentence("The values of this tensor were not recorded, or could not be read.")
    if recording.values:
        if what == "grad":
            return sentence("The values of this gradient were not kept.")
        return sentence(
            "The memory for values was used up before this one: record with a larger "
            "`value_budget_mb` in the `CaptureOptions`."
        )
    return sentence(
        'To see all of them, record with `CaptureOptions(values="full")` as the `options` of '
        "`record` or `recording`, or with `--values full` on the command line."
    )


_FOR_ALL = sentence('For all: record with values="full".')


# -- for the browser -------------------------------------------------------------------------------


def values_json(
    about: TensorsAbout, tensor: int, part: Slice | None = None, what: What = "value"
) -> Json:
    """A `window` as values that JSON knows; NaN and infinities are texts ("NaN", "-Inf", "±Inf").

    Raises:
        QuestionError: as `window`.
    """
    found = window(about, tensor, part, what)
    low, high = found.range
    return {
        "tensor": tensor,
        "what": what,
        "kind": found.kind,
        "kinds": list(found.kinds),
        "shape": list(found.shape),
        "axes": list(found.axes),
        "rows": found.rows,
        "columns": found.columns,
        "over": found.over,
        "colours": found.colours,
        "at": {str(axis): index for axis, index in found.at.items()},
        "block": list(found.block),
        "first": found.first,
        "tiles": found.tiles,
        "size": list(found.cells.shape),
        "cells": _texts(found),
        "range": [number(low), number(high)],
        "scale": scale_of(found),
        "nan": found.nans,
        "inf": found.infs,
        "boolean": found.boolean,
        "beyond": found.beyond,
        "note": found.note,
        "brief": found.brief,
        "complete": found.complete,
    }


def scale_of(found: Window) -> Json:
    """How numbers become colours: {"kind", "from", "to"}.

    "diverging" around 0 where there are numbers on both sides of it; "rising" and "falling" use
    one half of the same colours, from 0 unless the numbers are far from it; "light" is that of
    images, from dark to light.
    """
    low, high = found.range
    if found.kind == "images":
        return {"kind": "light", "from": number(low), "to": number(high)}
    if low < 0 < high:
        most = max(-low, high)
        return {"kind": "diverging", "from": number(-most), "to": number(most)}
    if low >= 0:
        return {"kind": "rising", "from": number(low) if low > high / 2 else 0, "to": number(high)}
    return {"kind": "falling", "from": number(low), "to": number(high) if high < low / 2 else 0}


def number(value: float) -> float | int:
    """Six significant digits; whole numbers up to 2**53 as they are."""
    if value == int(value) and abs(value) <= 2**53:
        return int(value)
    return float(f"{value:.6g}")


def _texts(found: Window) -> list[float | int | str]:
    numbers = found.cells.reshape(-1).tolist()
    marks = found.marks.reshape(-1).tolist()
    return [
        number(value) if mark == FINITE else MARKS[mark]
        for value, mark in zip(numbers, marks, strict=True)
    ]


def values_answer(about: TensorsAbout, asked: Asked) -> Json:
    """The answer to a browser's question for values; `asked` may hold anything.

    `tensor` is needed; `what`, `kind`, `rows`, `columns`, `over`, `first`, `side` and `at` (axis
    -> index) are as in `Slice`.

    Raises:
        QuestionError: something of it makes no sense.
    """
    tensor = tensor_asked(about.recording, asked)
    at = asked.get("at") or {}
    if not isinstance(at, Mapping) or len(at) > MOST_AXES:
        raise QuestionError(sentence("`at` has one index for each axis that is not drawn."))
    part = Slice(
        kind=text_of(asked, "kind") or None,
        rows=whole_of(asked, "rows"),
        columns=whole_of(asked, "columns"),
        over=whole_of(asked, "over"),
        at={whole(axis): whole(index) for axis, index in at.items()},
        first=whole_of(asked, "first") or 0,
        side=max(1, min(whole_of(asked, "side") or SIDE, SIDE)),
    )
    return values_json(about, tensor, part, "grad" if asked.get("what") == "grad" else "value")


def tensor_asked(recording: Recording, asked: Asked) -> int:
    """The tensor that a question is about.

    Raises:
        QuestionError: it names none, or one that is not there.
    """
    tensor = whole_of(asked, "tensor")
    if tensor is None:
        raise QuestionError(sentence("A question on a tensor names it by its number."))
    if tensor not in recording.tensors:
        raise QuestionError(sentence("The recording has no tensor %{tensor}.", tensor=tensor))
    return tensor
