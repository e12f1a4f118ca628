"""A `show` fence to a `Show`, and what can be wrong with one in its lesson."""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterator
from typing import Any

from inspector.language import Sentence, sentence
from inspector_app.teaching.fields import Field, Items, Report, Scalar, Table, Value, read_fields
from inspector_app.teaching.lesson import (
    BOTH,
    END,
    GRAPH,
    OF_ONE_RUN,
    OUTPUT,
    PANES,
    SIDES,
    START,
    Code,
    Lesson,
    Show,
    Spot,
    compared,
    states,
)
from inspector_app.teaching.spots import nearest, read_spot

KEYS = (
    "code",
    "input",
    "select",
    "moment",
    "panes",
    "wide",
    "open",
    "compare",
    "sides",
    "findings",
    "result",
)
TRUE, FALSE = ("true", "yes", "on"), ("false", "no", "off")


def read_show(body: str, line: int, report: Report) -> Show:
    """A `show` fence.

    Args:
        body: its YAML.
        line: the file's line of the backticks.
        report: hears of each mistake; the rest is read.
    """
    values: dict[str, Any] = {}
    for field in read_fields(body, line + 1, report):
        read = _READERS.get(field.key)
        if read is None:
            report(
                field.line,
                sentence(
                    "`show` has no `{key}`; the nearest is `{near}`. There are {known}.",
                    key=field.key,
                    near=nearest(field.key, KEYS),
                    known=", ".join(f"`{key}`" for key in KEYS),
                ),
            )
            continue
        value = read(field, report)
        if value is not None:
            values[field.key] = value
    return Show(line=line, **values)


def _text(field: Field, report: Report) -> str | None:
    if isinstance(field.value, Scalar) and field.value.text.strip():
        return field.value.text.strip()
    report(field.line, sentence("After `{key}:` stands one text.", key=field.key))
    return None


def _one_of(*known: str) -> Callable[[Field, Report], str | None]:
    def read(field: Field, report: Report) -> str | None:
        text = _text(field, report)
        return None if text is None else _known(text, field, known, report)

    return read


def _known(text: str, field: Field, known: tuple[str, ...], report: Report) -> str | None:
    if text in known:
        return text
    report(
        field.line,
        sentence(
            "`{key}` cannot be `{text}`; the nearest is `{near}`. There are {known}.",
            key=field.key,
            text=text,
            near=nearest(text, known),
            known=", ".join(f"`{one}`" for one in known),
        ),
    )
    return None


def _truth(field: Field, report: Report) -> bool | None:
    text = _text(field, report)
    if text is None:
        return None
    if text.lower() in (*TRUE, *FALSE):
        return text.lower() in TRUE
    report(field.line, sentence("`{key}` is `true` or `false`.", key=field.key))
    return None


def _spot(field: Field, report: Report) -> Spot | None:
    text = _text(field, report)
    return None if text is None else _spot_of(text, field.line, report)


def _moment(field: Field, report: Report) -> Spot | str | None:
    text = _text(field, report)
    if text in (None, START, END):
        return text
    return _spot_of(text or "", field.line, report)


def _spot_of(text: str, line: int, report: Report) -> Spot | None:
    found = read_spot(text, line)
    if isinstance(found, Spot):
        return found
    report(line, found)
    return None


def _spots(field: Field, report: Report) -> tuple[Spot, ...] | None:
    values: tuple[Value, ...] = (field.value,)
    if isinstance(field.value, Items):
        values = field.value.values
    found: list[Spot] = []
    for value in values:
        if not isinstance(value, Scalar) or not value.text.strip():
            report(value.line, sentence("`open` is a list of places, as in `[module encoder.0]`."))
        elif (spot := _spot_of(value.text, value.line, report)) is not None:
            found.append(spot)
    return tuple(found)


