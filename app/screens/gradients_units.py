"""The view of dead units: zeros of rectifiers, and parameters that no gradient reaches."""

from __future__ import annotations

import streamlit as st

from inspector.gradients import Rectifier, places_of
from inspector.render.gradient_units import unit_figure, zeros_figure
from inspector_app.phrases import say, say_count, told
from inspector_app.screens.gradients_parts import Shown, chart, theme
from inspector_app.screens.gradients_words import about, listed, plain

_UNITS = 24


@st.fragment
def zeros_view(shown: Shown) -> None:
    """Bars of zeros per rectifier, the units of one of them, and what never got a gradient."""
    rectifiers = shown.report.rectifiers
    unreached = about(shown.report, shown.recording, "no gradient", "always zero", "zero at last")
    if not rectifiers:
        st.info(
            say(
                "No op of this run sets negative values to zero, as ReLU does, so no unit can die"
                " that way."
            )
        )
        _unreached(unreached)
        return
    left, right = st.columns(2, gap="medium")
    with left:
        found = about(shown.report, shown.recording, "dead", "dead units", "mostly zero")
        figure = zeros_figure(rectifiers, theme(), translate=told)
        if figure is not None:
            chart(figure, plain(found) or say("No rectifier is dead."))
        st.caption(
            say(
                "Look for bars near 100 %: about half is usual for a ReLU. What is zero passes no"
                " gradient back."
            )
        )
        st.markdown(found or say("No rectifier is dead or close to it."))
        _unreached(unreached)
    with right:
        _units(shown, rectifiers)


def _unreached(found: str) -> None:
    st.markdown(found or say("Every parameter that asks for a gradient got one that is not zero."))


def _units(shown: Shown, rectifiers: tuple[Rectifier, ...]) -> None:
    """One rectifier, unit by unit."""
    known = [i for i, one in enumerate(rectifiers) if one.units]
    if not known:
        st.info(
            say(
                "Single units are known where values were recorded:"
                ' `CaptureOptions(values="full")`.'
            )
        )
        return
    worst = max(known, key=lambda i: (len(rectifiers[i].dead), rectifiers[i].zeros))
    number = worst
    if len(known) > 1:
        key = f"{shown.key}/rectifier"
        if st.session_state.get(key) not in known:
            st.session_state[key] = worst
        number = st.selectbox(
            say("Rectifier"),
            known,
            key=key,
            format_func=lambda one: told(places_of(rectifiers)[one]),
        )
    one = rectifiers[number]
    name = told(places_of(rectifiers)[number])
    words = _told(one, name)
    figure = unit_figure(one, theme(), name=name, translate=told)
    if figure is not None:
        chart(figure, plain(words))
    st.caption(
        say(
            "Look for columns that end in the warning colour: such a unit is zero for all samples,"
            " passes no gradient on, and seldom comes back."
        )
    )
    st.markdown(words)


def _told(one: Rectifier, name: str) -> str:
    if not one.dead:
        return say("All {count} units of {name} let something through at the end.",
                   count=len(one.units), name=listed([name]))  # fmt: skip
    numbers = ", ".join(map(str, one.dead[:_UNITS])) + (" …" if len(one.dead) > _UNITS else "")
    return say_count(
        "Of {units} units of {name}, one is dead at the end: number {numbers}.",
        "Of {units} units of {name}, {count} are dead at the end: numbers {numbers}.",
        len(one.dead),
        units=len(one.units),
        name=listed([name]),
        numbers=numbers,
    )
