"""Lessons: the list of them, and one of them step by step beside its graph."""

from __future__ import annotations

from dataclasses import replace

import streamlit as st

from inspector_app import sandbox
from inspector_app.address import Address
from inspector_app.component import Place
from inspector_app.lessonruns import prepare
from inspector_app.phrases import plainly, say, spoken
from inspector_app.screens.lesson_code import code_panel, keep_editor
from inspector_app.screens.lesson_desk import Desk, Now, desk, runs_of
from inspector_app.screens.lesson_graph import ask_for, graph_side, looked_at
from inspector_app.screens.lesson_handout import handout_choice
from inspector_app.screens.lesson_list import lesson_list
from inspector_app.screens.lesson_moves import (
    choose_notes,
    chosen_lesson,
    chosen_step,
    moves,
    open_lesson,
    present,
    presents,
)
from inspector_app.screens.lesson_text import step_text
from inspector_app.teaching.folder import lessons_in
from inspector_app.teaching.lesson import CodeHere, Lesson, Text, state

_SHARES = (37, 63)
"""Of the page's width: the text and the graph."""

_FULL = """<style>
[data-testid=stSidebar], [data-testid=stHeader], [data-testid=stExpandSidebarButton] {
  display: none;
}
.st-key-lesson-text, .st-key-lesson-code { zoom: 1.3; }
.st-key-lesson-graph { --wb-large: 1; --wb-card: clamp(170px, 20vh, 226px); }
</style>"""


def page() -> None:
    """The page."""
    address = Address("lessons")
    shelf = lessons_in()
    entry = shelf.find(chosen_lesson(address, [entry.name for entry in shelf.entries]))
    if entry is None:
        address.tell(in_sidebar=False)
        address.write()
        sandbox.prepare()  # so that the first program does not wait for torch
        lesson_list(shelf)
    else:
        _lesson(address, entry.told_in(spoken()))


def _lesson(address: Address, lesson: Lesson) -> None:
    number = chosen_step(address, lesson)
    address.tell(in_sidebar=False)
    seat = desk()
    now = replace(seat.now(lesson, number), notes=choose_notes(), presents=presents())
    _sidebar(now)
    address.write(
        lesson=lesson.name,
        step=str(number),
        present="1" if now.presents else None,
        notes="1" if now.notes else None,
    )
    keep_editor(now, seat, anew=address.opened)
    ask_for(now, seat)
    place, missing = looked_at(now, seat)
    _sides(now, seat, place, missing)
    if seat.job is None:
        _prepare_next(now, seat)


def _sidebar(now: Now) -> None:
    with st.sidebar:
        handout_choice(now.lesson)
        st.button(
            say("Present"),
            key="lesson-present",
            icon=":material/slideshow:",
            width="stretch",
            help=say("The lesson alone, in large type. Esc ends it."),
            on_click=present,
            args=(True,),
        )
        st.button(
            say("All lessons"),
            key="lesson-all",
            icon=":material/list:",
            width="stretch",
            on_click=open_lesson,
            args=("",),
        )


def _sides(now: Now, seat: Desk, place: Place, missing: list[str]) -> None:
    """The text with the code below it, and the graph beside both."""
    st.html(_FULL if now.presents else "<style></style>")
    text, graph = st.columns(_SHARES)
    with text, st.container(key="lesson-side", gap="small"):
        st.markdown(f"#### {plainly(now.lesson.title)}")
        with st.container(key="lesson-text"):
            step_text(now, seat, missing)
        with st.container(key="lesson-code"):
            if now.code is not None and now.presents:
                with st.expander(say("Code"), expanded=_names_its_code(now)):
                    code_panel(now, seat)
            elif now.code is not None:
                code_panel(now, seat)
        moves(now)
    with graph, st.container(key="lesson-graph", gap="small"):
        graph_side(now, seat, place)


def _names_its_code(now: Now) -> bool:
    """Whether the step's text is about its code, so that both have to be seen."""
    assert now.code is not None
    name = now.code.name
    return any(
        part.name == name if isinstance(part, CodeHere) else f"{name}.py" in part.markdown
        for part in now.step.parts
        if isinstance(part, CodeHere | Text)
    )


def _prepare_next(now: Now, seat: Desk) -> None:
    """Run what the next step shows, so that it is there when it is asked for."""
    if now.number < now.last:
        shown = state(now.lesson, now.number + 1)
        wanted = runs_of(shown.code, shown.input, shown.compare)
        own = [one for one in wanted if not seat.is_edited(now.lesson, one[0])]
        prepare(seat.programs(now.lesson, own))
