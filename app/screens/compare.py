"""Compare two runs: one picture of both, and what differs between them."""

from __future__ import annotations

from dataclasses import replace

import streamlit as st

import sample_models
from inspector.language import sentence
from inspector_app.address import Address, acted, write_some
from inspector_app.choice import choose_one, choose_sample, last_input
from inspector_app.component import Place, look_anew, workbench
from inspector_app.pairruns import Pair, run_pair
from inspector_app.parts import failure_banner
from inspector_app.phrases import escaped, prose, say, told
from inspector_app.screens.compare_files import choose_files
from inspector_app.screens.compare_tables import compare_tables
from inspector_app.screens.compare_words import badges, explanation

KINDS = {"inputs": sentence("Two inputs of a sample"), "files": sentence("Two recordings")}
_GO = "_compare_go"


def page() -> None:
    """The page."""
    address = Address("compare")
    of = choose_one(address, say("Compare"), KINDS, "of", None)
    if of == "files":
        _files(address)
    else:
        _inputs(address)


def _inputs(address: Address) -> None:
    """Two inputs of a sample."""
    sample = choose_sample(address, "compare/sample")
    a, b = _choose_two(address, sample)
    shown = {"sample": sample.name, "a": a, "b": b}
    place = _place(address, shown)
    st.markdown(f"#### {escaped(told(sample.title))}")
    if a == b:
        address.write(**shown)
        _same_twice(sample)
        return
    address.write(**shown, **place.as_address())
    _show(run_pair(sample.name, a, b), "/".join(("compare", sample.name, a, b)), place)


def _files(address: Address) -> None:
    """Two recording files."""
    st.markdown(f"#### {say('Two recordings')}")
    pair, named = choose_files(address)
    shown = {"of": "files", **named}
    place = _place(address, shown)
    if pair is None:
        address.write(**shown)
        return
    address.write(**shown, **place.as_address())
    _show(pair, f"compare/files/{id(pair)}", place)


def _place(address: Address, shown: dict[str, str]) -> Place:
    """What the address says to look at, if it says so of what is shown."""
    same = all(address.asked.get(name, value) == value for name, value in shown.items())
    address.tell()
    if address.opened:
        look_anew()
    return Place.of_address(address.asked) if same else Place()


def _choose_two(address: Address, sample: sample_models.Sample) -> tuple[str, str]:
    """The names of the inputs A and B."""
    names = list(sample.inputs)
    last = last_input(sample) or names[0]
    other = next((name for name in names if name != last), names[0])
    starts = {"a": last, "b": other}
    found = []
    for side, start in starts.items():
        key = _key(side, sample)
        address.options(side, names, key=key, start=start, what=say("input"))
        name = st.sidebar.selectbox(
            say("Input {side}", side=side.upper()),
            names,
            key=key,
            on_change=acted,
            format_func=told,
        )
        st.sidebar.caption(prose(sample.inputs[str(name)].description))
        found.append(str(name))
    st.sidebar.button(
        say("Swap A and B"),
        icon=":material/swap_vert:",
        on_click=_swap,
        args=(sample,),
        width="stretch",
        disabled=len(names) < 2,
    )
    return found[0], found[1]


def _key(side: str, sample: sample_models.Sample) -> str:
    return f"compare/{side}/{sample.name}"


def _swap(sample: sample_models.Sample) -> None:
    acted()
    a, b = _key("a", sample), _key("b", sample)
    st.session_state[a], st.session_state[b] = st.session_state[b], st.session_state[a]


def _same_twice(sample: sample_models.Sample) -> None:
    if len(sample.inputs) < 2:
        st.info(say("This sample has one input only: there is nothing to compare it with."))
    else:
        st.info(
            say("A and B are the same input. Choose another one for A or B, in the sidebar."),
            icon=":material/compare:",
        )


@st.fragment
def _show(pair: Pair, key: str, place: Place) -> None:
    above = explanation(pair.comparison)
    badges(pair, _go)
    for run, name in zip((pair.a, pair.b), pair.names, strict=True):
        if run.recording.failure is not None:
            st.caption(f"**{escaped(told(name))}**")
            failure_banner(run.recording)
    asked: int | None = st.session_state.pop(_GO, None)
    if asked is not None:
        now = Place.of_address(st.query_params.to_dict())
        place = replace(now, selected=f"dynamic/op:{asked}")
    now = workbench(pair.book, key=key, place=place)
    st.html(f"<style>:root {{ --wb-above: {above}px }}</style>")
    write_some(**now.as_address())
    compare_tables(pair, key, _go)


def _go(op: int) -> None:
    """Select an op in the graph: a callback, before the fragment is run anew."""
    st.session_state[_GO] = op
    look_anew()