def _panes(field: Field, report: Report) -> dict[str, str] | None:
    if not isinstance(field.value, Table):
        report(
            field.line,
            sentence("`panes` names a pane for a side: `{example}`.", example=_PANES_EXAMPLE),
        )
        return None
    found: dict[str, str] = {}
    for one in field.value.fields:
        side = _known(one.key, Field("panes", one.value, one.line), SIDES, report)
        pane = _one_of(*PANES)(one, report)
        if side is not None and pane is not None:
            found[side] = pane
    if len(set(found.values())) < len(found):
        report(field.line, sentence("One pane cannot be on both sides."))
    return found


_PANES_EXAMPLE = "panes: {left: dynamic, right: source}"

_READERS: dict[str, Callable[[Field, Report], object]] = {
    "code": _text,
    "input": _text,
    "select": _spot,
    "moment": _moment,
    "panes": _panes,
    "wide": _one_of(*SIDES, BOTH),
    "open": _spots,
    "compare": _text,
    "sides": _truth,
    "findings": _truth,
    "result": _one_of(GRAPH, OUTPUT),
}


def check_shows(lesson: Lesson, report: Report, unread: Collection[str] = ()) -> None:
    """Report what the steps ask for that the lesson does not have.

    Args:
        lesson: as read.
        report: hears of each mistake.
        unread: names of codes of whose inputs some could not be read, which is reported already.
    """
    for step, shown in zip(lesson.steps, states(lesson), strict=True):
        if step.show is not None:
            for problem in _missing(lesson, step.show, shown.code, unread):
                report(step.show.line, problem)


def _missing(
    lesson: Lesson, show: Show, code: Code | None, unread: Collection[str]
) -> list[Sentence]:
    names = tuple(known.name for known in lesson.codes)
    if show.code is not None and show.code not in names:
        return [_no_such("code", show.code, names)]
    if code is None:
        return [sentence("This lesson has no code: there is nothing to show.")]
    inputs = tuple(given.name for given in code.inputs)
    found = []
    if show.input is not None and show.input not in inputs and code.name not in unread:
        found.append(_no_such("input", show.input, inputs))
    if show.compare is not None and not unread and compared(lesson, code, show.compare) is None:
        others = tuple(f"{one.name}/{given.name}" for one in lesson.codes for given in one.inputs)
        found.append(_no_such("compare", show.compare, (*inputs, *names, *others)))
    if show.sides and show.compare is None:
        found.append(sentence("`sides` goes with `compare`: it puts the two runs side by side."))
    return [*found, *_not_of_two(show), *_without_graph(show, code)]


def _not_of_two(show: Show) -> Iterator[Sentence]:
    """What a step asks for that a comparison does not have."""
    if show.compare is None:
        return
    panes = [*show.panes.values(), *(["findings"] if show.findings else [])]
    for pane in panes:
        if pane in OF_ONE_RUN:
            yield sentence(
                "A comparison has no `{pane}`: leave `compare` out, or show it in a step of its "
                "own. Two runs have {known}.",
                pane=pane,
                known=", ".join(f"`{one}`" for one in PANES if one not in OF_ONE_RUN),
            )
    if isinstance(show.moment, Spot) or show.moment == START:
        yield sentence("Two runs have no common time: `moment` does not go with `compare`.")


def _without_graph(show: Show, code: Code) -> list[Sentence]:
    spots = [spot for spot in (show.select, show.moment, *(show.open or ())) if spot is not None]
    if code.plain and (spots or show.compare is not None):
        return [sentence("The code `{name}` is `plain`: it has no graph to show.", name=code.name)]
    wanted = {"static", "irtext"} & set(show.panes.values())
    places = any(isinstance(spot, Spot) and spot.kind == "ir" for spot in spots)
    if (wanted or places) and not (code.script or code.trace):
        return [
            sentence(
                "The code `{name}` has no TorchScript to show: write `script=model` or "
                "`trace=model(x)` after its name.",
                name=code.name,
            )
        ]
    return []


def _no_such(key: str, text: str, known: tuple[str, ...]) -> Sentence:
    if not known:
        return sentence("`{key}: {text}` names nothing: there is none here.", key=key, text=text)
    return sentence(
        "`{key}: {text}` names nothing; the nearest is `{near}`. There are {known}.",
        key=key,
        text=text,
        near=nearest(text, known),
        known=", ".join(f"`{one}`" for one in known),
    )
