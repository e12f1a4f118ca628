"""The results of a run and of a static graph, tensor by tensor."""

from __future__ import annotations

from typing import Any

import numpy

from inspector.records import Recording
from inspector.static_run import StaticRun
from inspector.truthful.values import arrays_compared, side_of_tensor, side_of_value
from inspector.verdicts import OutputMatch


def read_array(tensor: Any) -> numpy.ndarray | None:
    """The values of a live tensor; None where they cannot be read."""
    # Imported here: whoever has a live tensor has torch, others need not load it.
    from inspector.capture.summary import to_array

    return to_array(tensor)


def output_matches(recording: Recording, run: StaticRun | None) -> tuple[OutputMatch, ...]:
    """Compare the results; empty where one side has none, or has another number of tensors."""
    if run is None or run.outputs is None or recording.failure is not None:
        return ()
    from inspector.torchscript.copies import tensors_in
    from inspector.torchscript.interpret.describe import describe

    tensors = tensors_in(run.outputs)
    if len(tensors) != len(recording.output):
        return ()
    found = []
    for index, (tensor, number) in enumerate(zip(tensors, recording.output, strict=True)):
        value, info = describe(tensor, "Tensor"), recording.tensors[number]
        match = arrays_compared(value, info, recording.values.get(number), read_array(tensor))
        found.append(
            OutputMatch(
                index=index,
                agreement=match.agreement,
                dynamic=side_of_tensor(info),
                static=side_of_value(value),
                difference=match.difference,
            )
        )
    return tuple(found)
