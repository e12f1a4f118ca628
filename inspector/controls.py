"""Which inputs a function can be given, read from its signature: one control a parameter.

    def given(
        length: Annotated[int, range(1, 13), "words before the padding"] = 5,
        noise: Annotated[float, (0.0, 1.0)] = 0.1,
        mask: bool = False,
        mode: Literal["train", "eval"] = "train",
        text: str = "roses",
        x: Tensor = ONES,
    ) -> tuple[Tensor, ...]: ...

gives a `Whole`, a `Real`, a `Switch`, a `Choice`, a `Text` and a `TensorControl` (`recipes.py`).
A control has the value that it starts with, and reads and writes values as text, for an address
or a command line: `control.parse(control.written(value)) == value`. What a text cannot mean is an
`InspectorError` that says what it can.
"""

from __future__ import annotations

import inspect
import types
import typing
from collections.abc import Callable, Sequence
from decimal import Decimal
from typing import Annotated, Any, Literal, TypeAlias, Union

from inspector.control_kinds import Choice, Real, Switch, Text, Whole
from inspector.errors import InspectorError
from inspector.language import sentence, sentences
from inspector.recipes import TensorControl, TensorRecipe, is_tensor_type, recipe_of, shape_of

__all__ = [
    "Choice", "Control", "Real", "Switch", "TensorControl", "TensorRecipe", "Text", "Value",
    "Whole", "read", "spread",
]  # fmt: skip

Value: TypeAlias = bool | int | float | str | TensorRecipe
Control: TypeAlias = Whole | Real | Switch | Choice | Text | TensorControl

MOST_VALUES = 100_000
"""Values that `spread` gives at most: more are a slip of the pen."""


# -- reading a signature ---------------------------------------------------------------------------


def read(function: Callable[..., Any], example: Sequence[Any] | None = None) -> tuple[Control, ...]:
    """One control for each parameter that has one, in the order of the signature.

    What a control is follows from the annotation, else from the example or the default. Where it
    starts is the example's value, else the default. A parameter of another kind (a list, a mask
    that may be None) has no control: its example or default is used as it is.

    Args:
        function: whose parameters are read, say a sample's `given` or a model's `forward`. Of a
            module, `forward` is read.
        example: positional arguments that it can be called with; a tensor's control takes shape,
            dtype and, for a small one, the numbers from there.

    Raises:
        InspectorError: a parameter has neither a control nor a default nor an example; or, without
            an example, a control starts outside its own range.
    """
    function = _called(function)
    found: list[Control] = []
    for name, parameter, hint in _parameters(function):
        start = _start(function, name, parameter, example)
        control = _control(name, hint, start) if example is None else _soft(name, hint, start)
        if control is not None:
            found.append(control)
        elif start is inspect.Parameter.empty:
            raise InspectorError(
                sentence(
                    "`{function}` takes `{name}`, for which there is no control. Annotate it with "
                    "one of int, float, bool, str, Literal or Tensor, or give it a default.",
                    function=_name(function),
                    name=name,
                )
            )
    return tuple(found)


def _called(function: Callable[..., Any]) -> Callable[..., Any]:
    """What holds the signature: `forward` of a module, else the function or object itself."""
    forward = getattr(function, "forward", None)
    return forward if callable(forward) else function


def _parameters(
    function: Callable[..., Any],
) -> list[tuple[str, inspect.Parameter, Any]]:
    """(name, parameter, resolved annotation) of those that can be given by name."""
    try:
        signature = inspect.signature(function)
    except (TypeError, ValueError):
        raise InspectorError(
            sentence(
                "`{function}` has no signature that Python can read, so it gets no controls.",
                function=_name(function),
            )
        ) from None
    open_ended = (inspect.Parameter.VAR_POSITIONAL, inspect.Parameter.VAR_KEYWORD)
    return [
        (name, parameter, _resolved(function, parameter.annotation))
        for name, parameter in signature.parameters.items()
        if parameter.kind not in open_ended
    ]


