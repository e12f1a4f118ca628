"""A function in Python that TorchScript's compiler does not understand."""

from __future__ import annotations

import warnings
from collections.abc import Callable
from typing import Any

import torch
from torch import Tensor

from sample_models.bugs._bug import Bug


def scaled(x: Tensor, **options: float) -> Tensor:  # cause
    """Times a factor, plus an offset."""
    return x * options["factor"] + options["offset"]


def scaled_by_name(x: Tensor, factor: float = 1.0, offset: float = 0.0) -> Tensor:
    """Likewise, with arguments that have names and types."""
    return x * factor + offset


def buggy() -> Tensor:
    """TorchScript has no **kwargs."""
    return _script(scaled)(torch.ones(2), factor=2.0, offset=1.0)


def fixed() -> Tensor:
    """The compiler knows floats."""
    return _script(scaled_by_name)(torch.ones(2), factor=2.0, offset=1.0)


def _script(function: Callable[..., Tensor]) -> Any:
    with warnings.catch_warnings():
        # That scripting itself is deprecated is not what this bug is about.
        warnings.filterwarnings("ignore", "`torch.jit.script", DeprecationWarning)
        return torch.jit.script(function)


BUG = Bug(
    number=17,
    name="script_cannot_compile",
    title="Python that TorchScript cannot compile",
    buggy=buggy,
    fixed=fixed,
    rules=("script-cannot-compile",),
    teaches="TorchScript is a small language that looks like Python. The compiler's message names "
    "the line; the construct there has to be written in other words.",
)
