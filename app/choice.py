"""Choosing a sample and an input in the sidebar; what is chosen stands in the address."""

from __future__ import annotations

from collections.abc import Mapping

import streamlit as st

import sample_models
from inspector_app.parts import escaped
from inspector_app.phrases import say


def choose_sample(key: str) -> sample_models.Sample:
    """The sample chosen: by hand, else by the address, else the one explored last.

    Args:
        key: of the widget, of its own for each page.
    """
    catalog = sample_models.catalog()
    names = list(catalog)
    asked = st.query_params.get("sample") or _explored()[0]
    if asked and asked not in catalog and key not in st.session_state:
        try:
            sample_models.get(asked)
        except sample_models.UnknownSample as error:
            st.error(
                say(
                    "{reason} Showing “{title}” instead.",
                    reason=escaped(str(error)),
                    title=catalog[names[0]].title,
                )
            )
    name = st.sidebar.selectbox(
        say("Sample model"),
        names,
        index=names.index(asked) if asked in catalog else 0,
        key=key,
        format_func=lambda one: catalog[one].title,
        help=say("Each sample is one short file in sample_models/."),
    )
    return catalog[name]


def choose_input(sample: sample_models.Sample, key: str) -> str:
    """The name of the input chosen, likewise."""
    names = list(sample.inputs)
    asked = st.query_params.get("input") or _explored()[1]
    name = st.sidebar.radio(
        say("Input"),
        names,
        index=names.index(asked) if asked in names else 0,
        key=f"{key}/{sample.name}",
        captions=[sample.inputs[name].description for name in names],
    )
    return str(name)


def choose_one(label: str, options: Mapping[str, str], parameter: str, help: str) -> str:
    """One of a few options in the sidebar, by the address parameter that it is kept in."""
    names = list(options)
    asked = st.query_params.get(parameter)
    chosen = st.sidebar.radio(
        label,
        names,
        index=names.index(asked) if asked in names else 0,
        key=f"deploy/{parameter}",
        format_func=lambda name: options[name],
        help=help,
    )
    return str(chosen)


def remember(**choices: str) -> None:
    """Keep what is shown in the address, so that it can be shared."""
    for name, value in choices.items():
        if st.query_params.get(name) != value:
            st.query_params[name] = value


def _explored() -> tuple[str, str]:
    """(sample, input) that the page “Explore a model” showed last in this session."""
    found: tuple[str, str] | None = st.session_state.get("_shown")
    return found or ("", "")
