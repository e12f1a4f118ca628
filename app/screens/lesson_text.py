"""The text of a step: what it explains and asks, and the teacher's notes."""

from __future__ import annotations

from functools import partial

import streamlit as st

from inspector_app.language_switch import name_of
from inspector_app.phrases import escaped, plainly, prose, say, spoken
from inspector_app.screens.lesson_desk import Desk, Now
from inspector_app.teaching import lesson as told


def step_text(now: Now, desk: Desk, missing: list[str]) -> None:
    """Draw a step.

    No fragment: leaving a field runs the page, and a button pressed in the same moment runs it
    again. Of a fragment's run and the page's, Streamlit may draw neither.

    Args:
        now: the step.
        desk: keeps what is written below the questions, and which answers are shown.
        missing: of what the step wants to show, what this run does not have, as sentences.
    """
    if now.lesson.language != spoken():
        language = name_of(now.lesson.language)
        st.caption(
            say(":material/translate: This lesson is there in {language} only.", language=language)
        )
    if now.number:
        st.markdown(f"##### {plainly(now.step.title)}")
    questions = 0
    for at, part in enumerate(now.step.parts):
        if isinstance(part, told.Text):
            st.markdown(part.markdown)
        elif isinstance(part, told.CodeHere):
            _code_here(now, desk, part.name, at)
        elif isinstance(part, told.Question):
            _question(desk, (now.lesson.name, now.number, questions), part)
            questions += 1
        elif now.notes:
            _notes(part, at)
    if missing:
        with st.container(key="lesson-missing"):
            for sentence in missing:
                st.caption(f":material/info: {prose(sentence)}")


def _code_here(now: Now, desk: Desk, name: str, at: int) -> None:
    """Where a code stands in the text: its name, and a way to it where another one is shown."""
    is_shown = now.code is not None and now.code.name == name
    if is_shown:
        st.markdown(f":material/code: `{name}.py`")
        return
    st.button(
        say("Show {file}", file=f"{escaped(name)}.py"),
        key=f"lesson-code-here-{at}",
        icon=":material/code:",
        type="tertiary",
        on_click=_show_code,
        args=(desk, name),
    )


def _show_code(desk: Desk, name: str) -> None:
    desk.choose(code=name)


def _question(desk: Desk, question: tuple[str, int, int], part: told.Question) -> None:
    key = "lesson-think-" + "-".join(map(str, question))
    with st.container(key=f"lesson-question-{question[2]}", gap="small"):
        st.markdown(f":material/help: {part.question}")
        if key not in st.session_state:
            st.session_state[key] = desk.thoughts.get(question, "")
        st.text_area(
            say("What do you think?"),
            key=key,
            height=68,
            placeholder=say("What do you think?"),
            label_visibility="collapsed",
            on_change=partial(_think, desk, question, key),
        )
        if not part.answer:
            return
        if question in desk.revealed:
            with st.container(key=f"lesson-answer-{question[2]}"):
                st.markdown(part.answer)
        else:
            st.button(
                say("Show the answer"),
                key=f"lesson-reveal-{question[2]}",
                icon=":material/visibility:",
                on_click=desk.revealed.add,
                args=(question,),
            )


def _think(desk: Desk, question: tuple[str, int, int], key: str) -> None:
    desk.thoughts[question] = str(st.session_state[key])


def _notes(part: told.Notes, at: int) -> None:
    with st.container(key=f"lesson-notes-{at}", gap="xsmall"):
        st.caption(say(":material/school: For the teacher"))
        st.markdown(part.markdown)
