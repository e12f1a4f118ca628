"""A call of a model as a function of tensors alone, which is all that a tracer takes.

    model(ids, mask=mask, labels=None)  ->  ModelOutput(logits=..., past_key_values=DynamicCache)
    run(ids, mask)                      ->  (logits, keys, values)

What is no tensor is built in. What holds tensors inside (a batch, a cache) is taken apart: each
tensor is an input or output of its own, labelled with the way to it ("batch['ids']").
"""

from __future__ import annotations

import copy
import inspect
from collections.abc import Callable
from dataclasses import dataclass, field
from types import FunctionType, MethodType, ModuleType
from typing import Any

import torch
from torch import Tensor, nn

from inspector.language import listed, sentence, sentences
from inspector.records import StaticWarning

Leaf = Callable[[str, Tensor], Any]

_WHOLE = (bool, int, float, complex, str, bytes, type, nn.Module, ModuleType, FunctionType)
_WHOLE += (MethodType, torch.device, torch.dtype)  # type: ignore[assignment]
_DEPTH = 12
"""How deep arguments and outputs are looked into: deeper than any batch or cache."""


class NoTensorReturned(Exception):
    """The model returned nothing that a graph could end in."""


@dataclass(slots=True)
class TensorCall:
    """One call of a model; made by `tensor_call`.

    Attributes:
        labels: of the tensors that go in, in order.
        tensors: what to hand to the tracer: tensors; or, unless `flat`, whole tuples, lists and
            dicts of them.
        outputs: labels of the tensors that come out; known once it has run.
        notes: what had to be done to arguments and output for this.
        fixed: the arguments without a tensor in them, which are built in.
        by_name: the arguments that are passed by name.
        doubtful: it ran under the tracer, where a size is a tensor, and returned something that
            may be such a size.
        wanted: labels of the outputs to keep; None for all.
    """

    arguments: dict[str, Any]
    bound: inspect.BoundArguments | None
    flat: bool
    labels: tuple[str, ...] = ()
    tensors: tuple[Any, ...] = ()
    outputs: tuple[str, ...] = ()
    notes: list[StaticWarning] = field(default_factory=list)
    fixed: dict[str, Any] = field(default_factory=dict)
    by_name: frozenset[str] = frozenset()
    doubtful: bool = False
    wanted: frozenset[str] | None = None

    def filled(self, tensors: tuple[Any, ...]) -> tuple[tuple[Any, ...], dict[str, Any]]:
        """The arguments of the model with these tensors in place of the given ones."""
        given = iter(tensors)
        values = {
            label: self._rebuilt(value, label, lambda _, __: next(given), lambda _: next(given))
            for label, value in self.arguments.items()
        }
        # As the user passes them, by position or by name: hooks and wrappers may look at that.
        named = {label: values.pop(label) for label in [*values] if label in self.by_name}
        return tuple(values.values()), named

    def _rebuilt(self, value: Any, label: str, leaf: Leaf, whole: Callable[[Any], Any]) -> Any:
        if not self.flat and is_traceable(value):
            return whole(value)
        return rebuilt(value, label, leaf)

    def flattened(self, output: Any) -> Any:
        """What the model returned, as a tensor or a tuple, list or dict of tensors.

        Raises:
            NoTensorReturned: there is no tensor in it.
        """
        found: list[tuple[str, Tensor]] = []
        opaque: dict[str, str] = {}

        def keep(label: str, tensor: Tensor) -> Tensor:
            found.append((label.removeprefix("."), tensor))
            return tensor

        rebuilt(output, "", keep, opaque)
        if self.wanted is not None:
            found = [each for each in found if each[0].removeprefix(".") in self.wanted]
        if not found:
            raise NoTensorReturned(a_kind(output))
        self.doubtful = torch._C._is_tracing() and any(
            tensor.dim() == 0 and tensor.dtype == torch.int64 for _, tensor in found
        )
        self.outputs = tuple(label or "output" for label, _ in found)
        if not self.flat and is_traceable(output):
            return output
        self._say_what_became_of(output, opaque)
        tensors = tuple(tensor for _, tensor in found)
        return tensors[0] if len(tensors) == 1 else tensors

    def _say_what_became_of(self, output: Any, opaque: dict[str, str]) -> None:
        if isinstance(output, Tensor):
            return
        labels = listed(f"`{label}`" for label in self.outputs[:8])
        more = len(self.outputs) - 8
        if more > 0:
            labels = sentence("{labels} and {n} more", labels=labels, n=more)
        returned = sentence(
            "The model returns {kind}; a graph returns tensors, which here are {labels}, in this "
            "order.",
            kind=a_kind(output),
            labels=labels,
        )
        held = (
            sentence(
                "`{path}` is {kind}, of which only the tensors are kept.",
                path=path.removeprefix("."),
                kind=kind,
            )
            for path, kind in opaque.items()
            if path
        )
        self.notes.append(StaticWarning("Note", sentences(returned, *held)))

    @property
    def signature(self) -> inspect.Signature:
        """A parameter for each tensor that goes in, with a valid name."""
        taken: set[str] = set()
        names = [_identifier(label, taken) for label in self.labels]
        kind = inspect.Parameter.POSITIONAL_OR_KEYWORD
        return inspect.Signature([inspect.Parameter(name, kind) for name in names])


def a_kind(value: Any) -> str:
    """A value's class with its article, as in "an int"; "None" for None."""
    name = type(value).__name__
    if value is None:
        return "None"
    if name[0] in "aeioAEIO":
        return sentence("an {kind}", kind=name)
    return sentence("a {kind}", kind=name)


