"""From the values of controls to the arguments of a run.

    controls = inspector.controls.read(sample.given)
    values = {control.name: control.start for control in controls} | {"length": 7}
    recording = inspector.record(model, *inputs_of(sample.given, values))

For a model without a declaration, `arguments_of` changes the arguments of an example.
"""

from __future__ import annotations

import inspect
from collections.abc import Callable, Mapping, Sequence
from functools import lru_cache
from typing import Any

import torch
from torch import Tensor

from inspector.capture.uploads import read_tensors
from inspector.control_kinds import FILE, Uploaded
from inspector.errors import InspectorError
from inspector.language import Sentence, sentence
from inspector.recipes import TensorRecipe


def inputs_of(given: Callable[..., tuple[Any, ...]], values: Mapping[str, Any]) -> tuple[Any, ...]:
    """The arguments that a sample's declaration makes of the values of its controls.

    Args:
        given: the declaration, called with the values by name; recipes become tensors first.
        values: by the names of the controls; those left out keep their defaults. An `Uploaded`
            under `FILE` puts its tensors, in order, in the place of the tensors made. They are
            taken in the dtype of those, where no whole number and no fraction gets lost by it,
            and a CSV of a single row or column as (numbers,) where the tensor made is a list.

    Raises:
        InspectorError: the declaration refuses a value (with a ValueError, whose message this
            is), fails, or gives no tuple; the file cannot be read; a tensor cannot be made.
    """
    made = {name: _made(value) for name, value in values.items() if name != FILE}
    try:
        arguments = given(**made)
    except ValueError as error:
        raise InspectorError(str(error)) from error
    except Exception as error:  # the declaration is anybody's code
        raise InspectorError(
            sentence(
                "No inputs could be made of these values: {type}: {error}",
                type=type(error).__name__,
                error=str(error),
            )
        ) from error
    if not isinstance(arguments, tuple):
        raise InspectorError(
            sentence(
                "`given` has to return a tuple of arguments, not a {type}.",
                type=type(arguments).__name__,
            )
        )
    return _with_file(arguments, values.get(FILE))


def arguments_of(
    function: Callable[..., Any], example: Sequence[Any], values: Mapping[str, Any]
) -> tuple[Any, ...]:
    """The example's arguments, with the values of controls in the place of those they are of.

    Args:
        function: that the controls were read from, with this example.
        example: positional arguments.
        values: by the names of the controls, as for `inputs_of`.

    Raises:
        InspectorError: the example does not fit, or a tensor cannot be made.
    """
    function = getattr(function, "forward", function)
    try:
        bound = inspect.signature(function).bind_partial(*example)
    except TypeError as error:
        raise InspectorError(
            sentence("The example does not fit the function: {error}.", error=str(error))
        ) from error
    bound.apply_defaults()
    for name, value in values.items():
        if name != FILE:
            bound.arguments[name] = _made(value, bound.arguments.get(name))
    if bound.kwargs:
        names = ", ".join(bound.kwargs)
        raise InspectorError(
            sentence("Controls set positional arguments, and these are not: {names}.", names=names)
        )
    return _with_file(bound.args, values.get(FILE))


def tensor_of(recipe: TensorRecipe, example: Tensor | None = None) -> Tensor:
    """The tensor of a recipe: equal for equal recipes, and drawn without the global generator.

    Args:
        recipe: with `shape` and `dtype`.
        example: whose numbers "given" means.

    Raises:
        InspectorError: torch has no such dtype, or cannot hold the numbers in it.
    """
    if recipe.fill == "given":
        if example is None:
            raise InspectorError(
                sentence("There is no example whose numbers could be taken as given.")
            )
        tensor = example.detach().clone()
    else:
        dtype = getattr(torch, recipe.dtype, None)
        if not isinstance(dtype, torch.dtype):
            raise InspectorError(
                sentence("This torch has no dtype called {dtype}.", dtype=recipe.dtype)
            )
        try:
            tensor = _filled(recipe, dtype)
        except (RuntimeError, ValueError, TypeError, OverflowError) as error:
            raise InspectorError(
                sentence(
                    "No {dtype} tensor can be filled so: {reason}",
                    dtype=recipe.dtype,
                    reason=_first_line(error),
                )
            ) from error
    return tensor.requires_grad_() if recipe.requires_grad else tensor


