"""The run of a step's program beside its text: the graph that the step drives, or the output."""

from __future__ import annotations

import streamlit as st

from inspector.render.answers import Book
from inspector.render.pairs import PairBook
from inspector_app.component import Place, workbench
from inspector_app.phrases import escaped, say
from inspector_app.programs import pair_of
from inspector_app.screens.lesson_desk import Desk, Now, Picture
from inspector_app.screens.program_parts import how_far, printed
from inspector_app.teaching.lesson import GRAPH, OUTPUT
from inspector_app.teaching.pictures import in_both, names_of
from inspector_app.teaching.places import look


def ask_for(now: Now, desk: Desk) -> None:
    """See that the programs of a step are run; a picture of them takes the last one's place."""
    if desk.picture is not None and desk.picture.lesson != now.lesson.name:
        desk.picture = None
    programs = desk.programs(now.lesson, now.wanted)
    desk.ask(programs, [not desk.is_edited(now.lesson, code) for code, _ in now.wanted])
    found = [desk.ran(program) for program in programs]
    ran = found[0] if found else None
    if desk.picture is not None and desk.job is None and desk.picture.code != _name(now):
        desk.picture = None
    if ran is None or ran.run is None:
        return
    beside = found[1] if len(found) > 1 else None
    if beside is not None and beside.run is not None:
        assert now.beside is not None
        assert now.code is not None
        names = names_of(now.beside, (now.code, now.input))
        book: Book = pair_of(beside, ran, names)
        desk.picture = Picture(book, ran, now.lesson.name, _name(now))
    elif now.beside is None or beside is not None:  # the one beside it was not recorded
        desk.picture = Picture(ran.run.book, ran, now.lesson.name, _name(now))


def _name(now: Now) -> str:
    return "" if now.code is None else now.code.name


def looked_at(now: Now, desk: Desk) -> tuple[Place, list[str]]:
    """The place that the step asks for, and what of it this run does not have."""
    picture, shown = desk.picture, now.shown
    programs = desk.programs(now.lesson, now.wanted)
    if picture is None or picture.ran.run is None or picture.ran.program != programs[0]:
        return Place(), []  # nothing, or what was there before
    own = picture.ran.run.book
    seen = look(shown, own)
    found = in_both(seen, picture.book) if isinstance(picture.book, PairBook) else seen
    panes = {pane: side for side, pane in shown.panes.items()}
    if "right" not in shown.panes and own.static is None:
        panes.setdefault("source", "right")
    place = Place(
        selected=found.selected,
        toggled=found.toggled,
        panes=panes,
        wide=shown.wide,
        moment=found.moment,
        runs="sides" if shown.sides else "",
    )
    return place, list(seen.missing)


# -- what is on the page --------------------------------------------------------------------------


def graph_side(now: Now, desk: Desk, place: Place) -> None:
    """Draw the side of the run: a line of choices, and the graph or the output below it."""
    with st.container(key="lesson-bar", horizontal=True, vertical_alignment="center", gap="small"):
        _inputs(now, desk)
        if now.beside is not None:
            _compared(now)
        _views(now, desk)
        if desk.job is not None:
            how_far(desk.job, lambda: desk.job, key="lesson-stop", on_stop=desk.stop)
        else:
            st.space("stretch")
        st.button(
            say("Back to the step"),
            key="lesson-restore",
            type="tertiary",
            icon=":material/restart_alt:",
            help=say("Show what this step shows, wherever you have clicked since."),
            on_click=desk.restore,
        )
    if now.view == OUTPUT:
        output(now, desk, "lesson-output")
    elif desk.picture is not None:
        _workbench(now, desk.picture, place, f"{now.lesson.name}/{desk.visit}")
    else:
        _nothing(now, desk)


def _inputs(now: Now, desk: Desk) -> None:
    code = now.code
    if code is None or len(code.inputs) < 2:
        return
    names = [one.name for one in code.inputs]
    key = f"lesson-input-{now.lesson.name}-{code.name}"
    st.session_state[key] = now.input
    st.segmented_control(
        say("Input"),
        names,
        key=key,
        required=True,
        label_visibility="collapsed",
        on_change=lambda: desk.choose(input=str(st.session_state[key])),
    )


def _compared(now: Now) -> None:
    assert now.code is not None
    assert now.beside is not None
    before, _ = names_of(now.beside, (now.code, now.input))
    st.caption(say("compared with {name}", name=escaped(before)), width="content")


def _views(now: Now, desk: Desk) -> None:
    """The switch between the graph and the output, where there is something printed."""
    code = now.code
    if code is None:
        return
    ran = desk.ran(desk.program(now.lesson, code, now.input))
    printed = ran is not None and bool(ran.outcome.output)
    if code.plain or not (printed or now.view == OUTPUT):
        return
    names = {GRAPH: say("Graph"), OUTPUT: say("Output")}
    st.session_state["lesson-view"] = now.view
    st.segmented_control(
        say("Show"),
        list(names),
        key="lesson-view",
        required=True,
        format_func=names.__getitem__,
        label_visibility="collapsed",
        on_change=lambda: desk.choose(view=str(st.session_state["lesson-view"])),
    )


@st.fragment
def _workbench(now: Now, picture: Picture, place: Place, key: str) -> None:
    workbench(picture.book, key=f"lesson/{key}/{id(picture.book)}", place=place)


def _nothing(now: Now, desk: Desk) -> None:
    """In place of a graph: that there is none yet, or none at all."""
    if now.code is None:
        st.info(say("This lesson has no program."))
    elif desk.job is not None:
        st.info(say("The program is running. Its graph comes here."), icon=":material/hourglass:")
    else:
        st.info(say("There is no graph: see below the code why."), icon=":material/info:")


def output(now: Now, desk: Desk, key: str) -> None:
    """What the program prints, as it comes, or has printed."""
    with st.container(key=key):
        if desk.job is not None:
            printed(desk.job, None)
            return
        assert now.code is not None
        printed(None, desk.ran(desk.program(now.lesson, now.code, now.input)))