def tensor_call(
    called: Callable[..., Any], args: tuple[Any, ...], kwargs: dict[str, Any], flat: bool = False
) -> TensorCall:
    """Prepare a call; its arguments are copies, so that a run does not change the given ones.

    Args:
        called: the function or `forward` to be called, for the names of its parameters.
        args, kwargs: what to call it with.
        flat: take every tuple, list and dict apart, also those that `torch.jit.trace` takes.

    Raises:
        TypeError: they do not fit the parameters.
    """
    bound = _bound(called, args, kwargs)
    call = TensorCall(labelled(bound, args), bound, flat, by_name=frozenset(kwargs))
    labels: list[str] = []
    tensors: list[Any] = []

    def taken(label: str, value: Tensor) -> Tensor:
        labels.append(label)
        tensors.append(_copy(value))
        return value

    for label, value in call.arguments.items():
        if not flat and is_traceable(value):
            labels.append(label)
            tensors.append(copied(value))
        else:
            before = len(labels)
            call.arguments[label] = rebuilt(value, label, taken)
            if len(labels) == before:
                call.fixed[label] = value
    call.labels, call.tensors = tuple(labels), tuple(tensors)
    return call


def copied(value: Any) -> Any:
    """A value with each tensor in it cloned; clones require gradients where theirs did."""
    return rebuilt(value, "", lambda _, tensor: _copy(tensor))


def _copy(tensor: Tensor) -> Tensor:
    return tensor.detach().clone().requires_grad_(tensor.requires_grad)


def _bound(
    called: Callable[..., Any], args: tuple[Any, ...], kwargs: dict[str, Any]
) -> inspect.BoundArguments | None:
    try:
        signature = inspect.signature(called)
    except (TypeError, ValueError):  # some of torch's builtins have none
        if kwargs:
            raise TypeError("keyword arguments of a builtin function cannot be traced") from None
        return None
    return signature.bind(*args, **kwargs)


def labelled(bound: inspect.BoundArguments | None, args: tuple[Any, ...]) -> dict[str, Any]:
    """Each argument by its name, in the order of the parameters, which is that of a call."""
    if bound is None:
        return {f"argument_{place}": value for place, value in enumerate(args)}
    found: dict[str, Any] = {}
    for name, value in bound.arguments.items():
        kind = bound.signature.parameters[name].kind
        if kind is inspect.Parameter.VAR_POSITIONAL:
            found.update((f"{name}[{place}]", each) for place, each in enumerate(value))
        elif kind is inspect.Parameter.VAR_KEYWORD:
            found.update(value)
        else:
            found[name] = value
    return found


def is_traceable(value: Any) -> bool:
    """Whether `torch.jit.trace` takes and returns it as it is."""
    if isinstance(value, Tensor):
        return True
    if type(value) in (tuple, list):
        return bool(value) and all(map(is_traceable, value))
    if isinstance(value, dict):
        return bool(value) and all(
            isinstance(key, str) and isinstance(each, Tensor) for key, each in value.items()
        )
    return False


def rebuilt(
    value: Any, label: str, leaf: Leaf, opaque: dict[str, str] | None = None, depth: int = 0
) -> Any:
    """A copy of a value with `leaf(label, tensor)` in the place of each tensor.

    Tuples, lists, dicts, dataclasses and other objects with attributes are looked into; what
    else there is, and modules, stays what it is. `opaque` gets label -> "a DynamicCache" of each
    object that is no plain container. A random generator is copied, so that a run does not
    move the user's.
    """
    if isinstance(value, Tensor):
        return leaf(label, value)
    if value is None or isinstance(value, _WHOLE) or depth > _DEPTH:
        return value
    if isinstance(value, torch.Generator):
        return value.clone_state()

    def inner(each: Any, step: str) -> Any:
        return rebuilt(each, label + step, leaf, opaque, depth + 1)

    if isinstance(value, tuple):
        names = getattr(value, "_fields", None)
        steps = [f".{name}" for name in names] if names else _places(value)
        items = [inner(each, step) for each, step in zip(value, steps, strict=True)]
        return type(value)(*items) if names else type(value)(items)
    if isinstance(value, list):
        items = [inner(each, step) for each, step in zip(value, _places(value), strict=True)]
        return items if type(value) is list else _refilled_list(value, items)
    if isinstance(value, dict):
        result = copy.copy(value)
        plain = type(value) is dict
        for key in list(value):
            is_name = isinstance(key, str) and key.isidentifier() and not (plain and label)
            step = f".{key}" if is_name else f"[{key!r}]"
            result[key] = inner(value[key], step)
        return result
    return _rebuilt_object(value, label, inner, opaque)


def _rebuilt_object(
    value: Any, label: str, inner: Callable[[Any, str], Any], opaque: dict[str, str] | None
) -> Any:
    slots = [name for kind in type(value).__mro__ for name in getattr(kind, "__slots__", ())]
    names = [*getattr(value, "__dict__", {}), *(s for s in slots if hasattr(value, s))]
    if not names:
        return value
    if opaque is not None:
        opaque[label] = a_kind(value)
    try:
        result = copy.copy(value)
        for name in names:
            object.__setattr__(result, name, inner(getattr(value, name), f".{name}"))
    except Exception:  # an object that will not be copied is handed on as it is
        return value
    return result


def _refilled_list(value: list[Any], items: list[Any]) -> Any:
    result = copy.copy(value)
    result[:] = items
    return result


def _places(value: Any) -> list[str]:
    return [f"[{place}]" for place in range(len(value))]


def _identifier(label: str, taken: set[str]) -> str:
    """A label as a parameter's name: "batch['ids']" becomes "batch_ids"."""
    name = "".join(c if c.isalnum() else "_" for c in label).strip("_")
    while "__" in name:
        name = name.replace("__", "_")
    name = name if name.isidentifier() else f"input_{name}"
    while name in taken:
        name += "_"
    taken.add(name)
    return name