def _resolved(function: Callable[..., Any], annotation: Any) -> Any:
    """An annotation as a type, one at a time: one that cannot be resolved costs only itself."""
    holder = type("holder", (), {"__annotations__": {"it": annotation}})
    inner = inspect.unwrap(getattr(function, "func", function))  # of a functools.partial
    inner = inner if hasattr(inner, "__globals__") else type(inner).__call__
    known = getattr(getattr(inner, "__func__", inner), "__globals__", {})
    try:
        return typing.get_type_hints(holder, known, known, include_extras=True)["it"]
    except Exception:  # an annotation may hold any expression, and evaluating it raise anything
        return inspect.Parameter.empty


def _start(
    function: Callable[..., Any],
    name: str,
    parameter: inspect.Parameter,
    example: Sequence[Any] | None,
) -> Any:
    """The example's value of a parameter, else its default, else `Parameter.empty`."""
    if example is None:
        return parameter.default
    try:
        bound = inspect.signature(function).bind_partial(*example)
    except TypeError as error:
        raise InspectorError(
            sentence(
                "The example does not fit `{function}`: {error}.",
                function=_name(function),
                error=str(error),
            )
        ) from None
    return bound.arguments.get(name, parameter.default)


def _control(name: str, hint: Any, start: Any) -> Control | None:
    """The control of one parameter, None where there is none for its kind."""
    kind = _without_none(hint)
    notes: tuple[Any, ...] = ()
    if typing.get_origin(kind) is Annotated:
        kind, *rest = typing.get_args(kind)
        kind, notes = _without_none(kind), tuple(rest)
    missing = start is inspect.Parameter.empty
    if kind in (inspect.Parameter.empty, Any, object) and not missing:
        kind = type(start)
    about = next((note for note in notes if isinstance(note, str)), "")
    if is_tensor_type(kind):
        return _tensor(name, notes, start, about)
    if start is None:
        return None
    if typing.get_origin(kind) is Literal:
        options = typing.get_args(kind)
        choice = Choice(name, options[0] if missing else start, options, about)
        return _checked(choice)
    if kind is bool:
        return _checked(Switch(name, False if missing else start, about))
    if kind is str:
        return _checked(Text(name, "" if missing else start, about))
    if kind is int:
        return _checked(_whole(name, notes, start, about))
    if kind is float:
        return _checked(_real(name, notes, start, about))
    return None


def _soft(name: str, hint: Any, start: Any) -> Control | None:
    """The control of a parameter of anybody's model, whose annotation need not be true."""
    for kind in (hint, inspect.Parameter.empty):
        try:
            return _control(name, kind, start)
        except InspectorError:
            continue
    return None


def _without_none(hint: Any) -> Any:
    """`X` for `X | None`: what is drawn is the X."""
    if typing.get_origin(hint) in (Union, types.UnionType):
        kinds = [kind for kind in typing.get_args(hint) if kind is not type(None)]
        return kinds[0] if len(kinds) == 1 else hint
    return hint


def _whole(name: str, notes: tuple[Any, ...], start: Any, about: str) -> Whole:
    missing = start is inspect.Parameter.empty
    values = next((note for note in notes if isinstance(note, range)), None)
    if values is None:
        return Whole(name, 0 if missing else start, about=about)
    if not values:
        raise InspectorError(
            sentence(
                "`{name}` has the empty {values}: there is no value to choose.",
                name=name,
                values=values,
            )
        )
    low, high = min(values), max(values)
    return Whole(name, low if missing else start, low, high, abs(values.step), about)


def _real(name: str, notes: tuple[Any, ...], start: Any, about: str) -> Real:
    missing = start is inspect.Parameter.empty
    bounds = next((note for note in notes if isinstance(note, tuple) and len(note) == 2), None)
    low, high = (None, None) if bounds is None else (float(bounds[0]), float(bounds[1]))
    return Real(name, (low or 0.0) if missing else start, low, high, about)


