"""What a sweep goes over: a sample's named inputs, the values of a control, or files."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

import sample_models
from inspector.capture.given import arguments_of, inputs_of
from inspector.control_kinds import FILE, Text, Uploaded
from inspector.controls import Control, read, spread
from inspector.errors import InspectorError
from inspector.language import sentence
from inspector.recipes import TensorControl, TensorRecipe
from inspector_app.controls import as_address
from inspector_app.phrases import reason_of
from inspector_app.runs import CUSTOM

MOST = 500
"""Inputs of one sweep; a finer one is for `inspector census`."""


@dataclass(frozen=True, slots=True)
class Choice:
    """What to sweep over.

    Attributes:
        sample: its name.
        over: "inputs" (all that the sample names), "control" or "files".
        control: the control's name.
        start, stop, step: of its values as text; "" for the control's own.
        files: that were uploaded, one input each.
    """

    sample: str
    over: str
    control: str = ""
    start: str = ""
    stop: str = ""
    step: str = ""
    files: tuple[Uploaded, ...] = ()


@dataclass(frozen=True, slots=True)
class Item:
    """One input to be: its name, what it stands for, and how it is made.

    The name may be a text of the library. `query` are the parameters of its address on the page
    “Explore a model”, None where it has none.
    """

    label: str
    make: Callable[[], tuple[Any, ...]]
    swept: float | str | None = None
    query: dict[str, str] | None = None


def sweepable(sample: sample_models.Sample) -> tuple[Control, ...]:
    """The controls of a sample that have values to go through."""
    return tuple(one for one in _controls(sample) if not isinstance(one, Text))


def _controls(sample: sample_models.Sample) -> tuple[Control, ...]:
    """The sample's own, else those that its model's signature gives."""
    try:
        if sample.given is not None:
            return read(sample.given)
        return read(sample.build(), _example(sample))
    except InspectorError:
        return ()  # a signature without controls: there is nothing to choose


def _example(sample: sample_models.Sample) -> tuple[Any, ...]:
    return next(iter(sample.inputs.values())).make()


def items_of(choice: Choice) -> list[Item]:
    """The inputs of a sweep, not made yet.

    Raises:
        InspectorError: the range means nothing, or there are more than `MOST`.
    """
    sample = sample_models.get(choice.sample)
    if choice.over == "files":
        items = [_of_file(sample, file) for file in choice.files]
    elif choice.over == "inputs":
        items = [Item(name, one.make, query={"input": name}) for name, one in sample.inputs.items()]
    else:
        items = _of_control(sample, choice)
    if len(items) > MOST:
        raise InspectorError(
            sentence(
                "These are {count} inputs; a sweep here takes up to {most}. Take a larger step, or"
                " use `python -m inspector census`.",
                count=f"{len(items):,}",
                most=MOST,
            )
        )
    return items


def _of_file(sample: sample_models.Sample, file: Uploaded) -> Item:
    """As “Explore a model” takes the file: in the dtypes that the sample's own inputs have."""
    return Item(file.name, _maker(sample, {FILE: file}))


def refusal(choice: Choice) -> str:
    """Why there is nothing to sweep over, in words; "" where there is something."""
    try:
        items_of(choice)
    except InspectorError as error:
        return reason_of(error)
    return ""


def _of_control(sample: sample_models.Sample, choice: Choice) -> list[Item]:
    controls = _controls(sample)
    control = next(one for one in controls if one.name == choice.control)
    if choice.start and choice.stop and float(choice.stop) < float(choice.start):
        raise InspectorError(
            sentence(
                "“To” ({stop}) must not be below “From” ({start}).",
                stop=choice.stop,
                start=choice.start,
            )
        )
    limits = (text or None for text in (choice.start, choice.stop, choice.step))
    starts = {one.name: one.start for one in controls}
    found = []
    for value in spread(control, *limits):
        values = starts | {control.name: value}
        query = None
        if sample.given is not None:
            query = {"input": CUSTOM, **as_address(controls, values)}
        label, swept = _told(control, value)
        found.append(Item(label, _maker(sample, values), swept, query))
    return found


def _maker(sample: sample_models.Sample, values: dict[str, Any]) -> Callable[[], tuple[Any, ...]]:
    if sample.given is not None:
        given = sample.given
        return lambda: inputs_of(given, values)
    return lambda: arguments_of(sample.build(), _example(sample), values)


def _told(control: Control, value: Any) -> tuple[str, float | str]:
    """(the input's name, what it stands for on an axis)."""
    if isinstance(control, TensorControl):
        assert isinstance(value, TensorRecipe)
        return sentence("seed {seed}", seed=value.seed), value.seed
    written = control.written(value)
    numeric = isinstance(value, int | float) and not isinstance(value, bool)
    return f"{control.name} = {written}", value if numeric else written


def made(
    items: Sequence[Item],
) -> tuple[list[tuple[Item, tuple[Any, ...]]], list[tuple[str, str]]]:
    """The items with their arguments, and those that cannot be made, with the reason."""
    made, refused = [], []
    for item in items:
        try:
            made.append((item, item.make()))
        except InspectorError as error:
            refused.append((item.label, reason_of(error)))
    return made, refused
