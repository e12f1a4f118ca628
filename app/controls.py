"""Widgets in the sidebar for the controls of an input, and how the address says their values.

    controls = inspector.controls.read(sample.given)
    values = choose_given(
        address, controls, f"given/{sample.name}", check=partial(inputs_of, sample.given)
    )
    address.write(sample=sample.name, input="custom", **as_address(controls, values))
    arguments = inputs_of(sample.given, values)         # inspector.capture.given

Parameters are called `c.length`, and one stands in the address only where it differs from where
its control starts. `as_address` also tells inputs apart: equal parameters are equal inputs.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any

import streamlit as st

from inspector.control_kinds import FILE, LONGEST_TEXT, Choice, Real, Switch, Text, Whole
from inspector.controls import Control
from inspector.errors import InspectorError
from inspector.language import listed, sentence
from inspector.recipes import TensorControl
from inspector_app.address import Address, acted
from inspector_app.phrases import prose, reason_of, say, told
from inspector_app.screens.controls_file import choose_file
from inspector_app.screens.controls_tensor import choose_tensor, said_recipe

PREFIX = "c."
"""Of the parameters in the address."""

_LONGEST = 80
"""Characters of the values of controls, in a sentence."""

_STEPS = 200
"""A slider with more steps cannot be set by a mouse; a field for the number can."""


def choose_given(
    address: Address,
    controls: Sequence[Control],
    key: str,
    *,
    start: Mapping[str, str] | None = None,
    check: Callable[[dict[str, Any]], object] | None = None,
) -> dict[str, Any]:
    """Draw the widgets in the sidebar and give the values by the names of the controls.

    What does not fit is said beside the widget, and the values used last are given instead.

    Args:
        address: that the page was run with. Where it was opened or gone back to, it sets the
            widgets; what it asks for and is not there, it is told (`address.tell`).
        controls: from `inspector.controls.read`.
        key: of the widgets, one for each sample and page.
        start: parameters as `as_address` gives them (say, those shown last) that hold where the
            address has none.
        check: called with the values; an `InspectorError` of its refuses them.

    Returns:
        The values by name; under `FILE` the uploaded file, if there is one.
    """
    own = {name: text for name, text in address.asked.items() if name.startswith(PREFIX)}
    parameters = own or dict(start or {})
    texts, wrong = _asked(controls, parameters)
    good: dict[str, str] = st.session_state.setdefault(f"{key}/good", {})
    set_to = texts if address.opened or not good else good
    if address.opened:
        for sentence in wrong:
            address.complain(sentence)
    with st.sidebar:
        values, refused = _draw(controls, key, set_to, anew=address.opened)
        said = st.container()  # above the file, whose part is folded up
        file = choose_file(address, parameters.get(f"{PREFIX}{FILE}"), f"{key}/{FILE}")
    if file is not None:
        values[FILE] = file
    if not refused and check is not None:
        refused = _refusal(check, values)
        if refused:
            said.error(prose(refused), icon=":material/error:")
    return _last_good(controls, good, key) if refused else _good(controls, values, key)


def as_address(controls: Sequence[Control], values: Mapping[str, Any]) -> dict[str, str]:
    """The parameters of the address that say these values; what is as it starts is left out."""
    written = {
        PREFIX + control.name: control.written(values[control.name])
        for control in controls
        if control.name in values
        and control.written(values[control.name]) != control.written(control.start)
    }
    if values.get(FILE) is not None:
        written[PREFIX + FILE] = values[FILE].written
    return written


def label(control: Control) -> str:
    """A control's name in words."""
    return told(control.name.replace("_", " ").capitalize())


def own_name(controls: Sequence[Control], values: Mapping[str, Any]) -> str:
    """What an input made by controls is called in a sentence: by what differs from the start.

    A text of the library, as in "your own (length 7)", "your own (x 2×4 table)", or the name of
    the uploaded file.
    """
    file = values.get(FILE)
    if file is not None:
        return str(file.name)
    changed = [
        _told(control, values[control.name])
        for control in controls
        if control.written(values[control.name]) != control.written(control.start)
    ]
    if not changed:
        return sentence("your own (nothing changed)")
    row = listed(changed)
    cut = row if len(row) <= _LONGEST else f"{row[: _LONGEST - 1]}…"
    return sentence("your own ({values})", values=cut)


def _told(control: Control, value: Any) -> str:
    if isinstance(control, TensorControl):
        return sentence("{name} {value}", name=control.name, value=said_recipe(value))
    name = control.name.replace("_", " ")
    return sentence("{name} {value}", name=name, value=control.written(value))


