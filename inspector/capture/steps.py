"""Training steps: `optimizer.step` and `zero_grad` (backward passes are in `backward.py`).

`Optimizer.step` has global hooks. `zero_grad` has none, but it opens a profiler range named
after itself, and both that marker and assignments to `.grad` pass the function mode.
"""

from __future__ import annotations

from collections.abc import Callable
from types import FrameType
from typing import Any, Protocol

import torch
from torch.optim import Optimizer
from torch.optim.optimizer import (
    register_optimizer_step_post_hook,
    register_optimizer_step_pre_hook,
)

from inspector.capture.frames import Site, caller
from inspector.capture.otherthreads import STEP
from inspector.capture.summary import readable, undisturbed
from inspector.capture.tape import RawStep, Tape

_ZERO_GRAD = "Optimizer.zero_grad#"


Hook = Callable[[Optimizer, Any, Any], None]
"""Called with the optimizer and the arguments of its `step`."""


class Handle(Protocol):
    """Takes a hook away."""

    def remove(self) -> None: ...  # noqa: D102


class StepHooks:
    """Where hooks of optimizer steps are registered: torch's own, those of all optimizers."""

    def before(self, hook: Hook) -> Handle:
        """Call `hook` before each step."""
        return register_optimizer_step_pre_hook(hook)

    def after(self, hook: Hook) -> Handle:
        """Call `hook` after each step that did not raise."""
        return register_optimizer_step_post_hook(hook)


class StepRecorder:
    """Notes optimizer steps on the tape while entered."""

    def __init__(self, tape: Tape, hooks: StepHooks) -> None:
        self._tape = tape
        self._hooks = hooks
        self._handles: list[Handle] = []
        self._open: list[tuple[RawStep, Optimizer, list[tuple[torch.Tensor, torch.Tensor]]]] = []

    def __enter__(self) -> StepRecorder:
        self._handles = [self._hooks.before(self._before), self._hooks.after(self._after)]
        return self

    def __exit__(self, *error: object) -> None:
        for handle in self._handles:
            handle.remove()

    def _before(self, optimizer: Optimizer, args: Any, kwargs: Any) -> None:
        tape = self._tape
        if not tape.recording_here:
            tape.elsewhere(STEP)
            return
        rates = tuple(float(group.get("lr", 0.0)) for group in optimizer.param_groups)
        row = RawStep(
            "optimizer_step", len(tape.ops), len(tape.ops), tape.site(caller()),
            detail=type(optimizer).__name__, learning_rates=rates,
            without_gradient=self._without_gradient(optimizer),
        )  # fmt: skip
        tape.steps.append(row)
        self._open.append((row, optimizer, self._copies(optimizer)))

    def _after(self, optimizer: Optimizer, args: Any, kwargs: Any) -> None:
        # A step that raised was left open: close down to this optimizer's.
        while self._open and self._tape.thread_is_ours:
            row, owner, copies = self._open.pop()
            if owner is not optimizer:
                continue
            if not self._tape.full:
                row.last_op = len(self._tape.ops)
                row.updates = self._updates(copies)
            return

    def _without_gradient(self, optimizer: Optimizer) -> tuple[int, ...]:
        """The ids of the parameters that the step passes over, of those that were met."""
        with undisturbed():
            found = [
                self._tape.tensors.find(parameter)
                for group in optimizer.param_groups
                for parameter in group["params"]
                if parameter.grad is None and parameter.requires_grad
            ]
        return tuple([known[1] for known in found if known is not None])

    def _copies(self, optimizer: Optimizer) -> list[tuple[torch.Tensor, torch.Tensor]]:
        """Each parameter with its values before the step."""
        if self._tape.options.values == "none":
            return []
        with undisturbed():
            return [
                (parameter, parameter.detach().clone())
                for group in optimizer.param_groups
                for parameter in group["params"]
                if parameter.grad is not None and readable(parameter)
            ]

    def _updates(self, copies: list[tuple[torch.Tensor, torch.Tensor]]) -> list[tuple[int, float]]:
        with undisturbed():
            return [
                (self._tape.tensors.see(parameter), float((parameter - before).norm()))
                for parameter, before in copies
            ]

    def marker(self, args: tuple[Any, ...], frame: FrameType) -> None:
        """A profiler range opened; note it when it is an optimizer's `zero_grad`."""
        name = args[0] if args and isinstance(args[0], str) else ""
        if name.startswith(_ZERO_GRAD):
            detail = name.removeprefix(_ZERO_GRAD).partition(".")[0]
            self._zeroed(self._tape.site(frame), detail)

    def grad_cleared(self, frame: FrameType) -> None:
        """`tensor.grad = None` ran: by the user, `Module.zero_grad`, or inside a step."""
        site = self._tape.site(frame)
        last = self._tape.steps[-1] if self._tape.steps else None
        functions = {code.co_qualname for code in self._tape.positions.functions(site)[:4]}
        if "Optimizer.zero_grad" in functions:
            return  # its marker has told already
        same_run = (
            last is not None and last.kind == "zero_grad" and self._same_line(last.site, site)
        )
        if not (same_run and last is not None and last.first_op == len(self._tape.ops)):
            self._zeroed(site, "Module" if "Module.zero_grad" in functions else "grad = None")

    def _zeroed(self, site: Site, detail: str) -> None:
        now = len(self._tape.ops)
        self._tape.steps.append(RawStep("zero_grad", now, now, site, detail=detail))

    def _same_line(self, a: Site, b: Site) -> bool:
        stacks = [self._tape.positions.user_stack(site)[:1] for site in (a, b)]
        return [s.line for s in stacks[0]] == [s.line for s in stacks[1]]