def _tensor(name: str, notes: tuple[Any, ...], start: Any, about: str) -> TensorControl | None:
    if is_tensor_type(type(start)):
        return TensorControl(name, recipe_of(start), about)
    shape = next((note for note in notes if isinstance(note, tuple)), None)
    if start is inspect.Parameter.empty and shape is not None:
        return TensorControl(name, TensorRecipe(shape_of(shape)), about)
    return None


def _checked(control: Whole | Real | Switch | Choice | Text) -> Control:
    """The control, whose start is one of its own values.

    Raises:
        InspectorError: it is not; the person who wrote the signature reads it.
    """
    kinds: dict[type, Any] = {Whole: int, Real: (int, float), Switch: bool, Text: str}
    start: Any = control.start
    number = isinstance(control, Whole | Real)
    if not isinstance(start, kinds.get(type(control), object)) or (
        number and isinstance(start, bool)
    ):
        raise InspectorError(
            sentence(
                "`{name}` starts with {start}, which is not of its type.",
                name=control.name,
                start=repr(start),
            )
        )
    try:
        control.parse(control.written(start))
    except InspectorError as error:
        change = sentence("It starts there: change the default or the range.")
        raise InspectorError(sentences(error.message, change)) from None
    return control


# -- sweeping over a control -----------------------------------------------------------------------


def spread(
    control: Control,
    start: str | None = None,
    stop: str | None = None,
    step: str | None = None,
) -> tuple[Any, ...]:
    """The values of a control for a sweep, `stop` included.

    A switch gives both of its values, a choice all of them; for those the other arguments are
    left out. A tensor's sweep goes over its seeds.

    Args:
        control: swept over.
        start, stop, step: as texts; where left out, the ends of the control's range and its step.

    Raises:
        InspectorError: a text means nothing here, the range is empty or has over `MOST_VALUES`.
    """
    if isinstance(control, Switch | Choice):
        if (start, stop, step) != (None, None, None):
            raise InspectorError(
                sentence("`{name}` is swept over all its values: give no range.", name=control.name)
            )
        return (False, True) if isinstance(control, Switch) else control.options
    if isinstance(control, Text):
        raise InspectorError(
            sentence("`{name}` is a text: there is no range to sweep over.", name=control.name)
        )
    if isinstance(control, TensorControl):
        return control.seeds(spread(Whole("seed", 0, 0, 999_999_999), start, stop, step))
    first = control.low if start is None else control.parse(start)
    last = control.high if stop is None else control.parse(stop)
    if first is None or last is None:
        raise InspectorError(
            sentence("`{name}` has no bounds: say where to start and to stop.", name=control.name)
        )
    return _between(control, first, last, _step(control, step))


def _step(control: Whole | Real, text: str | None) -> float:
    """The step that a text says: above zero, and whole for whole numbers."""
    if text is None:
        return control.step
    bare = Whole("step", 1) if isinstance(control, Whole) else Real("step", 1.0)
    step = bare.parse(text)
    if step <= 0:
        raise InspectorError(
            sentence(
                "The step over `{name}` is above zero, not {text}.", name=control.name, text=text
            )
        )
    return step


def _between(control: Whole | Real, first: float, last: float, step: float) -> tuple[Any, ...]:
    if first > last:
        raise InspectorError(
            sentence(
                "The sweep over `{name}` stops at {last}, before {first}.",
                name=control.name,
                last=last,
                first=first,
            )
        )
    # Decimals, as they are written: 0.1 + 0.1 + 0.1 is 0.3.
    at, by, end = (Decimal(repr(number)) for number in (first, step, last))
    count = int((end - at) / by) + 1
    if count > MOST_VALUES:
        raise InspectorError(
            sentence(
                "The sweep over `{name}` has {count:,} values; {most_values:,} are the most.",
                name=control.name,
                count=count,
                most_values=MOST_VALUES,
            )
        )
    texts = (str(at + place * by) for place in range(count))
    return tuple(control.parse(text) for text in texts)


def _name(function: Callable[..., Any]) -> str:
    return str(getattr(function, "__name__", type(function).__name__))
