"""Your own code: an editor, and the graph of what stands in it, run apart from the server."""

from __future__ import annotations

import streamlit as st

from inspector.language import sentence
from inspector.render.answers import Book
from inspector.render.pairs import PairBook
from inspector_app import sandbox
from inspector_app.address import Address, redraw
from inspector_app.classroom import editor_refusal
from inspector_app.component import Place, workbench
from inspector_app.editor import editor, start_anew
from inspector_app.ownruns import Options, Seat, seat
from inspector_app.ownstarts import Start
from inspector_app.phrases import prose, say
from inspector_app.programs import file_of
from inspector_app.screens.owncode_choice import choose_options, choose_start, tell_of_file
from inspector_app.screens.program_parts import (
    failed_lines,
    how_far,
    how_it_ended,
    isolation_mark,
    printed,
)

_SHARES = (37, 63)
"""Of the page's width: the code and the graph."""

_HEIGHT = 420
"""Px of the editor."""

_COMPARES = "code/compares"
_ASKED = "_own_run_asked"

_TOO_LONG = sentence("This program is too long to be run.")


def page() -> None:
    """The page."""
    sandbox.prepare()  # so that the first program does not wait for torch
    address = Address("code")
    refusal = editor_refusal()
    if refusal:
        address.tell()
        st.markdown(f"#### {say('Your own code')}")
        st.info(prose(refusal), icon=":material/lock:")
        return
    own = seat()
    start, shown = choose_start(address, own)
    options = choose_options(start)
    address.tell()
    address.write(**shown)
    own.open_editor(start, anew=address.opened)
    own.take()
    tell_of_file(own)
    code, graph = st.columns(_SHARES)
    with code, st.container(key="code-side", gap="small"):
        st.markdown(f"#### {say('Your own code')}")
        _code(start, own, options)
    with graph, st.container(key="code-graph", gap="small"):
        _graph(start, own)


# -- the code -------------------------------------------------------------------------------------


@st.fragment
def _code(start: Start, own: Seat, options: Options) -> None:
    """The editor with its buttons, and below it what is to be said of the last run."""
    draft, key = own.draft(start), f"code-editor-{start.key}"
    typed = editor(
        own.base(start),
        key=key,
        height=_HEIGHT,
        errors=failed_lines(own.ran, draft),
        label=f"{start.name}.py",
        on_run=_ask_to_run,
    )
    if typed != draft:
        own.edit(start, typed)
    runs, resets = _buttons(start, own)
    if runs or st.session_state.pop(_ASKED, False):
        _run(start, own, options)
    elif resets:
        own.reset(start)
        start_anew(key)
        redraw()
    if own.job is None:
        how_it_ended(own.ran, own.reason)
    if own.job is not None or (own.ran is not None and own.ran.outcome.output):
        with st.container(key="code-printed"):
            printed(own.job, own.ran)


def _ask_to_run() -> None:
    """Note it: the text comes when the editor is drawn."""
    st.session_state[_ASKED] = True


def _run(start: Start, own: Seat, options: Options) -> None:
    try:
        own.run(start, options)
    except ValueError:
        own.ran, own.reason = None, _TOO_LONG
    redraw()


def _buttons(start: Start, own: Seat) -> tuple[bool, bool]:
    """Whether Run was pressed, and whether Reset."""
    with st.container(
        key="code-buttons", horizontal=True, vertical_alignment="center", gap="small"
    ):
        runs = st.button(
            say("Run"),
            key="code-run",
            icon=":material/play_arrow:",
            type="primary",
            help=say("Run it (Ctrl+Enter)"),
        )
        resets = st.button(
            say("Reset"),
            key="code-reset",
            icon=":material/undo:",
            disabled=own.draft(start) == start.source,
        )
        st.download_button(
            say("Download"),
            lambda: own.draft(start).encode("utf-8"),
            file_name=f"{start.name}.py",
            mime="text/x-python",
            key="code-download",
            icon=":material/download:",
            help=say("The code as a file"),
            on_click="ignore",
        )
        st.space("stretch")
        if own.ran is not None:
            isolation_mark(own.ran.outcome.isolation)
    return runs, resets


# -- the graph ------------------------------------------------------------------------------------


def _graph(start: Start, own: Seat) -> None:
    """A line of choices, and the graph below it."""
    with st.container(key="code-bar", horizontal=True, vertical_alignment="center", gap="small"):
        compares = _compares(own)
        if own.job is not None:
            how_far(own.job, lambda: own.job, key="code-stop", on_stop=own.stop)
        else:
            st.space("stretch")
        _download(start, own)
    book = own.book(compared=compares)
    if book is not None:
        _workbench(book, own, _place(book, own))
    elif own.job is not None:
        st.info(say("The program is running. Its graph comes here."), icon=":material/hourglass:")
    elif own.ran is None and not own.reason:
        _welcome(start)
    else:
        st.info(say("There is no graph: see below the code why."), icon=":material/info:")


def _welcome(start: Start) -> None:
    st.info(
        say("Press *Run* (Ctrl+Enter): the graph of this program comes here."),
        icon=":material/play_arrow:",
    )
    if start.archive:
        words = say("`{name}` stands beside the program.", name=f"{start.name}.pt")
        st.caption(words)


def _compares(own: Seat) -> bool:
    return st.toggle(
        say("Compare with the run before"),
        key=_COMPARES,
        disabled=own.before is None,
        help=say("Both runs in one picture: what is new, what is gone, what has changed."),
    )


def _download(start: Start, own: Seat) -> None:
    drawn = own.drawn
    if drawn is None or drawn.run is None:
        return
    recording = drawn.run.recording
    st.download_button(
        say("Recording (.inspect)"),
        lambda: file_of(recording),
        file_name=f"{start.name}.inspect",
        key="code-recording",
        icon=":material/download:",
        type="tertiary",
        on_click="ignore",
    )


def _place(book: Book, own: Seat) -> Place:
    """Where to look in a new graph: at the tabs that were open in the one before."""
    looked = own.looked
    if isinstance(book, PairBook):
        return Place()
    if looked != Place():
        return Place(panes=looked.panes, wide=looked.wide)
    if not book.recording.ops and book.static is not None:
        return Place(panes={"static": "left", "source": "right"})
    return Place(panes={} if book.static is not None else {"source": "right"})


@st.fragment
def _workbench(book: Book, own: Seat, place: Place) -> None:
    looked = workbench(book, key=f"code/{id(book)}", place=place)
    if not isinstance(book, PairBook):
        own.looked = looked
