"""The results of a run and of a static graph, tensor by tensor."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy

from inspector.language import counted
from inspector.records import Recording, TensorInfo
from inspector.static_run import StaticRun
from inspector.truthful.values import arrays_compared, side_of_tensor, side_of_value
from inspector.verdicts import OutputMatch


def read_array(tensor: Any) -> numpy.ndarray | None:
    """The values of a live tensor; None where they cannot be read."""
    # Imported here: whoever has a live tensor has torch, others need not load it.
    from inspector.capture.summary import to_array

    return to_array(tensor)


@dataclass(frozen=True, slots=True)
class Results:
    """How the results compare, and why they could not be."""

    matches: tuple[OutputMatch, ...] = ()
    notes: tuple[str, ...] = ()


def results(
    recording: Recording, run: StaticRun | None, returned: Sequence[Any] | None = None
) -> Results:
    """Compare the results; none where one side has none, or has another number of tensors.

    Args:
        recording: of the run.
        run: of the graph.
        returned: all tensors that the run returned; those of the recording are enough where
            they are as many as the graph's.
    """
    if run is None or run.outputs is None or recording.failure is not None:
        return Results()
    from inspector.torchscript.copies import tensors_in

    tensors = tensors_in(run.outputs)
    if len(tensors) == len(recording.output):
        known = [(recording.tensors[n], recording.values.get(n)) for n in recording.output]
    elif returned is not None and len(tensors) == len(returned):
        known = [(_info(tensor), read_array(tensor)) for tensor in returned]
    else:
        there, here = len(tensors), len(recording.output)
        return Results(
            notes=(
                counted(
                    "The results were not compared: the graph returns {count} tensor, the "
                    "recording has {here:,} of the run's.",
                    "The results were not compared: the graph returns {count} tensors, the "
                    "recording has {here:,} of the run's.",
                    there,
                    here=here,
                ),
            )
        )
    pairs = enumerate(zip(tensors, known, strict=True))
    return Results(tuple(_match(n, tensor, *other) for n, (tensor, other) in pairs))


def _match(index: int, tensor: Any, info: TensorInfo, array: Any) -> OutputMatch:
    from inspector.torchscript.interpret.describe import describe

    value = describe(tensor, "Tensor")
    match = arrays_compared(value, info, array, read_array(tensor))
    return OutputMatch(
        index=index,
        agreement=match.agreement,
        dynamic=side_of_tensor(info),
        static=side_of_value(value),
        difference=match.difference,
    )


def _info(tensor: Any) -> TensorInfo:
    """A live tensor as a recording would have it."""
    from inspector.torchscript.interpret.describe import describe

    value = describe(tensor, "Tensor")
    return TensorInfo(
        0,
        tuple(tensor.shape),
        value.dtype or "",
        str(tensor.device),
        tensor.requires_grad,
        True,
        summary=value.summary,
    )


def same_input(recording: Recording, other: Recording | None) -> bool:
    """Whether two runs were given the same values, as far as all of them were kept."""
    if other is None or recording.meta.get("arguments") != other.meta.get("arguments"):
        return False
    here, there = (
        [(name, each.values.get(number)) for number, name in each.meta.get("input_names", ())]
        for each in (recording, other)
    )
    return len(here) == len(there) and all(
        name == its_name and a is not None and b is not None and _equal(a, b)
        for (name, a), (its_name, b) in zip(here, there, strict=True)
    )


def _equal(a: numpy.ndarray, b: numpy.ndarray) -> bool:
    return a.dtype == b.dtype and a.shape == b.shape and a.tobytes() == b.tobytes()
