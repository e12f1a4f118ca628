"""Inputs for many runs, read one by one, whatever they come in: `read_inputs`."""

from __future__ import annotations

import functools
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass
from typing import Any

import torch
from torch.utils.data import IterableDataset

from inspector.counted import InputProblem
from inspector.errors import InspectorError
from inspector.language import sentence, sentences

PATIENCE = 3
"""How many times in a row an iterator may raise before it is left."""

_ENDED = object()


@dataclass(frozen=True, slots=True)
class Given:
    """What a model is called with; `position` counts from 0, problems included."""

    position: int
    label: str
    args: tuple[Any, ...]
    kwargs: Mapping[str, Any]
    swept: float | str | None = None


def read_inputs(
    inputs: Any,
    labels: Iterable[str] | None = None,
    swept: Iterable[float | str | None] | None = None,
) -> Iterator[Given | InputProblem]:
    """Each input, when it is asked for; one that cannot be read is told as a problem.

    Args:
        inputs: an iterable, a dataset with `__getitem__` and `__len__`, or a mapping from
            labels to inputs. An input is a tuple or list of arguments, a dict of arguments by
            name, or else the only argument.
        labels: names of the inputs, in their order; "input 0" and so on where there are none.
        swept: the value that each input stands for, in their order.

    Raises:
        InspectorError: `inputs` is none of these.
    """
    readers = _readers(inputs)
    names, values = iter(labels or ()), iter(swept if swept is not None else ())

    def found() -> Iterator[Given | InputProblem]:
        for position, (own, read) in enumerate(readers):
            label = str(next(names, own if own is not None else f"input {position}"))
            value = next(values, None)
            try:
                item = read()
            except Exception as error:  # whatever a user's dataset raises
                yield InputProblem(position, label, _not_read(error))
            else:
                if item is _ENDED:
                    return
                yield _given(position, label, item, value)

    return found()


def _not_read(error: Exception) -> str:
    return sentence(
        "It could not be read: {type}: {error}", type=type(error).__name__, error=str(error)
    )


def _given(position: int, label: str, item: Any, swept: float | str | None) -> Given:
    if isinstance(item, Mapping) and all(isinstance(name, str) for name in item):
        return Given(position, label, (), dict(item), swept)
    args = tuple(item) if type(item) in (tuple, list) else (item,)
    return Given(position, label, args, {}, swept)


Reader = tuple[str | None, Callable[[], Any]]
"""The input's own label, and what reads it."""


def _readers(inputs: Any) -> Iterable[Reader]:
    if isinstance(inputs, torch.Tensor | str | bytes):
        one = sentence("`inputs` is a text.")
        if isinstance(inputs, torch.Tensor):
            one = sentence("`inputs` is one tensor.")
        give = sentence(
            "Give a list of inputs, each as the model is called with: [x, ...], [(x, y), ...] or "
            "{'a name': x, ...}."
        )
        raise InspectorError(sentences(one, give))
    if isinstance(inputs, Mapping):
        return ((str(name), functools.partial(inputs.__getitem__, name)) for name in list(inputs))
    count = _count(inputs)
    if count is not None:
        # One item that cannot be read does not stop those after it.
        return ((None, functools.partial(inputs.__getitem__, n)) for n in range(count))
    try:
        iterator = iter(inputs)
    except TypeError:
        raise InspectorError(
            sentence(
                "`inputs` must be an iterable, a dataset or a mapping of inputs, not {type}.",
                type=type(inputs).__name__,
            )
        ) from None
    return _one_after_the_other(iterator)


def _count(inputs: Any) -> int | None:
    """How many there are, if each can be asked for by its number."""
    if isinstance(inputs, IterableDataset) or not hasattr(inputs, "__getitem__"):
        return None
    try:
        return len(inputs)
    except Exception:  # whatever a user's dataset raises
        return None


def _one_after_the_other(iterator: Iterator[Any]) -> Iterator[Reader]:
    """Readers of an iterator, up to its end, or to where it raises again and again.

    A generator that raised has ended; other iterators, as that of a data loader, may go on.
    """
    left = PATIENCE

    def read() -> Any:
        nonlocal left
        try:
            item = next(iterator, _ENDED)
        except Exception:
            left -= 1
            raise
        left = PATIENCE
        return item

    while left:
        yield None, read
