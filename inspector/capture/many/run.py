"""One input after the other, recorded without values: `Runner`."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from torch import Tensor

from inspector.capture.many.inputs import Given
from inspector.capture.many.state import ModelState, Start, copied, needs_copies
from inspector.capture.options import CaptureOptions
from inspector.capture.record import record
from inspector.counted import InputProblem
from inspector.language import sentence
from inspector.records import Recording

STRUCTURE = CaptureOptions(values="none", lines=False, backward=False)
"""What ran, without values. Decisions are told from the source text, and need no line counts."""

NOT_COPIED = sentence(
    "The model could not be copied: what a run changes in it, apart from modules, is there for "
    "the next input."
)


@dataclass(frozen=True, slots=True)
class Ran:
    """The recording of one input's run, and the paths of what was put back in the model."""

    recording: Recording
    changed: tuple[str, ...] = ()


class Runner:
    """Runs a model on one input after the other, each from the same start.

    The start is the model as it is now, and `start` or else the present random states. After
    each run modules are put back, and the random states are those from before the run, so
    that inputs that draw random numbers go on drawing. What cannot be put back, as a callable
    object that is no module, is copied for each run. Inputs are cloned.

    Args:
        model: a module, a function or any callable.
        options: what to keep of each run.
        start: the random states and the grad mode that each run starts with.
    """

    def __init__(
        self,
        model: Callable[..., Any],
        options: CaptureOptions = STRUCTURE,
        start: Start | None = None,
    ) -> None:
        self._model = model
        self._options = options
        self._start = Start.now() if start is None else start
        wanted = needs_copies(model)
        self._copies = wanted and copied(model) is not None
        self._state = None if self._copies else ModelState(model)
        self.notes = (NOT_COPIED,) if wanted and not self._copies else ()

    def run(self, given: Given, options: CaptureOptions | None = None) -> Ran | InputProblem:
        """Run one input. An exception of the model is the recording's failure.

        Args:
            given: the input.
            options: what to keep of this run; None: as of the others.

        Raises:
            CaptureError: another recording is running in this process.
        """
        model = copied(self._model) if self._copies else self._model
        assert model is not None
        known: dict[int, Tensor] = {}
        args, kwargs = _cloned(given.args, known), _cloned(dict(given.kwargs), known)
        changed: list[str] = []
        try:
            with self._start.applied():
                recording = record(model, *args, options=options or self._options, **kwargs)
        except SystemExit as error:
            message = sentence(
                "The model ended the program: sys.exit({code}).", code=repr(error.code)
            )
            return InputProblem(given.position, given.label, message)
        finally:
            if self._state is not None:
                changed = self._state.put_back()
        return Ran(recording, tuple(changed))


def _cloned(value: Any, known: dict[int, Tensor]) -> Any:
    """Plain containers with their tensors cloned; one that comes twice stays one."""
    if type(value) is Tensor:
        clone = known.get(id(value))
        if clone is None:
            clone = value.detach().clone()
            clone.requires_grad_(value.requires_grad)
            known[id(value)] = clone
        return clone
    if type(value) in (tuple, list):
        return type(value)(_cloned(one, known) for one in value)
    if type(value) is dict:
        return {name: _cloned(one, known) for name, one in value.items()}
    return value
