"""What the page “Gradients” trains: how many steps, by which optimizer, with which loss."""

from __future__ import annotations

from functools import cache

import streamlit as st

import sample_models
from inspector_app.address import Address, acted
from inspector_app.phrases import escaped, say
from inspector_app.trainruns import (
    MAX_STEPS,
    OPTIMIZER_NAMES,
    Choice,
    has_parameters,
    trains_itself,
)

_STEPS, _RATE, _MOST = 10, 0.1, 100.0

_OWN, ALONE = "own", "sum"
"""Where the loss of a sample that trains itself comes from: its loop, or the sum of the output."""


def choose_training(address: Address, sample: sample_models.Sample, input_name: str) -> Choice:
    """The row of choices; those that mean nothing for the sample cannot be used."""
    own, fixed = trains_itself(sample), not _has_parameters(sample)
    left, middle, right, rest = st.columns([1, 1, 1, 3], vertical_alignment="bottom")
    with rest:
        alone = own and _choose_loss(address) == ALONE
        if not own:
            st.caption(_loss_words(sample, fixed))
    loop = own and not alone
    with left:
        steps = _choose_steps(address, say("Calls") if loop else say("Steps"), fixed)
    with middle:
        optimizer = _choose_optimizer(address, fixed or loop)
    with right:
        rate = _choose_rate(address, fixed or loop)
    return Choice(sample.name, input_name, 1 if fixed else steps, optimizer, rate, alone)


def _choose_steps(address: Address, label: str, disabled: bool) -> int:
    key = "gradients/steps"
    _start_number(address, "steps", _STEPS, 1, MAX_STEPS, say("number of steps"))
    return int(
        st.number_input(label, 1, MAX_STEPS, step=1, key=key, on_change=acted, disabled=disabled)
    )


def _choose_optimizer(address: Address, disabled: bool) -> str:
    names, key = list(OPTIMIZER_NAMES), "gradients/optimizer"
    address.options("optimizer", names, key=key, start=names[0], what=say("optimizer"))
    chosen = st.selectbox(say("Optimizer"), names, key=key, on_change=acted, disabled=disabled)
    return str(chosen)


def _choose_rate(address: Address, disabled: bool) -> float:
    _start_number(address, "rate", _RATE, 0.0, _MOST, say("learning rate"))
    return float(
        st.number_input(
            say("Learning rate"),
            0.0,
            _MOST,
            step=0.01,
            format="%g",
            key="gradients/rate",
            on_change=acted,
            disabled=disabled,
        )
    )


@cache
def _has_parameters(sample: sample_models.Sample) -> bool:
    return trains_itself(sample) or has_parameters(sample)


def _start_number(
    address: Address, parameter: str, start: float, low: float, high: float, what: str
) -> None:
    """Set a number's widget before it is made, as `Address.options` does for names."""
    key = f"gradients/{parameter}"
    whole = isinstance(start, int)
    if not address.opened:
        st.session_state.setdefault(key, start)
        address.keep(key)
        return
    asked = address.asked.get(parameter)
    value: float | None = None
    try:
        value = None if asked is None else int(asked) if whole else float(asked)
    except ValueError:
        pass
    known = value is not None and low <= value <= high
    if asked is not None and not known:
        address.complain(say("the {what} “{name}”", what=what, name=escaped(asked)))
    st.session_state[key] = value if known else start


def _choose_loss(address: Address) -> str:
    """What trains a sample that has no loss of its own."""
    options = {
        _OWN: say("The sample's own loop: each step is one call of it"),
        ALONE: say("Its network alone, the loss is the sum of the output"),
    }
    address.options("loss", list(options), key="gradients/loss", start=_OWN, what=say("loss"))
    chosen = st.selectbox(
        say("This sample has no loss: it trains itself"),
        list(options),
        key="gradients/loss",
        on_change=acted,
        format_func=options.__getitem__,
    )
    return str(chosen)


def _loss_words(sample: sample_models.Sample, fixed: bool) -> str:
    if fixed:
        return say(
            ":material/info: This sample has no parameters, so there is nothing to train: one"
            " forward and one backward pass are shown, with the gradient of its input."
        )
    if sample.loss in ("sum", "mean"):
        return say(
            ":material/info: Each step: zero_grad, forward, loss (the {loss} of the output),"
            " backward, update. The input stays the same.",
            loss=sample.loss,
        )
    return say(
        ":material/info: Each step: zero_grad, forward, the sample's own loss, backward, update."
        " The input stays the same."
    )
