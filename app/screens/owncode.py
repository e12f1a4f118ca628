"""Your own code: an editor, and the graph of what stands in it, run apart from the server."""

from __future__ import annotations

import re
from dataclasses import replace
from functools import partial
from typing import NoReturn
from urllib.parse import urlencode

import streamlit as st

from inspector.language import sentence
from inspector.render.answers import Book
from inspector.render.pairs import PairBook
from inspector_app import sandbox
from inspector_app.address import Address, redraw
from inspector_app.classroom import editor_refusal
from inspector_app.component import Place, workbench
from inspector_app.editor import editor, start_anew
from inspector_app.ownruns import Options, Seat, is_empty, seat
from inspector_app.ownstarts import Start
from inspector_app.phrases import language_query, prose, say
from inspector_app.programs import Ran, file_of
from inspector_app.screens.owncode_advice import tell_advice
from inspector_app.screens.owncode_choice import (
    EDITOR,
    begin_with_file,
    choose_options,
    choose_start,
    tell_of_file,
)
from inspector_app.screens.program_parts import (
    failed_lines,
    how_far,
    how_it_ended,
    isolation_mark,
    printed,
)

_SHARES = (37, 63)
"""Of the page's width: the code and the graph."""

_HEIGHT = "clamp(400px, calc(100vh - 23rem), 900px)"
"""Of the editor: below it stand its buttons, how the program ended and what it printed."""

_COMPARES = "code/compares"
_ASKED = "_own_run_asked"

_TOO_LONG = sentence("This program is too long to be run.")


def page() -> None:
    """The page."""
    address = Address("code")
    refusal = editor_refusal()
    if not refusal:
        sandbox.prepare()  # so that the first program does not wait for torch
    own = seat()
    start, shown = choose_start(address, own, files=not refusal)
    options = Options() if refusal else choose_options(start)
    with st.container():  # always there: what comes below it keeps its place in the page
        address.tell()
        tell_of_file(own)
    address.write(**shown)
    own.open_editor(start, anew=address.opened)
    own.take()
    code, graph = st.columns(_SHARES)
    with code, st.container(key="code-side", gap="small"):
        st.markdown(f"#### {say('Your own code')}")
        _code(start, own, options, refusal)
    with graph, st.container(key="code-graph", gap="small"):
        if refusal:
            _locked(refusal, shown)
        else:
            _graph(start, own)


def open_code(name: str, text: str) -> NoReturn:
    """Go on to this page with a text in its editor, as if it had been uploaded.

    Args:
        name: of the program, without ".py".
        text: of it.
    """
    own = seat()
    begin_with_file(own, f"{name}.py", text.encode("utf-8"))
    st.switch_page(st.Page(page, url_path="code"), query_params=language_query())


def _locked(refusal: str, shown: dict[str, str]) -> None:
    """Why nothing runs here, and where to see what has been run."""
    st.info(prose(refusal), icon=":material/lock:")
    if "input" in shown:
        query = urlencode({"sample": shown["start"], "input": shown["input"]} | language_query())
        st.markdown(say("[See its graph on the page *Explore a model*]({page})", page=f".?{query}"))


# -- the code -------------------------------------------------------------------------------------


def _code(start: Start, own: Seat, options: Options, refusal: str) -> None:
    """The editor with its buttons, and below it what is to be said of the last run.

    No fragment: leaving the editor runs the page, and a button pressed in the same moment runs it
    again. Of a fragment's run and the page's, Streamlit may draw neither.
    """
    draft = own.draft(start)
    typed = editor(
        own.base(start),
        key=EDITOR,
        document=start.key,
        typed=draft,
        height=_HEIGHT,
        errors=failed_lines(own.ran, draft),
        label=f"{start.name}.py",
        read_only=bool(refusal),
        on_edit=own.edit,
        on_run=partial(_ask_to_run, start.key),
    )
    if typed != draft:  # of a session before this one, as of a server that was started anew
        own.edit(start.key, typed)
        own.came_back = True
    _buttons(start, own, refusal)
    if st.session_state.pop(_ASKED, None) == start.key:
        _run(start, own, options)
    if own.job is None:
        how_it_ended(_without_nothing(own.ran), own.reason)
        if own.ran is not None:
            tell_advice(own.ran)
    if own.job is not None or (own.ran is not None and own.ran.outcome.output):
        with st.container(key="code-printed"):
            printed(own.job, own.ran)


def _ask_to_run(key: str) -> None:
    """Note of which start it was asked for: the text comes when the editor is drawn."""
    st.session_state[_ASKED] = key


def _run(start: Start, own: Seat, options: Options) -> None:
    name = options.script
    # Nobody asked for this variable, and the text that was pasted has none of the name.
    if name == start.script and not start.archive and not _assigns(own.draft(start), name):
        options = replace(options, script="")
    try:
        own.run(start, options)
    except ValueError:
        own.ran, own.reason = None, _TOO_LONG
    redraw()


def _without_nothing(ran: Ran | None) -> Ran | None:
    """The run without a recording that holds nothing: no graph shows what ran until then."""
    if ran is None or not is_empty(ran):
        return ran
    return replace(ran, outcome=replace(ran.outcome, recording=None))


def _assigns(text: str, name: str) -> bool:
    """Whether a name is bound at the top of a text, as far as its lines tell."""
    bound = rf"^(?:def\s+{name}\b|class\s+{name}\b|[^#\n]*\b{name}\b[^=\n]*=)"
    return re.search(bound, text, re.MULTILINE) is not None


def _reset(start: Start, own: Seat) -> None:
    own.reset(start)
    start_anew(EDITOR)


def _buttons(start: Start, own: Seat, refusal: str) -> None:
    with st.container(
        key="code-buttons", horizontal=True, vertical_alignment="center", gap="small"
    ):
        if not refusal:
            st.button(
                say("Run"),
                key="code-run",
                icon=":material/play_arrow:",
                type="primary",
                help=say("Run it (Ctrl+Enter)"),
                on_click=_ask_to_run,
                args=(start.key,),
            )
            st.button(
                say("Reset"),
                key="code-reset",
                icon=":material/undo:",
                disabled=own.draft(start) == start.source,
                on_click=_reset,
                args=(start, own),
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


# -- the graph ------------------------------------------------------------------------------------


def _graph(start: Start, own: Seat) -> None:
    """A line of choices, and the graph below it."""
    with st.container(key="code-bar", horizontal=True, vertical_alignment="center", gap="small"):
        compares = _compares(own)
        if own.job is not None:
            how_far(own.job, lambda: own.job, key="code-stop", on_stop=own.stop)
        elif own.drawn is not None and own.ran is not own.drawn:
            st.caption(say(":material/history: The graph of an earlier run"), width="stretch")
        else:
            st.space("stretch")
        _download(start, own)
    book = own.book(compared=compares)
    if book is not None:
        _workbench(book, own, _place(book, own))
    elif own.job is not None:
        st.info(say("The program is running. Its graph comes here."), icon=":material/hourglass:")
    elif own.ran is None and not own.reason:
        _welcome(start, own)
    else:
        st.info(say("There is no graph: see below the code why."), icon=":material/info:")


def _welcome(start: Start, own: Seat) -> None:
    if own.came_back:
        st.caption(say("This page began anew: what ran before is gone, your text is not."))
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