# -- one widget ------------------------------------------------------------------------------------


def _draw(
    controls: Sequence[Control], key: str, set_to: Mapping[str, str], *, anew: bool
) -> tuple[dict[str, Any], str]:
    """(values by name, what is wrong with one of them): the widgets, set to texts where `anew`."""
    values: dict[str, Any] = {}
    refused = ""
    for control in controls:
        before = _parsed(control, set_to)
        widget = f"{key}/{control.name}"
        if isinstance(control, TensorControl):
            values[control.name], problem = choose_tensor(control, widget, before, anew=anew)
        else:
            _set(widget, before, anew=anew)
            values[control.name], problem = _choose(control, widget)
        refused = refused or problem
    return values, refused


def _choose(control: Whole | Real | Switch | Choice | Text, key: str) -> tuple[Any, str]:
    """(value, what is wrong with it): the widget's value, read as strictly as an address."""
    common: dict[str, Any] = {"key": key, "on_change": acted, "help": prose(control.about) or None}
    name = label(control)
    if isinstance(control, Switch):
        return bool(st.toggle(name, **common)), ""
    if isinstance(control, Choice):
        return _choose_option(control, name, common), ""
    if isinstance(control, Text):
        value = st.text_input(name, max_chars=LONGEST_TEXT, **common)
    else:
        value = _choose_number(control, name, common)
    try:
        return control.parse(control.written(value)), ""
    except InspectorError as error:
        st.error(prose(reason_of(error)), icon=":material/error:")
        return control.start, reason_of(error)


def _choose_option(control: Choice, name: str, common: dict[str, Any]) -> Any:
    options = list(control.options)
    if sum(len(str(option)) for option in options) <= 30:
        return st.segmented_control(
            name, options, required=True, format_func=control.written, **common
        )
    return st.selectbox(name, options, format_func=control.written, **common)


def _choose_number(control: Whole | Real, name: str, common: dict[str, Any]) -> float:
    low, high, step = control.low, control.high, control.step
    # Streamlit shows two decimals otherwise, also of what has none or needs more.
    common["format"] = "%d" if isinstance(control, Whole) else "%g"
    if low is not None and high is not None and step <= high - low <= _STEPS * step:
        chosen = st.slider(name, low, high, step=step, **common)
    else:
        chosen = st.number_input(name, low, high, step=step, **common)
    # A slider adds its steps up: 0.1 + 0.1 + 0.1 comes as 0.30000000000000004.
    return chosen if isinstance(control, Whole) else float(f"{chosen:.10g}")


def _set(key: str, value: Any, *, anew: bool) -> None:
    """Set a widget before it is made, where the address is to choose, or nothing has yet."""
    if anew or key not in st.session_state:
        st.session_state[key] = value


# -- values as text --------------------------------------------------------------------------------


def _asked(
    controls: Sequence[Control], parameters: Mapping[str, str]
) -> tuple[dict[str, str], list[str]]:
    """(texts by control, what is wrong with others) of the parameters of an address."""
    texts: dict[str, str] = {}
    wrong: list[str] = []
    names = {PREFIX + control.name: control for control in controls}
    for parameter, text in parameters.items():
        if parameter == PREFIX + FILE:
            continue
        try:
            control = names[parameter]
            control.parse(text)
            texts[control.name] = text
        except KeyError:
            wrong.append(say("the control “{name}”", name=prose(parameter)))
        except InspectorError:
            value = prose(text[:60])
            wrong.append(say("“{value}” for {name}", value=value, name=label(control)))
    return texts, wrong


def _parsed(control: Control, texts: Mapping[str, str]) -> Any:
    """A control's value as kept, or its start: a changed sample may have other ranges now."""
    try:
        return control.parse(texts[control.name])
    except (KeyError, InspectorError):
        return control.start


def _refusal(check: Callable[[dict[str, Any]], object], values: dict[str, Any]) -> str:
    try:
        check(values)
    except InspectorError as error:
        return reason_of(error)
    return ""


def _good(controls: Sequence[Control], values: dict[str, Any], key: str) -> dict[str, Any]:
    """The values, noted as the last good ones."""
    texts = {control.name: control.written(values[control.name]) for control in controls}
    st.session_state[f"{key}/good"] = texts
    st.session_state[f"{key}/good/{FILE}"] = values.get(FILE)
    return values


def _last_good(controls: Sequence[Control], good: dict[str, str], key: str) -> dict[str, Any]:
    values = {control.name: _parsed(control, good) for control in controls}
    file = st.session_state.get(f"{key}/good/{FILE}")
    return values if file is None else values | {FILE: file}
