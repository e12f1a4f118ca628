"""Copies to run in place of what the user gave, and what comes out of such a run."""

from __future__ import annotations

import copy
from collections.abc import Mapping
from typing import Any

import torch

from inspector.torchscript.make import called_of
from inspector.torchscript.wrapper import rebuilt, tensor_call

Values = tuple[tuple[Any, ...], dict[str, Any]]


def copied_values(args: tuple[Any, ...], kwargs: Mapping[str, Any]) -> Values:
    """The arguments with each tensor cloned, at any depth; they require gradients as before."""

    def clone(_label: str, tensor: torch.Tensor) -> torch.Tensor:
        return tensor.detach().clone().requires_grad_(tensor.requires_grad)

    return rebuilt(args, "", clone), rebuilt(dict(kwargs), "", clone)


def copied_model(model: torch.nn.Module) -> torch.nn.Module | None:
    """A deep copy; None where the module cannot be copied."""
    try:
        return copy.deepcopy(model)
    except Exception:  # a lock, an open file, a tensor with a history, a user's __deepcopy__
        return None


def traced_values(model: Any, args: tuple[Any, ...], kwargs: Mapping[str, Any]) -> Values:
    """Copies of a model's arguments as its trace takes them.

    Raises:
        TypeError: they do not fit the model's parameters.
    """
    return tensor_call(called_of(model), args, dict(kwargs)).tensors, {}


def tensors_in(value: Any) -> list[torch.Tensor]:
    """All tensors in an output, detached, in order: of tuples, dicts, dataclasses and the like."""
    found: list[torch.Tensor] = []

    def keep(_label: str, tensor: torch.Tensor) -> torch.Tensor:
        found.append(tensor.detach())
        return tensor

    rebuilt(value, "", keep)
    return found


def is_training(model: Any) -> bool:
    """Whether a module or one of its submodules is in training mode."""
    return isinstance(model, torch.nn.Module) and any(m.training for m in model.modules())


_INTERPRETER = "operation failed in the TorchScript interpreter"


def in_words(error: BaseException) -> str:
    """An exception in a line: its class and what its message says."""
    lines = [line.strip() for line in str(error).splitlines() if line.strip()]
    if lines and (isinstance(error, torch.jit.Error) or _INTERPRETER in lines[0]):
        return lines[-1].removeprefix("builtins.")  # after the interpreter's own stack
    return f"{type(error).__name__}: {lines[0]}" if lines else type(error).__name__
