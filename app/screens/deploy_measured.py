"""Part 2 of the page “Deploy”: how long the variants of the model take, measured here."""

from __future__ import annotations

from datetime import UTC, datetime
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

import streamlit as st

from inspector.language import sentence
from inspector_app.measuring import Job, Measured
from inspector_app.phrases import escaped, prose, row, say, say_count, told
from inspector_app.screens.deploy_results import measured_view
from inspector_app.subject import COMPILE_SECONDS, Order, Subject

SIZES = (1, 2, 4, 8, 16, 32)
_JOB = "_measuring"
_RESULTS = "_measured"
_BUDGETS = {1.0: sentence("quick"), 3.0: sentence("usual"), 10.0: sentence("thorough")}
_PHASES = {
    "starting": sentence("Starting a process that does nothing else …"),
    "variants": sentence("Timing the variants in turns …"),
    "sizes": sentence("Timing batches of several sizes …"),
}


def measured_of(subject: Subject) -> Measured | None:
    """What this session measured of a model, if it did."""
    found: dict[Subject, Measured] = st.session_state.get(_RESULTS, {})
    return found.get(subject)


def running_job() -> Job | None:
    """This session's measurement, waiting or under way; what a finished one found is kept."""
    job: Job | None = st.session_state.get(_JOB)
    if job is not None and job.finished:
        _collect(job)
        return None
    return job


def part(subject: Subject, way: str) -> None:
    """The measurements of one model: asked for, under way, or there."""
    job = running_job()
    result = measured_of(subject)
    st.markdown(_headline(result))
    _controls(subject, job)
    if job is not None:
        progress(subject)
    if result is not None:
        measured_view(result)


def _headline(result: Measured | None) -> str:
    """What was measured and when: always one line, so that nothing below it jumps."""
    if result is None:
        return say(
            "**Nothing has been measured yet** for this model, input and mode. *Measure now* "
            "times its variants in turns, on this machine."
        )
    return say(
        "**{model}** on {inputs}, measured at {time}.",
        model=escaped(result.timing.model),
        inputs=escaped(row(result.timing.inputs)) or say("no tensor"),
        time=_local(result.when),
    )


def _local(when: datetime) -> str:
    """In the reader's time zone, as far as the browser names one that is known here."""
    try:
        zone = ZoneInfo(st.context.timezone) if st.context.timezone else UTC
    except (ZoneInfoNotFoundError, ValueError):
        zone = UTC
    return f"{when.astimezone(zone):%Y-%m-%d %H:%M:%S}"


def _controls(subject: Subject, job: Job | None) -> None:
    start, budget, sizes, compiled = st.columns([2, 2, 2, 3], vertical_alignment="bottom")
    seconds = budget.selectbox(
        say("Time budget"),
        list(_BUDGETS),
        index=1,
        key="deploy/budget",
        format_func=lambda one: say("{seconds:g} s, {word}", seconds=one, word=told(_BUDGETS[one])),
        help=say(
            "For the timed calls. Making and warming up the variants comes on top; batch sizes "
            "get twice as long."
        ),
    )
    with_sizes = sizes.toggle(say("Batch sizes too"), value=True, key="deploy/sizes")
    with_compile = compiled.toggle(
        say("`torch.compile` too"),
        key="deploy/compile",
        help=say(
            "Needs a C++ compiler and some 10 s or more; given up after {seconds:g} s.",
            seconds=COMPILE_SECONDS,
        ),
    )
    order = Order(subject, seconds, with_compile, SIZES if with_sizes else ())
    start.button(
        say("Measure now") if measured_of(subject) is None else say("Measure again"),
        type="primary",
        disabled=job is not None,
        key="deploy/measure",
        width="stretch",
        on_click=_start,
        args=(order,),
    )
    reason = st.session_state.get("_measuring_failed")
    if reason is not None and job is None:
        st.warning(prose(reason), icon=":material/error:")


def _start(order: Order) -> None:
    st.session_state.pop("_measuring_failed", None)
    st.session_state[_JOB] = Job(order).start()


def _collect(job: Job) -> None:
    """Keep what a finished job found, or why it found nothing."""
    st.session_state.pop(_JOB, None)
    if job.result is not None:
        st.session_state.setdefault(_RESULTS, {})[job.order.subject] = job.result
    else:
        st.session_state["_measuring_failed"] = job.reason


# -- under way -----------------------------------------------------------------------------------


@st.fragment(run_every=0.7)
def progress(subject: Subject) -> None:
    """How far this session's measurement is, until it is finished; then the page is drawn anew."""
    job: Job | None = st.session_state.get(_JOB)
    if job is None or job.finished:
        st.rerun()
    bar, stop = st.columns([5, 1], vertical_alignment="center")
    bar.progress(min(0.97, job.seconds / job.expected), text=_progress_text(job))
    stop.button(say("Stop"), key="deploy/stop", width="stretch", on_click=job.cancel)
    if job.order.subject != subject:
        st.caption(
            say(
                "This is the measurement of “{sample}” with “{input}”, which you started before.",
                sample=job.order.subject.sample,
                input=told(job.order.subject.input),
            )
        )


def _progress_text(job: Job) -> str:
    if job.phase == "waiting":
        return say_count(
            "Waiting: another measurement runs on this machine, and two at once would slow each "
            "other down.",
            "Waiting: {count} other measurements come first, and two at once would slow each "
            "other down.",
            max(1, job.ahead()),
        )
    return say(
        "{phase} {seconds:.0f} s of about {expected:.0f} s",
        phase=told(_PHASES.get(job.phase, "")),
        seconds=job.seconds,
        expected=job.expected,
    )