def _first_line(error: Exception) -> str:
    """What an error says: ours as it was made, of torch's the first line."""
    said = error.args[0] if error.args else ""
    return said if isinstance(said, Sentence) else str(error).splitlines()[0]


def tensors_of(file: Uploaded) -> tuple[Tensor, ...]:
    """The tensors of a file, made afresh.

    Raises:
        InspectorError: it cannot be read.
    """
    return tuple(tensor.clone() for tensor in _read(file))


@lru_cache(maxsize=2)
def _read(file: Uploaded) -> tuple[Tensor, ...]:
    """Kept, because a page asks for the same file whenever a control moves."""
    return read_tensors(file.data, file.name)


def _filled(recipe: TensorRecipe, dtype: torch.dtype) -> Tensor:
    shape, low, high = recipe.shape, recipe.low, recipe.high
    generator = torch.Generator().manual_seed(recipe.seed)
    if recipe.fill == "zeros":
        return torch.zeros(shape, dtype=dtype)
    if recipe.fill == "numbers":
        return torch.tensor(recipe.numbers, dtype=dtype).reshape(shape)
    if recipe.fill == "integers":
        _fits(dtype, low, high)
        return torch.randint(int(low), int(high) + 1, shape, generator=generator).to(dtype)
    # Drawn in float32 or wider and rounded: equal seeds give the same numbers in each dtype.
    wide = dtype if dtype in (torch.float64, torch.complex128, torch.complex64) else torch.float32
    if recipe.fill == "uniform":
        drawn = torch.rand(shape, generator=generator, dtype=wide)
        return (low + (high - low) * drawn).to(dtype)
    return torch.randn(shape, generator=generator, dtype=wide).to(dtype)


def _fits(dtype: torch.dtype, low: float, high: float) -> None:
    """Refuse whole numbers that the dtype would wrap around."""
    if dtype.is_floating_point or dtype.is_complex or dtype == torch.bool:
        return
    limits = torch.iinfo(dtype)
    if low < limits.min or high > limits.max:
        raise ValueError(
            sentence(
                "it holds {least} to {most}, not {low:g} to {high:g}.",
                least=limits.min,
                most=limits.max,
                low=low,
                high=high,
            )
        )


def _made(value: Any, example: Any = None) -> Any:
    """A value as the model takes it: recipes are made, everything else is what it is."""
    if not isinstance(value, TensorRecipe):
        return value
    return tensor_of(value, example if isinstance(example, Tensor) else None)


def _with_file(arguments: tuple[Any, ...], file: Uploaded | None) -> tuple[Any, ...]:
    """The file's tensors in the place of the tensors among the arguments; more go behind."""
    if file is None:
        return arguments
    tensors = list(tensors_of(file))
    table = file.name.lower().endswith(".csv")
    replaced = [
        _as_taken(_listed(tensors.pop(0), old) if table else tensors.pop(0), old)
        if tensors and isinstance(old, Tensor)
        else old
        for old in arguments
    ]
    return (*replaced, *tensors)


def _listed(table: Tensor, old: Tensor) -> Tensor:
    """A table of a single row or column as a list, where a list was: a CSV cannot say which."""
    return table.flatten() if old.dim() == 1 and 1 in table.shape else table


def _as_taken(new: Tensor, old: Tensor) -> Tensor:
    """The new tensor in the old one's dtype, but a fraction never becomes a whole number.

    Files often hold float64, or whole numbers where a model takes float32.
    """
    if new.dtype == old.dtype or (new.is_complex() and not old.is_complex()):
        return new
    if old.is_floating_point() or old.is_complex():
        return new.to(old.dtype)
    kept = new.to(old.dtype)
    return kept if torch.equal(kept.to(new.dtype), new) else new
