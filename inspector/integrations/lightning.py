"""A callback for PyTorch Lightning.

from inspector.integrations.lightning import InspectorCallback
trainer = Trainer(callbacks=[InspectorCallback(steps=range(2), path="run.inspect")])
"""

from __future__ import annotations

import os
import sys
from collections.abc import Iterable
from typing import TYPE_CHECKING, Any

from inspector.capture.options import CaptureOptions
from inspector.capture.watching.chosen import ChosenSteps

if TYPE_CHECKING:
    from lightning.pytorch import Callback, LightningModule, Trainer
elif "pytorch_lightning" in sys.modules and "lightning.pytorch" not in sys.modules:
    # One library under two names, whose classes do not know each other: that of the program.
    from pytorch_lightning import Callback
else:
    try:
        from lightning.pytorch import Callback
    except ImportError:
        from pytorch_lightning import Callback


class InspectorCallback(Callback):
    """Records chosen training batches: their forward, backward and update.

    Args:
        steps: numbers of training batches, from 0 and through all epochs.
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
        self._batches = 0

    def on_train_batch_start(
        self, trainer: Trainer, pl_module: LightningModule, batch: Any, batch_idx: int
    ) -> None:
        """A training batch is about to be used."""
        self._chosen.begin(self._batches, {type(pl_module).__name__: pl_module})

    def on_train_batch_end(
        self,
        trainer: Trainer,
        pl_module: LightningModule,
        outputs: Any,
        batch: Any,
        batch_idx: int,
    ) -> None:
        """A training batch was used."""
        self._chosen.end(self._batches)
        self._batches += 1

    def on_train_end(self, trainer: Trainer, pl_module: LightningModule) -> None:
        """Training ends, with or without the last of the chosen batches."""
        self._chosen.close()

    def on_exception(
        self, trainer: Trainer, pl_module: LightningModule, exception: BaseException
    ) -> None:
        """Something raised, or Ctrl-C was pressed: what was recorded is written."""
        self._chosen.close(exception)
