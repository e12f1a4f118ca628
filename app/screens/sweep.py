"""Sweep: run a sample on many inputs, and see which distinct graphs they give."""

from __future__ import annotations

import streamlit as st

from inspector_app.address import Address, acted
from inspector_app.choice import choose_sample
from inspector_app.parts import escaped
from inspector_app.phrases import prose, say, say_count
from inspector_app.screens.sweep_against import CHOSEN, against_view
from inspector_app.screens.sweep_choice import as_address, choose_sweep
from inspector_app.screens.sweep_variants import variants_view
from inspector_app.screens.sweep_views import chart_view, coverage_view, decisions_view
from inspector_app.sweepitems import Choice
from inspector_app.sweepruns import Sweep, Swept, finished

VIEWS = {
    "variants": ("Distinct graphs", variants_view),
    "against": ("Two in one picture", against_view),
    "decisions": ("What decides", decisions_view),
    "chart": ("Ops and time", chart_view),
    "coverage": ("Never run", coverage_view),
}
_JOB, _STOPPED, _FAILED = "_sweep", "_sweep_stopped", "_sweep_failed"
_REDRAWN = "_sweep_redrawn"
_WIDGETS = ("sweep/sample", "choice/over", "sweep/view", CHOSEN)
_CONTROLS, _RANGE = "sweep/control/", ("/start", "/stop", "/step")
"""Keys of the widgets that an address sets, and what others begin and end with."""
_AT_ONCE = 1.0
"""Seconds to wait for a sweep before the page says how far it is."""
_TOLD = 3
"""Inputs with a problem that are named at once."""


def page() -> None:
    """The page."""
    if st.session_state.pop(_REDRAWN, False):
        _say_again()
    address = Address("sweep")
    sample = choose_sample(address, "sweep/sample")
    choice = choose_sweep(address, sample)
    address.options("view", list(VIEWS), key="sweep/view", start="variants", what=say("view"))
    st.markdown(f"#### {escaped(say('Sweep: {title}', title=sample.title))}")
    address.tell()
    said = {"over": "files"} if choice is None else as_address(choice)
    if address.opened:
        st.session_state[CHOSEN] = address.asked.get("variant")
    shown = str(st.session_state["sweep/view"])
    variant = st.session_state.get(CHOSEN) if shown == "against" else None
    address.write(sample=sample.name, **said, view=shown, variant=variant)
    if choice is None:
        _nothing_yet()
        return
    above = st.container(gap="xsmall")
    view = _choose_view()
    with above:
        swept = _swept(choice)
        if swept is None:
            return
        _headline(swept)
    if swept.census.points:
        VIEWS[view][1](swept)


def _choose_view() -> str:
    chosen = st.segmented_control(
        say("View"),
        list(VIEWS),
        key="sweep/view",
        on_change=acted,
        format_func=lambda name: say(VIEWS[name][0]),
        required=True,
        label_visibility="collapsed",
    )
    return str(chosen)


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


# -- the sweep ------------------------------------------------------------------------------------


def _swept(choice: Choice) -> Swept | None:
    """The sweep of a choice, if it is there; else it is under way, or the page says why not."""
    found = finished(choice)
    if found is not None:
        return found
    stopped: Swept | None = st.session_state.get(_STOPPED)
    if stopped is not None and stopped.choice == choice:
        return stopped
    failed: tuple[Choice, str] | None = st.session_state.get(_FAILED)
    if failed is not None and failed[0] == choice:
        st.warning(prose(failed[1]), icon=":material/error:")
        st.button(say("Sweep again"), on_click=_again, key="sweep/again")
        return None
    job = _job(choice)
    if not job.ended:
        _progress(choice)
        return None
    _collect(job)
    return job.result or _swept(choice)


