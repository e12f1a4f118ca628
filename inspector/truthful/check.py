"""`check_truth`: makes a graph of a model, runs both, and says where they part."""

from __future__ import annotations

from dataclasses import replace
from typing import Any, Literal

from inspector.torchscript.rehearsal import Given, rehearse
from inspector.truthful.build import truth
from inspector.verdicts import Truth


def check_truth(
    model: Any,
    trace_inputs: Given,
    inputs: Given,
    how: Literal["trace", "script"] = "trace",
) -> Truth:
    """Does the graph of a model tell the truth about a run with other inputs?

    Everything runs on copies and from the random state that is there, which stays: the model,
    the arguments and the random generators are afterwards as before.

    Args:
        model: a module or a function.
        trace_inputs: what to trace it with: a tuple of arguments, a dict of arguments by name,
            or a single tensor. Of no use for a script.
        inputs: what to run it with, likewise.
        how: trace or script it.

    Returns:
        The verdict, with `Truth.parting` where the two part. An exception in the run, or of the
        graph alone, is such a parting.

    Raises:
        ScriptError: no graph can be made.
    """
    if how not in ("trace", "script"):
        raise ValueError(f'how must be "trace" or "script", not {how!r}')
    found = rehearse(model, trace_inputs, inputs, how)
    verdict = truth(
        found.static,
        found.recording,
        found.run,
        traced_with=found.traced_with,
        same_seed=True,
        returned=found.returned,
    )
    return replace(verdict, notes=(*verdict.notes, *found.notes))
