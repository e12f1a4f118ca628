"""Training a sample in the background: one at a time, once per choice, and it can be stopped.

A training runs on a thread of its own, so that the page can say how far it is. It waits for the
same lock as all recordings (`runs.one_at_a_time`). What was trained to the end is kept for all
sessions; what was stopped belongs to the session that stopped it.
"""

from __future__ import annotations

import time
from dataclasses import dataclass

import streamlit as st

import sample_models
from inspector.capture import CaptureOptions
from inspector.capture.training import OPTIMIZERS, Ended, record_training
from inspector.gradients import GradientReport, gradient_report
from inspector.language import sentence
from inspector.records import Recording
from inspector.render.memory import Memory
from inspector_app.jobs import Job
from inspector_app.phrases import say
from inspector_app.runs import without_others

MAX_STEPS = 50
OPTIMIZER_NAMES = tuple(OPTIMIZERS)

SECONDS = 60.0
"""A training that takes longer ends after the step it is in."""

_OPTIONS = CaptureOptions(values="full", lines=False, max_ops=60_000, value_budget_mb=24.0)
"""Bounds of what one recording keeps: some tens of megabytes. Single units need the values."""

_KEPT = 8


@dataclass(frozen=True, slots=True)
class Choice:
    """What to train, and how.

    Attributes:
        sample, input: names.
        steps: how many, 1 to `MAX_STEPS`.
        optimizer: one of `OPTIMIZER_NAMES`.
        learning_rate: of the optimizer.
        alone: of a sample that trains itself, its network alone, with the sum of the output
            as the loss.
    """

    sample: str
    input: str
    steps: int
    optimizer: str
    learning_rate: float
    alone: bool = False


@dataclass(frozen=True, slots=True)
class Trained:
    """A recorded training, and what its gradients did; `steps` ran to their end."""

    choice: Choice
    recording: Recording
    report: GradientReport
    steps: int
    ended: Ended


def trains_itself(sample: sample_models.Sample) -> bool:
    """Whether a sample's model runs its own backward passes and updates."""
    return sample.loss is None


def has_parameters(sample: sample_models.Sample) -> bool:
    """Whether there is anything for an optimizer to move."""
    model = sample.build()
    parameters = getattr(model, "parameters", None)
    return parameters is not None and any(one.requires_grad for one in parameters())


@st.cache_resource(show_spinner=False)
def _kept() -> Memory[Choice, Trained]:
    """The trainings of all sessions."""
    return Memory(_KEPT, lambda _: 1)


class Training(Job[Choice, Trained]):
    """One training.

    Attributes:
        begun: the first step has; before that torch's optimizers are loaded, which takes some
            seconds the first time.
        done: how many steps have run.
    """

    stopped_words = sentence("The training was stopped before it began.")
    failed_words = sentence("The training could not be recorded: {error}")

    def __init__(self, choice: Choice) -> None:
        super().__init__(choice)
        self.done = 0
        self.begun = False
        self._until = 0.0

    @staticmethod
    def finished(choice: Choice) -> Trained | None:
        """The training of this choice, if one was run to its end."""
        return _kept().get(choice)

    def progress(self) -> tuple[float, str]:
        """How far it is, 0 to 1, and in words."""
        if not self.begun:
            text = say("Loading torch's optimizers: the first training of a server takes longer …")
            return 0.0, text
        done, steps = self.done, self.choice.steps
        return done / steps, say("Step {done} of {steps} …", done=done + 1, steps=steps)

    def _make(self) -> Trained:
        self._until = time.monotonic() + SECONDS
        choice = self.choice
        sample = sample_models.get(choice.sample)
        model, loss, make = sample.build(), sample.loss, sample.inputs[choice.input].make
        batches = [make() for _ in range(choice.steps)]
        if choice.alone:
            model, loss = sample.static(model), "sum"
            batches = [sample.static_inputs(batch) for batch in batches]
        training = record_training(
            model,
            batches,
            loss=loss,
            optimizer=choice.optimizer,
            learning_rate=choice.learning_rate,
            options=_OPTIONS,
            go_on=self._go_on,
        )
        recording = without_others(training.recording)
        report = gradient_report(recording)
        made = Trained(choice, recording, report, training.steps, training.ended)
        if made.ended in ("", "failed"):
            _kept().put(choice, made)
        return made

    def _go_on(self, done: int) -> bool:
        self.done, self.begun = done, True
        return not self._stop.is_set() and time.monotonic() < self._until
