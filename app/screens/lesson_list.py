"""The list of lessons, and what is wrong with those that cannot be used."""

from __future__ import annotations

import streamlit as st

from inspector_app.language_switch import name_of
from inspector_app.phrases import escaped, plainly, prose, say, say_count, spoken
from inspector_app.screens.lesson_moves import open_lesson
from inspector_app.teaching.folder import Shelf
from inspector_app.teaching.lesson import Lesson, Problem

_ACROSS = 3


def lesson_list(shelf: Shelf) -> None:
    """Draw a card for each lesson, in their order; below them the mistakes in the others."""
    st.markdown(f"#### {say('Lessons')}")
    st.markdown(
        say("Each lesson is a few steps beside a live graph. You can change its code and run it.")
    )
    if not shelf.entries:
        st.info(say("There is no lesson here that can be used."))
    lessons = [entry.told_in(spoken()) for entry in shelf.entries]
    for first in range(0, len(lessons), _ACROSS):
        columns = st.columns(_ACROSS)
        for column, lesson in zip(columns, lessons[first : first + _ACROSS], strict=False):
            with column:
                _card(lesson)
    if shelf.problems:
        _problems(shelf.problems)


def _card(lesson: Lesson) -> None:
    with st.container(border=True, height="stretch", key=f"lesson-card-{lesson.name}"):
        st.markdown(f"**{plainly(lesson.title)}**")
        if lesson.about:
            st.markdown(plainly(lesson.about))
        facts = [say_count("1 step", "{count} steps", len(lesson.steps) - 1)]
        if lesson.minutes is not None:
            facts.append(say_count("1 minute", "{count} minutes", lesson.minutes))
        if lesson.language != spoken():
            facts.append(say("{language} only", language=name_of(lesson.language)))
        with st.container(horizontal=True, vertical_alignment="center"):
            st.button(
                say("Open"),
                key=f"lesson-open-{lesson.name}",
                on_click=open_lesson,
                args=(lesson.name,),
            )
            st.caption(" · ".join(facts))


def _problems(problems: tuple[Problem, ...]) -> None:
    files = len({problem.file for problem in problems})
    with st.container(key="lesson-problems"):
        st.warning(
            say_count(
                "One lesson file cannot be used:", "{count} lesson files cannot be used:", files
            )
            + "".join(f"\n- {_place(problem)}: {prose(problem.message)}" for problem in problems),
            icon=":material/error:",
        )


def _place(problem: Problem) -> str:
    line = f":{problem.line}" if problem.line else ""
    return f"**{escaped(problem.file)}{line}**"
