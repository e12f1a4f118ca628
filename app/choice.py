"""Choosing a sample and an input in the sidebar: the same ones on all pages of samples.

What was shown last is kept in the session, so that a link to another page goes on with it.
An address that names a sample wins over that.
"""

from __future__ import annotations

from collections.abc import Mapping
from functools import partial
from typing import Any

import streamlit as st

import sample_models
from inspector.capture.given import inputs_of
from inspector.controls import read
from inspector.language import sentence
from inspector_app.address import Address, acted
from inspector_app.controls import as_address, choose_given, own_name
from inspector_app.phrases import escaped, say, told
from inspector_app.runs import CUSTOM, Order

STATIC = {
    "script": sentence("Script (compiled from the source)"),
    "trace": sentence("Trace (what this input ran)"),
}

_SHOWN = "_sample_shown"


def choose_sample(address: Address, key: str) -> sample_models.Sample:
    """The sample chosen: by the address that was opened, by hand, else the one shown last.

    Args:
        address: that the page was run with.
        key: of the widget, of its own for each page.
    """
    catalog = sample_models.catalog()
    names = list(catalog)
    last = _shown()[0]
    start = last if last in catalog else names[0]
    asked = address.asked.get("sample")
    if asked is not None and asked not in catalog:
        start = names[0]
    if address.opened and asked is not None and asked not in catalog:
        _unknown(asked, told(catalog[start].title))
        st.session_state[key] = start
    else:
        address.options("sample", names, key=key, start=start, what=say("sample"))
    name = st.sidebar.selectbox(
        say("Sample model"),
        names,
        key=key,
        on_change=acted,
        format_func=lambda one: told(catalog[one].title),
        help=say("Each sample is one short file in sample_models/."),
    )
    return catalog[name]


def _unknown(name: str, instead: str) -> None:
    """Say that there is no such sample, and which ones are meant perhaps."""
    try:
        sample_models.get(name)
    except sample_models.UnknownSample as error:
        reason = escaped(_no_sample(error))
        st.error(say("{reason} Showing “{title}” instead.", reason=reason, title=instead))


def _no_sample(error: sample_models.UnknownSample) -> str:
    values = {"name": repr(error.name), "known": ", ".join(sample_models.catalog())}
    if not error.close:
        return say("No sample is called {name}. There are: {known}.", **values)
    close = say(" or ").join(error.close)
    return say(
        "No sample is called {name}. Did you mean {close}? There are: {known}.",
        close=close,
        **values,
    )


def choose_input(
    address: Address, sample: sample_models.Sample, key: str, *, own: bool = False
) -> str:
    """The name of the input chosen, likewise.

    Args:
        address: that the page was run with.
        sample: whose inputs they are.
        key: of the widget.
        own: whether an input can be made by controls, too, which is then `CUSTOM`.
    """
    named = list(sample.inputs)
    names = [*named, CUSTOM] if own and sample.given is not None else named
    last_sample, last_input = _shown()
    keep = last_input in names and (not address.opened or last_sample == sample.name)
    start = last_input if keep else names[0]
    here = f"{key}/{sample.name}"
    if address.opened and address.asked.get("input") == CUSTOM and CUSTOM not in names:
        address.complain(say("an input made by controls"))
        st.session_state[here] = start
    else:
        address.options("input", names, key=here, start=start, what=say("input"))
    name = st.sidebar.radio(
        say("Input"),
        names,
        key=here,
        on_change=acted,
        format_func=lambda one: say("Your own") if one == CUSTOM else told(one),
        captions=[
            say("Set the controls below.")
            if one == CUSTOM
            else told(sample.inputs[one].description)
            for one in names
        ],
        help=say("Switch it and watch the graph change."),
    )
    st.session_state[_SHOWN] = (sample.name, str(name))
    return str(name)


def choose_order(address: Address, sample: sample_models.Sample, key: str) -> Order:
    """The input chosen, one of the sample's or one made by its controls, and the IR beside it."""
    name = choose_input(address, sample, key, own=True)
    if name != CUSTOM or sample.given is None:
        return Order(sample.name, name, _choose_ir(address))
    controls = read(sample.given)
    check = partial(inputs_of, sample.given)
    values = choose_given(address, controls, f"given/{sample.name}", check=check)
    written = as_address(controls, values)
    return Order(
        sample.name,
        name,
        _choose_ir(address),
        tuple(sorted(written.items())),
        values,
        own_name(controls, values),
    )


def _choose_ir(address: Address) -> str:
    return choose_one(address, "TorchScript", STATIC, "graph", None)


def last_input(sample: sample_models.Sample) -> str | None:
    """The input of a sample that a page showed last in this session, if it was of this sample."""
    last_sample, name = _shown()
    return name if last_sample == sample.name and name in sample.inputs else None


def choose_one(
    address: Address, label: str, options: Mapping[str, str], parameter: str, help: str | None
) -> str:
    """One of a few options in the sidebar, by the address parameter that it is kept in."""
    names = list(options)
    key = f"choice/{parameter}"
    address.options(parameter, names, key=key, start=names[0], what=label)
    chosen = st.sidebar.radio(
        label,
        names,
        key=key,
        on_change=acted,
        format_func=lambda name: told(options[name]),
        help=help,
    )
    return str(chosen)


def choose_view(views: Mapping[str, tuple[str, Any]], key: str) -> str:
    """One of a page's views, in a row of buttons; the address sets it.

    Args:
        views: (title, a text of the library, ...) of each, by name.
        key: of the widget.
    """
    chosen = st.segmented_control(
        say("View"),
        list(views),
        key=key,
        on_change=acted,
        format_func=lambda name: told(views[name][0]),
        required=True,
        label_visibility="collapsed",
    )
    return str(chosen)


def _shown() -> tuple[str, str]:
    """(sample, input) that a page showed last in this session."""
    found: tuple[str, str] | None = st.session_state.get(_SHOWN)
    return found or ("", "")
