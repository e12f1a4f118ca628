"""The code of a step: to read, to change and to run; and how its last run ended."""

from __future__ import annotations

from functools import partial

import streamlit as st

from inspector_app.address import redraw
from inspector_app.classroom import editor_refusal
from inspector_app.editor import editor, start_anew
from inspector_app.phrases import prose, say
from inspector_app.programs import Ran
from inspector_app.screens.lesson_desk import Desk, Now
from inspector_app.screens.lesson_graph import output
from inspector_app.screens.owncode import open_code
from inspector_app.screens.program_parts import failed_lines, how_it_ended, isolation_mark
from inspector_app.teaching.lesson import OUTPUT, Code

_LINE, _FRAME = 17, 8
"""Px of a line in the editor, and of what is around all lines."""

_EDITOR = "lesson-editor"
_ASKED = "_lesson_run_asked"
_TRACEBACK = "Traceback (most recent call last)"
_LEAST, _MOST = 2, 16
"""Lines that the editor shows at least, and at most."""


def code_panel(now: Now, desk: Desk) -> None:
    """Draw the editor with its buttons, and below it what is to be said of the last run.

    No fragment, for the reason of `step_text`.
    """
    code = now.code
    assert code is not None
    program = desk.program(now.lesson, code, now.input)
    ran = desk.ran(program)
    asked = _editor(now, desk, code, ran)
    _buttons(now, desk, code, ran, asked)
    if desk.job is None or desk.job.choice != program:
        how_it_ended(ran, desk.reasons.get(program, ""))
    if now.view != OUTPUT and (desk.job is not None or _has_more_to_say(ran)):
        output(now, desk, "lesson-printed")


def _has_more_to_say(ran: Ran | None) -> bool:
    """Whether more was printed than the traceback: how it ended is told in short above."""
    if ran is None:
        return False
    printed = ran.outcome.output.strip()
    return bool(printed) and not (ran.outcome.ended == "failed" and printed.startswith(_TRACEBACK))


def keep_editor(now: Now, desk: Desk, *, anew: bool) -> None:
    """See that an editor which comes onto the page begins with what was typed before.

    Args:
        now: the step.
        desk: knows what was typed.
        anew: the page was opened, or gone back to.
    """
    if now.code is None:
        return
    wanted = now.lesson.name, now.lesson.language, now.code.name, now.presents
    if anew or desk.editor != wanted:
        desk.editor = wanted
        desk.open_editor(now.lesson, now.code)


def _editor(now: Now, desk: Desk, code: Code, ran: Ran | None) -> bool:
    """Draw the editor and keep what was typed; whether Ctrl+Enter was pressed."""
    draft = desk.draft(now.lesson, code)
    base = desk.base(now.lesson, code).rstrip("\n")
    lines = min(max(base.count("\n") + 1, _LEAST), _MOST)
    typed = editor(
        base,
        key=_EDITOR,
        document=_document(now, code),
        typed=draft.rstrip("\n"),
        height=f"{lines * _LINE + _FRAME}px",
        errors=failed_lines(ran, draft),
        label=f"{code.name}.py",
        read_only=bool(editor_refusal()),
        on_edit=partial(_keep, now, desk, code),
        on_run=partial(_ask_to_run, _document(now, code)),
    )
    if typed.rstrip("\n") != draft.rstrip("\n"):
        _keep(now, desk, code, _document(now, code), typed)
    return bool(st.session_state.pop(_ASKED, None) == _document(now, code))


def _keep(now: Now, desk: Desk, code: Code, document: str, text: str) -> None:
    """Keep what was typed, if it was typed into this code."""
    if document == _document(now, code):
        desk.edit(now.lesson, code, text.rstrip("\n") + "\n")


def _ask_to_run(document: str) -> None:
    """Note of which text it was asked for: it comes when the editor is drawn."""
    st.session_state[_ASKED] = document


def _document(now: Now, code: Code) -> str:
    return f"{now.lesson.name}-{now.lesson.language}-{code.name}"


def _buttons(now: Now, desk: Desk, code: Code, ran: Ran | None, asked: bool) -> None:
    edited = desk.draft(now.lesson, code) != code.source
    refusal = editor_refusal()
    runs = resets = False
    with st.container(
        key="lesson-buttons", horizontal=True, vertical_alignment="center", gap="small"
    ):
        if not refusal:
            runs = st.button(
                say("Run"),
                key="lesson-run",
                icon=":material/play_arrow:",
                type="primary" if edited else "secondary",
                help=say("Run it (Ctrl+Enter)"),
            )
            resets = st.button(
                say("Reset"), key="lesson-reset", icon=":material/undo:", disabled=not edited
            )
        st.caption(_file(code, now.input), width="stretch")
        opens = not refusal and st.button(
            "",
            key="lesson-open-code",
            icon=":material/open_in_new:",
            type="tertiary",
            help=say("Open this code on the page *Your own code*"),
        )
        if ran is not None:
            isolation_mark(ran.outcome.isolation)
    if opens:
        before = code.before(now.input).strip()
        text = desk.draft(now.lesson, code)
        open_code(code.name, f"{before}\n{text}" if before else text)
    if refusal:
        st.caption(f":material/lock: {prose(refusal)}")
    elif runs or asked:
        _run(now, desk, code)
    elif resets:
        desk.reset(now.lesson, code)
        start_anew(_EDITOR)
        redraw()


def _file(code: Code, given: str | None) -> str:
    """The file's name, and what runs before it where that is one line."""
    before = code.before(given).strip()
    if not before or "\n" in before or "`" in before:
        return f"`{code.name}.py`"
    return say("`{name}.py`, with `{before}`", name=code.name, before=before)


def _run(now: Now, desk: Desk, code: Code) -> None:
    try:
        desk.run(now.lesson, code, now.input)
    except ValueError:
        st.error(say("This program is too long to be run."))
        return
    redraw()
