"""What the command line of `census` names: the model, its inputs and its static graph."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any, Literal, cast

import sample_models
from inspector.capture.given import arguments_of, inputs_of
from inspector.capture.uploads import read_tensors
from inspector.census.build import Static
from inspector.commands.named import called, is_named, named
from inspector.controls import Control, Value, read, spread
from inspector.errors import InspectorError, ScriptError, SourceError
from inspector.language import sentence
from inspector.recipes import TensorRecipe
from inspector.torchscript import script
from sample_models import Sample


@dataclass(frozen=True, slots=True)
class Subject:
    """What a census is taken of; the fields are the arguments of `inspector.census`."""

    model: Callable[..., Any]
    inputs: Any
    static: Static
    labels: Iterable[str] | None = None
    swept: Iterable[float | str | None] | None = None


class Made:
    """A dataset of inputs, each made when it is asked for."""

    def __init__(self, makers: list[Callable[[], Any]]) -> None:
        self._makers = makers

    def __len__(self) -> int:
        return len(self._makers)

    def __getitem__(self, place: int) -> Any:
        return self._makers[place]()


def subject_of(model: str, inputs: str | None, static: str) -> Subject:
    """Everything as it is named.

    Args:
        model: a sample's name, or "file.py:name", or "package.module:name".
        inputs: a folder, such a name, a range over a control, or None.
        static: "script", "trace" or "none".

    Raises:
        InspectorError: something is not there, or of no use here.
    """
    sample = sample_models.catalog().get(model)
    run = sample.build() if sample is not None else _model(model)
    graph = _static(sample, run, static)
    if inputs is None:
        if sample is None:
            raise SourceError(
                sentence("Say what to run it on: --inputs with a folder, a name or a range.")
            )
        makers: list[Callable[[], Any]] = [given.make for given in sample.inputs.values()]
        return Subject(run, Made(makers), graph, tuple(sample.inputs))
    if Path(inputs).is_dir():
        files = _files(Path(inputs))
        readers: list[Callable[[], Any]] = [partial(_read, file) for file in files]
        return Subject(run, Made(readers), graph, tuple(file.name for file in files))
    if is_named(inputs):
        return Subject(run, called(named(inputs)), graph)
    if "=" in inputs:
        labels, values, sweep = _over(sample, run, inputs)
        return Subject(run, Made(sweep), graph, labels, values)
    raise SourceError(
        sentence(
            "{inputs} is no folder, no file.py:name, and no range as in length=1:12. `python -m "
            "inspector census --help` says what can be given.",
            inputs=inputs,
        )
    )


def _model(text: str) -> Callable[..., Any]:
    if not is_named(text):
        names = ", ".join(sample_models.catalog())
        raise SourceError(
            sentence(
                "There is no sample {text}, and a model is named as in net.py:Net. Samples: "
                "{names}.",
                text=text,
                names=names,
            )
        )
    found = called(named(text))
    if not callable(found):
        raise SourceError(
            sentence(
                "{text} is no model: {type} cannot be called.", text=text, type=type(found).__name__
            )
        )
    return cast(Callable[..., Any], found)


def _static(sample: Sample | None, model: Callable[..., Any], static: str) -> Static:
    """What coverage is told of; a sample says which part of it TorchScript takes."""
    if static == "none":
        return None
    part = model if sample is None else sample.static(model)
    if part is not model and static == "script":
        try:
            return script(part)
        except ScriptError:
            return "script"  # fails there again, with its reason
    return cast(Literal["script", "trace"], static)


# -- folders -----------------------------------------------------------------------------------


def _files(folder: Path) -> list[Path]:
    """The files in a folder, by name; hidden ones and those in folders inside it are left out."""
    files = sorted(
        path for path in folder.iterdir() if path.is_file() and not path.name.startswith(".")
    )
    if not files:
        raise SourceError(sentence("There are no files in {folder}.", folder=folder))
    return files


def _read(file: Path) -> tuple[Any, ...]:
    return tuple(read_tensors(file.read_bytes(), file.name))


# -- ranges ------------------------------------------------------------------------------------


def _over(
    sample: Sample | None, model: Callable[..., Any], text: str
) -> tuple[list[str], list[float | str | None], list[Callable[[], Any]]]:
    """(labels, values swept over, makers of the inputs) of a range over a control."""
    name, _, limits = text.partition("=")
    example = _example(sample)
    declared = sample.given if sample is not None else None
    controls = read(declared) if declared is not None else read(model, example)
    control = next((one for one in controls if one.name == name), None)
    if control is None:
        names = ", ".join(one.name for one in controls) or "none"
        raise InspectorError(
            sentence(
                "There is no control `{name}` to sweep over. There are: {names}.",
                name=name,
                names=names,
            )
        )
    values = spread(control, *_limits(limits))
    starts = {one.name: one.start for one in controls}
    makers: list[Callable[[], Any]] = []
    for value in values:
        chosen = {**starts, name: value}
        if declared is not None:
            makers.append(partial(inputs_of, declared, chosen))
        else:
            makers.append(partial(arguments_of, model, example, chosen))
    labels = [f"{name}={_written(control, value)}" for value in values]
    return labels, [_plain(control, value) for value in values], makers


def _example(sample: Sample | None) -> tuple[Any, ...]:
    return () if sample is None else next(iter(sample.inputs.values())).make()


def _limits(text: str) -> list[str | None]:
    """Start, stop and step; None where they are left out."""
    parts: list[str | None] = [part.strip() or None for part in text.split(":")]
    if len(parts) > 3 or (len(parts) == 1 and parts[0] is not None):
        raise InspectorError(
            sentence("A range is start:stop or start:stop:step, not {text}.", text=text)
        )
    return parts


def _written(control: Control, value: Value) -> str:
    return str(value.seed) if isinstance(value, TensorRecipe) else control.written(value)


def _plain(control: Control, value: Value) -> float | str:
    if isinstance(value, TensorRecipe):
        return value.seed
    if isinstance(value, int | float) and not isinstance(value, bool):
        return value
    return control.written(value)
