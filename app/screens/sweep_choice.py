"""What the page “Sweep” goes over: a sample's inputs, the range of a control, or files."""

from __future__ import annotations

from dataclasses import replace

import streamlit as st

import sample_models
from inspector.capture.uploads import ENDINGS
from inspector.control_kinds import Choice as ChoiceControl
from inspector.control_kinds import Real, Switch, Uploaded, Whole
from inspector.controls import Control
from inspector.errors import InspectorError
from inspector.language import sentence
from inspector.recipes import TensorControl
from inspector_app.address import Address, acted
from inspector_app.choice import choose_one
from inspector_app.controls import label
from inspector_app.phrases import escaped, say, told
from inspector_app.sweepitems import Choice, sweepable

OVER = {
    "inputs": sentence("All its named inputs"),
    "control": sentence("The range of a control, or seeds"),
    "files": sentence("Files of your own"),
}
_SEEDS = Whole("seed", 0, 0, 999_999_999)
_LAST_SEED = 19
_REAL_STEPS = 5
"""A fraction's own steps in one step of a sweep: about twenty values then."""


def choose_sweep(address: Address, sample: sample_models.Sample) -> Choice | None:
    """The choices in the sidebar; None while there is nothing to run."""
    controls = {control.name: control for control in sweepable(sample)}
    options = {name: text for name, text in OVER.items() if controls or name != "control"}
    over = choose_one(address, say("Sweep over"), options, "over", None)
    if over == "files":
        return _files(sample)
    choice = Choice(sample.name, over)
    return choice if over == "inputs" else _range(address, sample, choice, controls)


def as_address(choice: Choice) -> dict[str, str]:
    """The parameters of the address that say what is chosen; files are not in it."""
    named = {
        "control": choice.control,
        "start": choice.start,
        "stop": choice.stop,
        "step": choice.step,
    }
    return {"over": choice.over} | {name: text for name, text in named.items() if text}


def _files(sample: sample_models.Sample) -> Choice | None:
    uploads = st.sidebar.file_uploader(
        say("Inputs, one in each file"),
        type=list(ENDINGS),
        accept_multiple_files=True,
        key=f"sweep/files/{sample.name}",
        on_change=acted,
        max_upload_size=64,
        help=say(
            "The tensors in a file are the arguments of one run: `.npy`, `.npz`, `.pt` (tensors"
            " only, nothing in it is run), PNG and JPEG as numbers from 0 to 1, or a CSV of"
            " numbers."
        ),
    )
    files = tuple(Uploaded(one.name, one.getvalue()) for one in uploads)
    return Choice(sample.name, "files", files=files) if files else None


def _range(
    address: Address, sample: sample_models.Sample, choice: Choice, controls: dict[str, Control]
) -> Choice:
    names = list(controls)
    key = f"sweep/control/{sample.name}"
    address.options("control", names, key=key, start=names[0], what=say("control"))
    name = str(
        st.sidebar.selectbox(
            say("Control"),
            names,
            key=key,
            on_change=acted,
            format_func=lambda one: _title(controls[one]),
        )
    )
    control, choice = controls[name], replace(choice, control=name)
    if control.about:
        st.sidebar.caption(escaped(told(control.about)))
    if isinstance(control, Switch | ChoiceControl):
        return choice
    number = _SEEDS if isinstance(control, TensorControl) else control
    assert isinstance(number, Whole | Real)
    starts = _start(number)
    if isinstance(control, TensorControl):
        starts = {"start": "0", "stop": str(_LAST_SEED), "step": "1"}
    first, last = st.sidebar.columns(2)
    common = f"sweep/{sample.name}/{name}"
    with first:
        start = _number(address, number, "start", starts, say("From"), common)
    with last:
        stop = _number(address, number, "stop", starts, say("To"), common)
    with st.sidebar:
        by = Whole("step", 1, 1) if isinstance(number, Whole) else Real("step", 1.0, 0.0)
        step = _number(address, by, "step", starts, say("Step"), common)
    return replace(choice, start=start, stop=stop, step=step)


def _title(control: Control) -> str:
    if isinstance(control, TensorControl):
        return say("{name}: seeds", name=label(control))
    return label(control)


def _start(control: Whole | Real) -> dict[str, str]:
    """The range at first: all of the control's; without bounds, ten steps from its start."""
    step: float = control.step
    if isinstance(control, Real) and control.low is not None and control.high is not None:
        step = min(_REAL_STEPS * step, (control.high - control.low) or step)
    low = control.start if control.low is None else control.low
    high = low + 10 * step if control.high is None else control.high
    if isinstance(control, Whole):
        return {"start": str(low), "stop": str(int(high)), "step": str(control.step)}
    return {name: f"{one:.10g}" for name, one in (("start", low), ("stop", high), ("step", step))}


def _number(
    address: Address,
    control: Whole | Real,
    parameter: str,
    starts: dict[str, str],
    title: str,
    key: str,
) -> str:
    """One end of the range, or its step, as text: set by the address where that was opened."""
    here = f"{key}/{parameter}"
    if address.opened or here not in st.session_state:
        asked = address.asked.get(parameter) if address.opened else None
        value = control.parse(starts[parameter])
        try:
            value = value if asked is None else control.parse(asked)
        except InspectorError:
            name = escaped((asked or "")[:60])
            address.complain(say("“{name}” for {what}", name=name, what=title))
        st.session_state[here] = value
    address.keep(here)
    whole = isinstance(control, Whole)
    step = control.step if whole else control.parse(starts["step"])
    chosen = st.number_input(
        title,
        control.low,
        control.high,
        step=step,
        format="%d" if whole else "%g",
        key=here,
        on_change=acted,
    )
    return str(int(chosen)) if whole else f"{chosen:.10g}"
