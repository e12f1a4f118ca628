"""A callback for `transformers.Trainer`.

from inspector.integrations.transformers import InspectorCallback
trainer = Trainer(..., callbacks=[InspectorCallback(steps=range(2), path="run.inspect")])
"""

from __future__ import annotations

import os
from collections.abc import Iterable
from typing import Any

from transformers import TrainerCallback, TrainerControl, TrainerState, TrainingArguments

from inspector.capture.options import CaptureOptions
from inspector.capture.watching.chosen import ChosenSteps


class InspectorCallback(TrainerCallback):
    """Records chosen training steps: forward, backward and update, with all their batches where
    gradients are accumulated.

    `Trainer` tells no callback of an exception: the recording of a step that raised is written
    when the process ends, or when this callback's next training begins.

    Args:
        steps: numbers of steps as in `TrainerState.global_step`, from 0.
        path: where to write. With "{step}" in its name a file for each, else one for all; see
            `inspector.capture.watching.chosen.ChosenSteps`.
        options: what to keep; `CaptureOptions()` by default.

    Raises:
        CaptureError: there are no steps, or nothing can be written there.
    """

    def __init__(
        self,
        steps: Iterable[int] = (0,),
        path: str | os.PathLike[str] = "run.inspect",
        options: CaptureOptions | None = None,
    ) -> None:
        self._chosen = ChosenSteps(steps, path, options)
        self._step = 0

    def on_train_begin(
        self, args: TrainingArguments, state: TrainerState, control: TrainerControl, **more: Any
    ) -> None:
        """Training begins; an earlier one may have raised."""
        self._chosen.close()

    def on_step_begin(
        self, args: TrainingArguments, state: TrainerState, control: TrainerControl, **more: Any
    ) -> None:
        """A step begins, with the first of its batches."""
        self._step = state.global_step
        model = more["model"]
        self._chosen.begin(self._step, {type(model).__name__: model})

    def on_step_end(
        self, args: TrainingArguments, state: TrainerState, control: TrainerControl, **more: Any
    ) -> None:
        """A step has ended."""
        self._chosen.end(self._step)

    def on_train_end(
        self, args: TrainingArguments, state: TrainerState, control: TrainerControl, **more: Any
    ) -> None:
        """Training ends, with or without the last of the chosen steps."""
        self._chosen.close()
