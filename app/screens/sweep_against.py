"""A variant of a sweep against the most common one: both in one picture, as on “Compare”."""

from __future__ import annotations

from urllib.parse import urlencode

import streamlit as st

import inspector
from inspector.counted import Variant
from inspector.language import sentence
from inspector_app.address import acted, write_some
from inspector_app.component import Place, look_anew, workbench
from inspector_app.pairruns import Pair
from inspector_app.phrases import language_query, say, told
from inspector_app.runs import Run
from inspector_app.screens.compare_words import badges, explanation
from inspector_app.sweepruns import Swept

CHOSEN = "sweep/against"
"""Key of the widget that chooses the variant, by its number as text."""

_GO = "_sweep_go"
_CHOICE_ROOM = 130
"""Px above the graph for the choice of a variant, the headline's numbers and the views."""


def choose_variant(number: int) -> None:
    """Show this view of a variant: a callback."""
    acted()
    st.session_state["sweep/view"] = "against"
    st.session_state[CHOSEN] = str(number)


def against_view(swept: Swept) -> None:
    """The chosen variant (B) and the most common one (A)."""
    variants = swept.census.variants
    if len(variants) < 2:
        st.info(say("There is one graph for all of these inputs: nothing to compare it with."))
        return
    choice, link = st.columns([3, 2], vertical_alignment="center")
    with choice:
        number = _choose(swept)
    write_some(variant=str(number))
    if swept.choice.over == "inputs":
        link.markdown(_compare_link(swept, variants[number]))
    else:
        link.caption(say("A sweep records what ran, without values."))
    _show(_pair(swept, number), f"sweep/{id(swept)}/{number}")


def _compare_link(swept: Swept, variant: Variant) -> str:
    """Markdown that leads to the runs of both examples with all that can be known of them."""
    named = {"a": swept.census.variants[0].label, "b": variant.label}
    query = urlencode({"sample": swept.choice.sample} | named | language_query())
    words = say("These inputs with their values, on “Compare”")
    return f":material/compare: [{words}](./compare?{query})"


def _choose(swept: Swept) -> int:
    variants = swept.census.variants
    numbers = [str(number) for number in range(1, len(variants))]
    if st.session_state.get(CHOSEN) not in numbers:
        st.session_state[CHOSEN] = numbers[0]
    return int(
        st.selectbox(
            say("Variant to compare with variant 0"),
            numbers,
            key=CHOSEN,
            on_change=acted,
            format_func=lambda one: told(_name(int(one), variants[int(one)])),
            label_visibility="collapsed",
        )
    )


def _name(number: int, variant: Variant) -> str:
    return sentence("variant {number} ({label})", number=number, label=variant.label)


def _pair(swept: Swept, number: int) -> Pair:
    found = swept.pairs.get(number)
    if found is None:
        a, b = swept.census.variants[0], swept.census.variants[number]
        names = (_name(0, a), _name(number, b))
        found = swept.pairs[number] = Pair(_run(swept, a), _run(swept, b), names)
    return found


def _run(swept: Swept, variant: Variant) -> Run:
    coverage = swept.census.coverage
    if coverage is None:
        return Run(variant.recording, None, None, swept.census.no_coverage)
    overlay = inspector.overlay(coverage.graph, variant.recording)
    return Run(variant.recording, coverage.graph, overlay, "")


@st.fragment
def _show(pair: Pair, key: str) -> None:
    above = explanation(pair.comparison)
    badges(pair, _go)
    asked: int | None = st.session_state.pop(_GO, None)
    workbench(pair.book, key=key, place=_place(asked))
    st.html(f"<style>:root {{ --wb-above: {above + _CHOICE_ROOM}px }}</style>")


def _place(op: int | None) -> Place:
    return Place() if op is None else Place(selected=f"dynamic/op:{op}")


def _go(op: int) -> None:
    """Select an op in the graph: a callback, before the fragment is run anew."""
    st.session_state[_GO] = op
    look_anew()
