"""Sweep: run a sample on many inputs, and see which distinct graphs they give."""

from __future__ import annotations

import streamlit as st

from inspector.language import sentence
from inspector_app.address import Address
from inspector_app.awaiting import Words, again_button, awaited
from inspector_app.choice import choose_sample, choose_view
from inspector_app.phrases import escaped, prose, say, say_count, told
from inspector_app.screens.sweep_against import CHOSEN, against_view
from inspector_app.screens.sweep_choice import as_address, choose_sweep
from inspector_app.screens.sweep_variants import variants_view
from inspector_app.screens.sweep_views import chart_view, coverage_view, decisions_view
from inspector_app.sweepitems import refusal
from inspector_app.sweepruns import Sweep, Swept

VIEWS = {
    "variants": (sentence("Distinct graphs"), variants_view),
    "against": (sentence("Two in one picture"), against_view),
    "decisions": (sentence("What decides"), decisions_view),
    "chart": (sentence("Ops and time"), chart_view),
    "coverage": (sentence("Never run"), coverage_view),
}
_TOLD = 3
"""Inputs with a problem that are named at once."""


def page() -> None:
    """The page."""
    address = Address("sweep")
    sample = choose_sample(address, "sweep/sample")
    choice = choose_sweep(address, sample)
    address.options("view", list(VIEWS), key="sweep/view", start="variants", what=say("view"))
    st.markdown(f"#### {escaped(say('Sweep: {title}', title=told(sample.title)))}")
    address.tell()
    said = {"over": "files"} if choice is None else as_address(choice)
    if address.opened:
        st.session_state[CHOSEN] = address.asked.get("variant")
    address.keep(CHOSEN)
    shown = str(st.session_state["sweep/view"])
    variant = st.session_state.get(CHOSEN) if shown == "against" else None
    address.write(sample=sample.name, **said, view=shown, variant=variant)
    if choice is None:
        _nothing_yet()
        return
    reason = refusal(choice)
    if reason:
        st.warning(prose(reason), icon=":material/error:")
        return
    above = st.container(gap="xsmall")
    view = choose_view(VIEWS, "sweep/view")
    with above:
        swept = awaited(choice, Sweep, _words(), "sweep")
        if swept is None:
            return
        _headline(swept)
    if swept.census.points:
        VIEWS[view][1](swept)


def _nothing_yet() -> None:
    st.info(
        say(
            "Which graphs do your inputs give? Choose files in the sidebar, one input in each:"
            " the model runs on all of them, and each distinct graph is shown once, with how many"
            " inputs take it and what decides between them. Without files, sweep over the sample's"
            " own inputs or over the range of a control."
        ),
        icon=":material/stacks:",
    )


def _words() -> Words:
    return Words(
        begun=say("Running the inputs …"),
        stop=say("Stop the sweep"),
        stop_help=say("Ends after the input it is at; those that ran so far are shown."),
        again=say("Sweep again"),
    )


# -- the headline ---------------------------------------------------------------------------------


def _headline(swept: Swept) -> None:
    """What came out, in numbers; and which inputs are not among them."""
    census = swept.census
    failed = sum(variant.count for variant in census.failed)
    coverage = census.coverage
    numbers = [
        f":gray-badge[{say_count('1 input', '{count} inputs', len(census.points))}]",
        ":violet-badge["
        f"{say_count('1 distinct graph', '{count} distinct graphs', len(census.variants))}]",
    ]
    if failed:
        numbers.append(
            f":red-badge[{say_count('1 input failed', '{count} inputs failed', failed)}]"
        )
    if coverage is not None:
        words = say("{percent} % of the IR ran", percent=f"{coverage.percent:.0f}")
        numbers.append(f":gray-badge[{words}]")
    untouched = len(census.untouched_parameters)
    if untouched:
        words = say_count("1 parameter unused", "{count} parameters unused", untouched)
        numbers.append(f":orange-badge[{words}]")
    st.markdown("&ensp;".join(numbers))
    _left(swept)
    _problems(swept)


def _left(swept: Swept) -> None:
    if swept.left:
        words, button = st.columns([5, 1], vertical_alignment="center")
        words.caption(
            say(
                ":material/info: {left} more inputs were not run: the sweep was stopped or took"
                " too long. What is shown is of those that ran.",
                left=f"{swept.left:,}",
            )
        )
        with button:
            again_button(say("Sweep again"), "sweep", width="stretch")


def _problem(label: str, reason: str) -> str:
    return say("**{name}**: {reason}", name=escaped(told(label)), reason=prose(reason))


def _problems(swept: Swept) -> None:
    """Inputs that could not be made or run."""
    found = list(swept.refused)
    found += [(problem.label, problem.message) for problem in swept.census.problems]
    if found:
        lines = [f"- {_problem(label, reason)}" for label, reason in found]
        count = say_count("1 input is not counted:", "{count} inputs are not counted:", len(found))
        st.warning("\n".join([count, *lines[:_TOLD]]), icon=":material/error:")
        if len(lines) > _TOLD:
            with st.expander(say("{count} more", count=len(lines) - _TOLD)):
                st.markdown("\n".join(lines[_TOLD:]))
    for note in swept.census.notes:
        st.caption(prose(note))
