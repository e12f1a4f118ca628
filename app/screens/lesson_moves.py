"""Going through a lesson: the choice of steps, Back and Next, their keys, and the presentation."""

from __future__ import annotations

from pathlib import Path

import streamlit as st

from inspector_app.address import Address, acted
from inspector_app.phrases import escaped, plainly, say
from inspector_app.screens.lesson_desk import Now
from inspector_app.teaching.lesson import Lesson

_SHOWN = "_lesson"
_PRESENTS = "_lesson_presents"
_NOTED = "_lesson_notes"

BACK, NEXT, LEAVE = "lesson-back", "lesson-next", "lesson-leave"
_KEYS = {"ArrowLeft": BACK, "PageUp": BACK, "ArrowRight": NEXT, "PageDown": NEXT, "Escape": LEAVE}

_mount_keys = st.components.v2.component(
    "inspector_lesson_keys",
    js=(Path(__file__).parent.parent / "assets" / "lessonkeys.js").read_text(encoding="utf-8"),
)


def chosen_lesson(address: Address, names: list[str]) -> str:
    """The lesson that is open: by the address, else by hand; "" for the list of lessons."""
    if address.opened:
        asked = address.asked.get("lesson", "")
        if asked and asked not in names:
            address.complain(say("the lesson “{name}”", name=escaped(asked)))
        st.session_state[_SHOWN] = asked
        st.session_state[_PRESENTS] = address.asked.get("present") == "1"
        st.session_state[_NOTED] = address.asked.get("notes") == "1"
    name = str(st.session_state.get(_SHOWN, ""))
    return name if name in names else ""


def open_lesson(name: str) -> None:
    """Open a lesson at its start, or the list of them: a callback."""
    acted()
    st.session_state[_SHOWN] = name
    st.session_state[_PRESENTS] = False
    if name:
        st.session_state[_step_key(name)] = "0"


def chosen_step(address: Address, lesson: Lesson) -> int:
    """The number of the step: by the address, else by hand."""
    names = [str(number) for number in range(len(lesson.steps))]
    key = _step_key(lesson.name)
    address.options("step", names, key=key, start="0", what=say("step"))
    return int(st.session_state[key])


def presents() -> bool:
    """Whether the lesson is presented: nothing else is on the page."""
    return bool(st.session_state.get(_PRESENTS, False))


def present(on: bool) -> None:
    """Begin or end the presentation: a callback."""
    acted()
    st.session_state[_PRESENTS] = on


def choose_notes() -> bool:
    """Whether the teacher's notes are seen: a switch in the sidebar, kept for all lessons."""
    key = "lessons/notes"
    st.session_state[key] = bool(st.session_state.get(_NOTED, False))
    return st.sidebar.toggle(say("Notes for the teacher"), key=key, on_change=_noted, args=(key,))


def _noted(key: str) -> None:
    acted()
    st.session_state[_NOTED] = st.session_state[key]


def moves(now: Now) -> None:
    """Back, the steps, and Next; and how far the lesson is."""
    with st.container(key="lesson-moves", gap="xsmall"):
        st.progress(now.number / now.last if now.last else 1.0)
        with st.container(horizontal=True, vertical_alignment="center", gap="small"):
            st.button(
                say("Back"),
                key=BACK,
                icon=":material/arrow_back:",
                disabled=now.number == 0,
                on_click=_go,
                args=(now.lesson.name, now.number - 1),
            )
            _steps(now)
            if now.presents:
                st.button(
                    "",
                    key=LEAVE,
                    icon=":material/close_fullscreen:",
                    type="tertiary",
                    help=say("End the presentation (Esc)"),
                    on_click=present,
                    args=(False,),
                )
            st.button(
                say("Next"),
                key=NEXT,
                icon=":material/arrow_forward:",
                icon_position="right",
                type="primary",
                disabled=now.number == now.last,
                on_click=_go,
                args=(now.lesson.name, now.number + 1),
            )
    step = f"{now.lesson.name}/{now.lesson.language}/{now.number}"
    _mount_keys(key="lesson-keys", data={"keys": _KEYS, "step": step}, height=0)


def _steps(now: Now) -> None:
    """Which step it is; opened, the titles of all of them to choose from."""
    label = say("Step {number} of {last}", number=now.number, last=now.last)
    with st.popover(label, type="tertiary", width="stretch"):
        st.radio(
            say("Step"),
            [str(number) for number in range(now.last + 1)],
            key=_step_key(now.lesson.name),
            on_change=acted,
            format_func=lambda number: _step_title(now.lesson, int(number)),
            label_visibility="collapsed",
        )


def _step_title(lesson: Lesson, number: int) -> str:
    title = say("Opening") if number == 0 else plainly(lesson.steps[number].title)
    return f"{number} · {title}"


def _go(name: str, number: int) -> None:
    """To a step: a callback. It goes by the page that was seen, so that no step is left out."""
    acted()
    st.session_state[_step_key(name)] = str(number)


def _step_key(name: str) -> str:
    return f"lessons/step/{name}"
