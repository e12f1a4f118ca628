"""Which model is looked at (a sample, one of its inputs, a mode), and what to measure of it."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import sample_models

COMPILE_SECONDS = 90.0
"""torch.compile is given up after this long."""


@dataclass(frozen=True, slots=True)
class Subject:
    """A sample's model as it is to be deployed, with one of its inputs.

    `evaluating` puts a module into evaluation mode, as it is used after training. Of a training
    loop, the model is the network that the loop trains.
    """

    sample: str
    input: str
    evaluating: bool = True

    def made(self) -> tuple[Any, tuple[Any, ...]]:
        """(the model, the arguments to call it with), both made afresh."""
        sample = sample_models.get(self.sample)
        model = sample.static(sample.build())
        if hasattr(model, "train"):  # a function has no mode
            model.train(not self.evaluating)
        return model, sample.static_inputs(sample.inputs[self.input].make())

    def other_inputs(self) -> list[Subject]:
        """The same model with each of the sample's other inputs."""
        names = sample_models.get(self.sample).inputs
        return [Subject(self.sample, name, self.evaluating) for name in names if name != self.input]


@dataclass(frozen=True, slots=True)
class Order:
    """What to measure.

    Args:
        subject: the model and its input.
        seconds: for the timed calls of the variants; the batch sizes take twice as long.
        compiled: torch.compile as well.
        sizes: batch sizes to try; none: no sweep.
    """

    subject: Subject
    seconds: float
    compiled: bool = False
    sizes: tuple[int, ...] = ()
