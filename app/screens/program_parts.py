"""What the pages say of a program that runs, or has run: how far, what it prints, how it ended."""

from __future__ import annotations

from collections.abc import Callable

import streamlit as st

from inspector_app.address import redraw
from inspector_app.phrases import escaped, printable, prose, say, together, told
from inspector_app.programs import ProgramJob, Ran
from inspector_app.sandbox import Isolation, Outcome

LOOK_SECONDS = 0.4
"""Between two looks how far a program is."""


@st.fragment(run_every=LOOK_SECONDS)
def how_far(
    job: ProgramJob, waited_for: Callable[[], object], *, key: str, on_stop: Callable[[], None]
) -> None:
    """Draw how long a program has run; the page is drawn anew when it has ended.

    Args:
        job: the program's.
        waited_for: gives the job that the page waits for now.
        key: of the button that stops it.
        on_stop: what it does.
    """
    if job.ended or waited_for() is not job:
        redraw()
    _, seconds = job.progress()
    words = say("Running, {seconds}", seconds=seconds)
    with st.container(key="recording", horizontal=True, vertical_alignment="center", gap="small"):
        st.markdown(f":material/progress_activity: {words}")
        st.button(say("Stop"), key=key, type="tertiary", on_click=on_stop)


def printed(job: ProgramJob | None, ran: Ran | None) -> None:
    """Draw what a program prints, as it comes, or has printed."""
    if job is not None:
        _heard(job)
    elif ran is None or not ran.outcome.output:
        st.caption(say("The program printed nothing."))
    else:
        st.code(printable(ran.outcome.output), language="text", wrap_lines=True)


@st.fragment(run_every=LOOK_SECONDS)
def _heard(job: ProgramJob) -> None:
    if job.heard:
        st.code(printable(job.heard), language="text", wrap_lines=True)


def failed_lines(ran: Ran | None, text: str) -> dict[int, str]:
    """The line at which the last run of this text ended, and what was wrong with it."""
    if ran is None or ran.outcome.line is None or ran.program.source != text:
        return {}
    if ran.outcome.ended == "stopped":
        return {}  # nothing is wrong there
    return {ran.outcome.line: printable(told(ran.outcome.reason))}


def isolation_mark(isolation: Isolation) -> None:
    """Draw a shield that tells what kept the program apart."""
    shield = ":material/shield:" if isolation.complete else ":material/gpp_maybe:"
    st.caption(shield, help=prose(isolation.sentence), width="content")


def how_it_ended(ran: Ran | None, reason: str) -> None:
    """Say how the last run ended, in plain words, with what to do where it was ended.

    Args:
        ran: what came of it.
        reason: why there was no run at all.
    """
    if reason:
        st.error(prose(reason), icon=":material/error:")
    elif ran is not None and ran.outcome.ended != "done":
        _ended(ran.outcome)
    elif ran is not None and ran.outcome.static_reason:
        st.caption(f":material/info: {prose(ran.outcome.static_reason)}")


def _ended(outcome: Outcome) -> None:
    some = outcome.recording is not None and outcome.recording.ops
    partly = say("The graph shows what ran until then.") if some else ""
    reason = printable(told(outcome.reason))
    words = together([escaped(reason), _advice(outcome.ended), partly])
    if outcome.ended == "stopped":
        st.info(words, icon=":material/stop_circle:")
    elif outcome.ended in ("time", "memory"):
        st.warning(words, icon=":material/timer_off:")
    else:
        st.error(words, icon=":material/error:")


def _advice(ended: str) -> str:
    """What to do, where the program itself was not told what is wrong."""
    if ended == "time":
        return say("Look for a loop that does not end, or let it run fewer times.")
    if ended == "memory":
        return say("Make its tensors smaller, or keep fewer of them.")
    if ended == "crashed":
        return say("Undo your last change, and run it again.")
    return ""
