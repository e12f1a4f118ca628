"""A page that waits for its job, says how far it is, and lets the viewer stop it.

    swept = awaited(choice, Sweep, Words(...), "sweep")
    if swept is None:
        return                  the page says instead how far it is, or why there is nothing

A session has one job of a page under way. What ran to its end is the job's to keep, for all
sessions; how the session's last one ended is kept here: stopped halfway, or failed.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, TypeVar

import streamlit as st

from inspector_app.address import redraw
from inspector_app.jobs import Job
from inspector_app.phrases import prose, say

PATIENCE = 1.5
"""Seconds to wait for a job before the page says how far it is: most take less."""

C = TypeVar("C")
R = TypeVar("R")


@dataclass(frozen=True)
class Words:
    """What a page calls its job.

    Attributes:
        begun: beside the spinner of the first moment.
        stop, stop_help: the button that stops it, and what is shown then.
        again: the button that starts it anew.
    """

    begun: str
    stop: str
    stop_help: str
    again: str


def awaited(choice: C, kind: type[Job[C, R]], words: Words, page: str) -> R | None:
    """What comes out of a choice, if it is there; else it is under way, or is said why not.

    Args:
        choice: what to work on. A job of another choice is stopped.
        kind: of job.
        words: what the page calls it.
        page: the name of the page: begins the keys of its widgets.

    Returns:
        The result, also that of a job which was stopped halfway; None where the page has said
        how far it is, or why nothing came out.
    """
    found = kind.finished(choice)
    if found is not None:
        return found
    ended: Job[C, R] | None = st.session_state.get(_last(page))
    if ended is None or ended.choice != choice:
        job = _under_way(choice, kind, words, page)
        if not job.ended:
            _progress(job, words, page)
            return None
        del st.session_state[_current(page)]
        ended = st.session_state[_last(page)] = job
    if ended.result is None:
        st.warning(prose(ended.reason), icon=":material/error:")
        again_button(words.again, page)
    return ended.result


def again_button(label: str, page: str, **look: Any) -> None:
    """A button that has the page work anew on what was stopped, or failed."""
    st.button(label, on_click=_again, args=(page,), key=f"{page}/again", **look)


def _current(page: str) -> str:
    """Where the session keeps the job that is under way."""
    return f"_{page}_job"


def _last(page: str) -> str:
    """Where it keeps the one that ended last."""
    return f"_{page}_ended"


def _again(page: str) -> None:
    for key in (_current(page), _last(page)):
        st.session_state.pop(key, None)


def _under_way(choice: C, kind: type[Job[C, R]], words: Words, page: str) -> Job[C, R]:
    """This session's job, begun if there is none; one of another choice is stopped."""
    job: Job[C, R] | None = st.session_state.get(_current(page))
    if job is None or job.choice != choice:
        if job is not None:
            job.stop()
        job = st.session_state[_current(page)] = kind(choice).start()
        with st.spinner(words.begun):
            job.wait(PATIENCE)
    return job


@st.fragment(run_every=0.5)
def _progress(job: Job[Any, Any], words: Words, page: str) -> None:
    """How far the job is, until it has ended or has been given up; then the page is drawn anew."""
    if job.ended or st.session_state.get(_current(page)) is not job:
        redraw()
    bar, stop = st.columns([5, 1], vertical_alignment="center")
    if job.waiting:
        text = say("Waiting: another recording runs on this server, and there is one at a time.")
        bar.progress(0.0, text=text)
    else:
        share, text = job.progress()
        bar.progress(share, text=text)
    stop.button(
        words.stop, key=f"{page}/stop", width="stretch", on_click=job.stop, help=words.stop_help
    )
