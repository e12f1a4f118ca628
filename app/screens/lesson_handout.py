"""The hand-out of a lesson: one page to print with all its graphs, made when it is asked for."""

from __future__ import annotations

import streamlit as st

from inspector_app.lessonruns import ran_at_last
from inspector_app.phrases import say
from inspector_app.programs import Ran
from inspector_app.teaching import pictures
from inspector_app.teaching.handout import handout, needed
from inspector_app.teaching.lesson import Lesson
from inspector_app.teaching.trial import program_of


def handout_choice(lesson: Lesson) -> None:
    """Offer the hand-out of the lesson as it stands in its file, whatever was edited."""
    with st.popover(say("Hand-out"), icon=":material/print:", width="stretch"):
        st.markdown(say("One page to print, with the text, the code and all graphs."))
        answers = st.checkbox(say("With the answers"), value=True, key="lesson-handout-answers")
        notes = st.checkbox(say("With the notes for the teacher"), key="lesson-handout-notes")
        st.download_button(
            say("Download"),
            lambda: handout_of(lesson, answers=answers, notes=notes),
            file_name=f"{lesson.name}.html",
            mime="text/html",
            key="lesson-handout",
            icon=":material/download:",
            on_click="ignore",
            width="stretch",
        )


def handout_of(lesson: Lesson, *, answers: bool, notes: bool) -> str:
    """The hand-out, with what is not known of its programs run now: takes seconds.

    Args:
        lesson: in the language of the hand-out.
        answers: with the answers at the end.
        notes: with the notes for the teacher.
    """
    runs = {}
    for name, given in needed(lesson):
        code = lesson.code(name)
        assert code is not None
        runs[name, given] = _on_paper(ran_at_last(program_of(code, given)))
    return handout(lesson, runs, answers=answers, notes=notes)


def _on_paper(ran: Ran | None) -> pictures.Ran:
    """What the hand-out needs of a run; nothing of a program that could not be run at all.

    An exception is told by the output already.
    """
    if ran is None:
        return pictures.Ran()
    outcome = ran.outcome
    book = None if ran.run is None else ran.run.book
    reason = "" if outcome.ended in ("done", "failed") else outcome.reason
    return pictures.Ran(book, outcome.output, reason)
