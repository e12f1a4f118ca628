"""One model run on many inputs, each from the same start.

inputs.py   inputs read one by one, whatever they come in
facts.py    what a model was called with, in words and numbers
state.py    a model put back to how it was, and random states
run.py      one input after the other, recorded without values
"""

from __future__ import annotations

from inspector.capture.many.facts import facts_of, parameters_of
from inspector.capture.many.inputs import Given, read_inputs
from inspector.capture.many.run import STRUCTURE, Ran, Runner
from inspector.capture.many.state import Start, is_torchscript

__all__ = [
    "STRUCTURE",
    "Given",
    "Ran",
    "Runner",
    "Start",
    "facts_of",
    "is_torchscript",
    "parameters_of",
    "read_inputs",
]
