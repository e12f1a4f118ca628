"""Whether a program's numbers are finite, asked at little cost and without a trace."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from typing import Any

import torch
from torch.optim import Optimizer

from inspector.capture.arguments import tensors_in
from inspector.capture.gates import Replaced, Replacement
from inspector.capture.summary import readable, undisturbed

_VALUES = {torch.sparse_coo: "_values", torch.sparse_csr: "values", torch.sparse_csc: "values"}
"""Where layouts keep what is stored of a tensor."""


def all_finite(tensors: Iterable[torch.Tensor]) -> bool:
    """Whether there is neither NaN nor infinity in any of the tensors that can be read.

    One pass over their values, and one number read per device.
    """
    with undisturbed():
        by_device: dict[torch.device, list[torch.Tensor]] = {}
        for tensor in tensors:
            values = stored(tensor)
            if values is not None:
                by_device.setdefault(values.device, []).append(values)
        return all(
            bool(torch.stack([one.isfinite() for one in _outermost(group)]).all())
            for group in by_device.values()
        )


def _outermost(group: list[torch.Tensor]) -> list[torch.Tensor]:
    """Of tensors on one device the largest numbers: infinity and NaN are among them if anywhere."""
    if group[0].is_cpu and not any(values.is_complex() for values in group):
        # Twenty times as fast as a norm; on a GPU that one is a single kernel for all.
        return [number for values in group for number in torch.aminmax(values)]
    return list(torch._foreach_norm(group, torch.inf))


def stored(tensor: torch.Tensor) -> torch.Tensor | None:
    """The numbers of a tensor, where it has any that may be infinite or NaN; undisturbed."""
    if tensor.layout in _VALUES:
        tensor = getattr(tensor.detach(), _VALUES[tensor.layout])()
    floats = tensor.is_floating_point() or tensor.is_complex()
    if not floats or tensor.is_quantized or not readable(tensor) or not tensor.numel():
        return None
    if tensor.dtype.itemsize == 1:  # float8 has no reductions, and float4 neither infinity nor NaN
        return tensor.detach().float() if "float8" in str(tensor.dtype) else None
    return tensor.detach()


def gradients_of(optimizer: Optimizer) -> list[torch.Tensor]:
    """The gradients that an optimizer is about to use."""
    return [one.grad for one in parameters_of(optimizer) if one.grad is not None]


def parameters_of(optimizer: Optimizer) -> list[torch.Tensor]:
    """The parameters that an optimizer changes."""
    return [one for group in optimizer.param_groups for one in group["params"]]


class LossGate:
    """Stands before the autograd engine: what backward passes start from is asked first.

    Args:
        seen: called for each pass whose roots are not finite, before it runs.
    """

    def __init__(self, seen: Callable[[], None]) -> None:
        self._engine: Any = None
        self._seen = seen
        self._replaced = Replaced(())

    def __enter__(self) -> LossGate:
        self._engine = torch.autograd.Variable._execution_engine
        self._replaced = Replaced(
            (Replacement(torch.autograd.Variable, "_execution_engine", self),)
        )
        self._replaced.__enter__()
        return self

    def __exit__(self, *error: object) -> None:
        self._replaced.__exit__(*error)

    def run_backward(self, *args: Any, **kwargs: Any) -> Any:
        """As the engine's, which it calls."""
        if args and not all_finite(tensors_in(args[0])):
            self._seen()
        return self._engine.run_backward(*args, **kwargs)

    def __getattr__(self, name: str) -> Any:
        return getattr(self._engine, name)
