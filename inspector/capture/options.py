"""What a recording keeps."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal


@dataclass(frozen=True, slots=True)
class CaptureOptions:
    """Choices for `record` and `recording`.

    Args:
        values: "none" keeps shapes only; "stats" a `TensorSummary` of each tensor; "full"
            also the arrays themselves, within `value_budget_mb`.
        kernels: record the ATen calls below each op and autograd node, with their FLOPs and
            the memory they allocate and free (a `TorchDispatchMode`; slower).
        lines: count how often each line of the user's own functions ran.
        backward: record the autograd nodes that run in backward passes.
        max_ops: stop recording, not the program, after this many ops.
        value_budget_mb: memory for arrays in "full", in units of 2**20 bytes.
        only: paths of modules, as in "encoder.layers.0" or "encoder.*"; ops outside of their
            calls are not recorded. A path may begin with the name of the outermost module. Empty
            records all.
    """

    values: Literal["stats", "none", "full"] = "stats"
    kernels: bool = False
    lines: bool = True
    backward: bool = True
    max_ops: int = 200_000
    value_budget_mb: float = 256.0
    only: tuple[str, ...] = ()

    def __post_init__(self) -> None:
        if self.values not in ("stats", "none", "full"):
            raise ValueError(f'values must be "stats", "none" or "full", not {self.values!r}')
        if self.max_ops < 1:
            raise ValueError(f"max_ops must be at least 1, not {self.max_ops}")
        if not isinstance(self.only, tuple):  # a text would be taken for a path per letter
            raise ValueError(f"only must be a tuple of module paths, not {self.only!r}")
