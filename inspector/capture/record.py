"""`record`: one call of a model, with its backward pass if a loss is given."""

from __future__ import annotations

import inspect
from collections.abc import Callable
from typing import Any, Literal

import torch
from torch import nn

from inspector.capture.arguments import tensors_in
from inspector.capture.options import CaptureOptions
from inspector.capture.session import Session
from inspector.errors import CaptureError
from inspector.language import sentence
from inspector.records import Recording

Loss = Literal["sum", "mean"] | Callable[[Any], torch.Tensor] | None


def record(
    model: Callable[..., Any],
    *args: Any,
    loss: Loss = None,
    options: CaptureOptions | None = None,
    **kwargs: Any,
) -> Recording:
    """Run `model(*args, **kwargs)` once and record it.

    Args:
        model: a module, a function or any callable. It runs as it would without recording,
            in the mode (train or eval) and grad mode that it is in.
        *args: what the model is called with.
        **kwargs: likewise, by name.
        loss: None runs the forward only. "sum" and "mean" reduce each floating-point tensor
            of the output and add them up; a callable gets the output and returns a scalar
            tensor. With a loss, `backward()` runs and leaves gradients as usual.
        options: what to keep; see `CaptureOptions`.

    Returns:
        The recording. An exception in the run does not escape: it is `recording.failure`.

    Raises:
        CaptureError: another recording is running, `model` can't be called, or `loss` is
            none of the above.
    """
    if not callable(model):
        raise CaptureError(
            sentence(
                "record() needs a module or a function to call, not {type}.",
                type=type(model).__name__,
            )
        )
    if loss is not None and loss not in ("sum", "mean") and not callable(loss):
        raise CaptureError(
            sentence(
                'loss must be None, "sum", "mean" or a function of the output, not {loss}.',
                loss=repr(loss),
            )
        )
    root = model if isinstance(model, nn.Module) else None
    session = Session(options or CaptureOptions(), root)
    session.meta = {"model": _name(model)}
    try:
        with session.running():
            session.inputs = session.ids((args, kwargs))
            session.meta["input_names"] = _input_names(session, model, args, kwargs)
            output = model(*args, **kwargs)
            session.output = session.ids(_plain(output))
            if loss is not None:
                session.meta["loss_from"] = session.op_count
                _scalar(loss, output).backward()
    except Exception:
        # Told by the recording; KeyboardInterrupt and SystemExit are not the model's.
        if not session.finished:
            raise  # it could not even start
    return session.recording


def _scalar(loss: Loss, output: Any) -> torch.Tensor:
    if callable(loss):
        return loss(output)
    total: torch.Tensor | None = None
    for tensor in tensors_in(_plain(output)):
        if tensor.is_floating_point() or tensor.is_complex():
            value = tensor.real if tensor.is_complex() else tensor
            part = value.mean() if loss == "mean" else value.sum()
            total = part if total is None else total + part
    if total is None:
        raise TypeError(f'loss="{loss}" needs a floating-point tensor in the output; there is none')
    return total


def _plain(output: Any) -> Any:
    """Dataclass-like outputs as the values they hold; other outputs as they are."""
    if hasattr(output, "__dataclass_fields__"):
        return [getattr(output, name, None) for name in output.__dataclass_fields__]
    return output


def _input_names(
    session: Session, model: Callable[..., Any], args: tuple[Any, ...], kwargs: dict[str, Any]
) -> list[tuple[int, str]]:
    """(tensor id, the name of the argument it came in by)."""
    function = model.forward if isinstance(model, nn.Module) else model
    try:
        given = inspect.signature(function).bind(*args, **kwargs).arguments
    except (TypeError, ValueError):
        return []  # no signature, or the call does not fit it: the run will tell
    session.meta["arguments"] = _plain_arguments(function, given)
    names: list[tuple[int, str]] = []
    for name, value in given.items():
        ids = session.ids(value)
        single = isinstance(value, torch.Tensor)
        names += [(i, name if single else f"{name}[{n}]") for n, i in enumerate(ids)]
    return names


def _plain_arguments(function: Callable[..., Any], given: dict[str, Any]) -> dict[str, Any]:
    """The arguments that are numbers, texts, switches or None, defaults included."""
    defaults = {
        name: parameter.default
        for name, parameter in inspect.signature(function).parameters.items()
        if parameter.default is not inspect.Parameter.empty
    }
    return {
        name: value
        for name, value in {**defaults, **given}.items()
        if value is None or type(value) in (bool, int, float, str)
    }


def _name(model: Callable[..., Any]) -> str:
    if isinstance(model, nn.Module):
        return type(model).__name__
    return getattr(model, "__name__", None) or type(model).__name__
