"""Records training: forward, loss, backward and update, step after step."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any, Literal

import torch
from torch import nn

from inspector.capture.options import CaptureOptions
from inspector.capture.record import Loss, _name, _scalar
from inspector.capture.session import Session
from inspector.errors import CaptureError
from inspector.language import sentence
from inspector.records import Recording

Ended = Literal["", "stopped", "full", "failed"]

OPTIMIZERS: dict[str, type[torch.optim.Optimizer]] = {
    "SGD": torch.optim.SGD,
    "Adam": torch.optim.Adam,
}


@dataclass(frozen=True, slots=True)
class Training:
    """A recorded training.

    Attributes:
        recording: of all steps that ran; `inspector.gradients` reads it.
        steps: how many ran to their end.
        ended: why there are fewer than asked for: "stopped" (by `go_on`), "full" (`max_ops`
            was reached), "failed" (an exception, see `recording.failure`), else "".
    """

    recording: Recording
    steps: int
    ended: Ended = ""


def record_training(
    model: Callable[..., Any],
    batches: Sequence[tuple[Any, ...]],
    *,
    loss: Loss = None,
    optimizer: str = "SGD",
    learning_rate: float = 0.1,
    seed: int = 0,
    options: CaptureOptions | None = None,
    go_on: Callable[[int], bool] | None = None,
) -> Training:
    """Train `model` on one batch after the other, and record it.

    Each step is `zero_grad`, forward, loss, `backward` and `step`, by the optimizer of torch.
    The model is changed by it. Random numbers are drawn from `seed`, and the state of the
    global generator is left as it was.

    Args:
        model: a module; or any callable that needs no optimizer, because it trains itself
            (`loss=None`) or has no parameters (then only gradients are computed).
        batches: the positional arguments of each step's call.
        loss: as for `record`; None leaves loss, backward and update to the model.
        optimizer: one of `OPTIMIZERS`; it gets all parameters that require a gradient.
        learning_rate: of the optimizer.
        seed: of the random numbers that the model draws (dropout).
        options: what to keep. A step that begins is always finished; when `max_ops` is
            reached, no other one begins.
        go_on: asked before each step with the number of steps done; False ends the training.

    Raises:
        CaptureError: another recording is running, or there is no such optimizer.
    """
    if optimizer not in OPTIMIZERS:
        known = " or ".join(OPTIMIZERS)
        raise CaptureError(
            sentence(
                "There is no optimizer {optimizer} here: choose {known}.",
                optimizer=repr(optimizer),
                known=known,
            )
        )
    kept = options or CaptureOptions()
    session = Session(kept, model if isinstance(model, nn.Module) else None)
    session.meta = {"model": _name(model)}
    step = _Step(model, loss, None if loss is None else _optimizer(model, optimizer, learning_rate))
    done = 0
    ended: Ended = ""
    try:
        with _drawing_from(seed), session.running():
            for batch in batches:
                if go_on is not None and not go_on(done):
                    ended = "stopped"
                elif session.op_count >= kept.max_ops:
                    ended = "full"
                if ended:
                    break
                step(batch)
                done += 1
    except Exception:
        # Told by the recording, as in `record`.
        if not session.finished:
            raise
        ended = "failed"
    return Training(session.recording, done, ended)


class _Step:
    """One step of training."""

    def __init__(
        self, model: Callable[..., Any], loss: Loss, optimizer: torch.optim.Optimizer | None
    ) -> None:
        self._model, self._loss, self._optimizer = model, loss, optimizer

    def __call__(self, batch: tuple[Any, ...]) -> None:
        if self._optimizer is not None:
            self._optimizer.zero_grad()
        output = self._model(*batch)
        if self._loss is not None:
            _scalar(self._loss, output).backward()
        if self._optimizer is not None:
            self._optimizer.step()


def _optimizer(
    model: Callable[..., Any], name: str, learning_rate: float
) -> torch.optim.Optimizer | None:
    """The optimizer of a model's parameters; None where there are none to move."""
    if not isinstance(model, nn.Module):
        return None
    parameters = [one for one in model.parameters() if one.requires_grad]
    if not parameters:
        return None
    made = OPTIMIZERS[name](parameters, lr=learning_rate)  # type: ignore[call-arg]
    # Its first call imports torch._dynamo, which takes seconds: not while we record.
    made.zero_grad()
    return made


@contextmanager
def _drawing_from(seed: int) -> Iterator[None]:
    """Random numbers of the CPU from `seed`; afterwards the generator goes on as before."""
    before = torch.get_rng_state()
    try:
        torch.default_generator.manual_seed(seed)
        yield
    finally:
        torch.set_rng_state(before)