def _job(choice: Choice) -> Sweep:
    """This session's sweep, begun if there is none; one of another choice is stopped."""
    job: Sweep | None = st.session_state.get(_JOB)
    if job is None or job.choice != choice:
        if job is not None:
            job.stop()
        job = st.session_state[_JOB] = Sweep(choice).start()
        with st.spinner(say("Running the inputs …")):
            job.wait(_AT_ONCE)
    return job


def _collect(job: Sweep) -> None:
    """Keep what an ended sweep left for this session alone."""
    st.session_state.pop(_JOB, None)
    if job.result is None:
        st.session_state[_FAILED] = (job.choice, job.reason)
    else:
        st.session_state[_STOPPED] = job.result


def _again() -> None:
    """Forget what was stopped or failed: the page then sweeps anew."""
    for key in (_STOPPED, _FAILED, _JOB):
        st.session_state.pop(key, None)


def _say_again() -> None:
    """Tell the browser once more what the widgets are set to.

    A page that draws itself anew soon after the first time may overtake what it said then: a busy
    browser never saw it, and would show each widget's first option.
    """
    for key in [str(key) for key in st.session_state]:
        own = key.startswith("sweep/") and key.endswith(_RANGE)
        if own or key in _WIDGETS or key.startswith(_CONTROLS):
            st.session_state[key] = st.session_state[key]


@st.fragment(run_every=1.0)
def _progress(choice: Choice) -> None:
    """How far the sweep is, until it has ended; then the page is drawn anew."""
    job: Sweep | None = st.session_state.get(_JOB)
    if job is None or job.ended or job.choice != choice:
        st.session_state[_REDRAWN] = True
        st.rerun()
    bar, stop = st.columns([5, 1], vertical_alignment="center")
    text = say("Input {done} of {total} …", done=min(job.done + 1, job.total), total=job.total)
    if job.total and job.done == job.total:
        text = say("All inputs have run. Counting what they share …")
    elif not job.total:
        text = say("Making the inputs …")
    if job.waiting:
        text = say("Waiting: something else runs on this server, and there is one at a time.")
    bar.progress(job.done / job.total if job.total else 0.0, text=text)
    stop.button(
        say("Stop the sweep"),
        key="sweep/end",
        width="stretch",
        on_click=job.stop,
        help=say("Ends after the input it is at; those that ran so far are shown."),
    )


# -- the headline ---------------------------------------------------------------------------------


def _headline(swept: Swept) -> None:
    """What came out, in numbers; and which inputs are not among them."""
    census = swept.census
    failed = sum(variant.count for variant in census.failed)
    coverage = census.coverage
    told = [
        f":gray-badge[{say_count('1 input', '{count} inputs', len(census.points))}]",
        ":violet-badge["
        f"{say_count('1 distinct graph', '{count} distinct graphs', len(census.variants))}]",
    ]
    if failed:
        told.append(f":red-badge[{say_count('1 input failed', '{count} inputs failed', failed)}]")
    if coverage is not None:
        words = say("{percent} % of the IR ran", percent=f"{coverage.percent:.0f}")
        told.append(f":gray-badge[{words}]")
    untouched = len(census.untouched_parameters)
    if untouched:
        words = say_count("1 parameter unused", "{count} parameters unused", untouched)
        told.append(f":orange-badge[{words}]")
    st.markdown("&ensp;".join(told))
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
        button.button(say("Sweep again"), on_click=_again, key="sweep/again", width="stretch")


def _problems(swept: Swept) -> None:
    """Inputs that could not be made or run."""
    found = list(swept.refused)
    found += [(problem.label, problem.message) for problem in swept.census.problems]
    if found:
        lines = [f"- **{escaped(label)}**: {prose(reason)}" for label, reason in found]
        count = say_count("1 input is not counted:", "{count} inputs are not counted:", len(found))
        st.warning("\n".join([count, *lines[:_TOLD]]), icon=":material/error:")
        if len(lines) > _TOLD:
            with st.expander(say("{count} more", count=len(lines) - _TOLD)):
                st.markdown("\n".join(lines[_TOLD:]))
    for note in swept.census.notes:
        st.caption(prose(note))
