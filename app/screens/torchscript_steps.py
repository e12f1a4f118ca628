"""Step through an interpretation: the node, its values, its line of Python."""

from __future__ import annotations

import os
from collections.abc import Callable
from functools import partial

import streamlit as st

from inspector.static_run import StaticRun
from inspector_app.address import write_some
from inspector_app.listing import Row, listing, source_rows
from inspector_app.phrases import escaped, say, told
from inspector_app.screens.torchscript_values import values_pane
from inspector_app.staticruns import StaticWork
from inspector_app.steps import Place, Steps

_ASKED = "_step_asked"
_DIGITS = 10
"""Longer numbers in an address are none of a step."""

_IR_HEIGHT, _CODE_HEIGHT = "var(--ts-panes)", "190px"


def ask_for_step(number: str | None) -> None:
    """Have the walk that is shown next start at a step, as the address counts; "" is its start.

    Args:
        number: None leaves a walk where it stands.
    """
    if number is None:
        st.session_state.pop(_ASKED, None)
    else:
        st.session_state[_ASKED] = number


def steps_view(work: StaticWork, key: str) -> None:
    """Step through the runs of a graph.

    Args:
        work: with at least one run, or the problem why there is none.
        key: changes with what is shown; the walk starts anew.
    """
    if not work.steps:
        reason = told(work.problem) or say("it was not called in this run.")
        st.warning(
            say("This graph cannot be stepped through: {reason}", reason=escaped(reason)),
            icon=":material/warning:",
        )
        st.markdown(
            say(
                "What can be told of its counts is in the view *What ran*. With another"
                " input or another graph, chosen in the sidebar, it may run."
            )
        )
        return
    _walk(work, key)


@st.fragment
def _walk(work: StaticWork, key: str) -> None:
    number = _call(work, key)
    steps = work.steps[number]
    if not steps.all:
        _failure(steps.run)
        st.info(say("This run executed no node: there is nothing to step through."))
        return
    here = _Position(steps, f"{key}/{number}")
    _controls(here)
    step = here.step
    st.markdown(_where(steps, step, here))
    left, right = st.columns([11, 9], gap="small")
    with left:
        _ir(steps, step, here)
    with right:
        _code(work, steps, step)
        values_pane(steps, step)
    _failure(steps.run)
    for note in steps.run.notes:
        st.caption(escaped(told(note)))


def _call(work: StaticWork, key: str) -> int:
    """Which run is walked through: the sample may call the module several times."""
    count = len(work.steps)
    if count == 1:
        return 0
    chosen = st.segmented_control(
        say("Which call of the module"),
        range(count),
        default=0,
        required=True,
        key=f"call/{key}",
        format_func=lambda n: say("Call {number}", number=n + 1),
        label_visibility="collapsed",
    )
    return int(chosen or 0)


class _Position:
    """Where a viewer stands; kept in the session under the walk's key and in the address."""

    def __init__(self, steps: Steps, key: str) -> None:
        self.steps = steps
        self.everything = f"everything/{key}"
        self.kind = f"kind/{key}"
        self.slider = f"slider/{key}"
        self._key = f"step/{key}"
        asked = st.session_state.pop(_ASKED, None)
        if asked is not None or self._key not in st.session_state:
            st.session_state[self._key] = self._numbered(asked or "")
        shown = self.shown
        at = st.session_state[self._key]
        self.index = min(range(len(shown)), key=lambda n: (abs(shown[n] - at), n))
        if "step" in st.query_params or self.index > 0:
            write_some(step=str(self.step + 1))

    @property
    def shown(self) -> tuple[int, ...]:
        """The steps to stop at."""
        everything = bool(st.session_state.get(self.everything, False))
        return self.steps.shown(everything=everything)

    @property
    def step(self) -> int:
        """The step that is shown, from 0 among all."""
        return self.shown[self.index]

    def go(self, step: int | None) -> None:
        """Go to a step of all steps; one that is not stopped at turns the others on."""
        if step is None:
            return
        st.session_state[self._key] = step
        write_some(step=str(step + 1))
        if step not in set(self.shown):
            st.session_state[self.everything] = True

    def stop_at(self, step: int | None) -> int | None:
        """The first step from there on that is stopped at."""
        if step is None:
            return None
        return next((each for each in self.shown if each >= step), None)

    def move(self, by: int) -> None:
        """Go some of the shown steps on or back."""
        index = max(0, min(len(self.shown) - 1, self.index + by))
        self.go(self.shown[index])

    def slid(self) -> None:
        """Go where the slider was put."""
        self.go(self.shown[int(st.session_state[self.slider]) - 1])

    def picked(self) -> None:
        """Go to the next node of the kind that was picked, and offer the same again."""
        kind = st.session_state[self.kind]
        st.session_state[self.kind] = None
        if kind is not None:
            self.go(self.steps.next_of_kind(self.step, kind))

    def _numbered(self, asked: str) -> int:
        known = asked.isascii() and asked.isdigit() and len(asked) < _DIGITS
        number = int(asked) - 1 if known else self.shown[0]
        return max(0, min(len(self.steps.all) - 1, number))


def _controls(here: _Position) -> None:
    count = len(here.shown)
    kinds = here.steps.kinds()
    next_if = here.steps.next_of_kind(here.step, "prim::If", around=False)
    next_trip = here.stop_at(here.steps.next_trip(here.step))
    with st.container(horizontal=True, vertical_alignment="center", gap="small"):
        _button(
            "Previous", say("Previous"), "arrow_back", here.index > 0, lambda: here.move(-1), "Left"
        )
        _button(
            "Next",
            say("Next"),
            "arrow_forward",
            here.index < count - 1,
            lambda: here.move(1),
            "Right",
        )
        _button(
            "Next branch",
            say("Next branch"),
            "alt_route",
            next_if is not None,
            lambda: here.go(next_if),
        )
        go_on = partial(here.go, next_trip)
        _button("Next trip", say("Next trip"), "replay", next_trip is not None, go_on)
        st.selectbox(
            say("Jump"),
            list(kinds),
            index=None,
            key=here.kind,
            placeholder=say("Jump to a kind of node …"),
            format_func=lambda kind: f"{kind} ×{kinds[kind]}",
            on_change=here.picked,
            label_visibility="collapsed",
            width=240,
        )
        st.toggle(
            say("Constants too"),
            key=here.everything,
            help=say("Stop at constants and attribute reads as well: they always give the same."),
        )
    if count > 1:
        st.session_state[here.slider] = here.index + 1
        st.slider(
            say("Step"),
            1,
            count,
            key=here.slider,
            on_change=here.slid,
            label_visibility="collapsed",
        )


def _button(
    name: str,
    label: str,
    icon: str,
    enabled: bool,
    act: Callable[[], None],
    shortcut: str | None = None,
) -> None:
    st.button(
        label,
        icon=f":material/{icon}:",
        disabled=not enabled,
        on_click=act,
        key=f"steps/{name}",
        shortcut=shortcut,
    )


# -- where we are ----------------------------------------------------------------------------------


def _where(steps: Steps, step: int, here: _Position) -> str:
    """The step's number and the calls, branches and trips around it, as one line."""
    number = say("Step {number:,} of {count:,}", number=here.index + 1, count=len(here.shown))
    places = [_place(place) for place in steps.path(step)]
    node = steps.node(step)
    title = f"`{node.kind}`"
    visits = steps.run.executions.get(node.id, 0)
    if visits > 1:
        number_of = steps.visit(step) + 1
        title = say("{kind} execution {n} of {count}", kind=title, n=number_of, count=visits)
    return "&ensp;›&ensp;".join([f"**{number}**", *places, title])


def _place(place: Place) -> str:
    if place.kind == "call":
        return f":gray-badge[{escaped(place.title)}]"
    line = "?" if place.line is None else place.line
    if place.kind == "trip":
        of = "?" if place.of is None else place.of
        text = say("loop at line {line}: trip {n} of {of}", line=line, n=place.number, of=of)
        return f":blue-badge[{text}]"
    if place.kind == "then":
        return f":violet-badge[{say('if at line {line}: true', line=line)}]"
    return f":violet-badge[{say('if at line {line}: false', line=line)}]"


def _ir(steps: Steps, step: int, here: _Position) -> None:
    node = steps.node(step).id
    rows = [
        Row(
            text=line.text,
            depth=line.depth,
            id=line.node if line.count else None,
            state="ran" if line.count else "skipped",
            count="" if line.count == 0 else f"×{line.count}",
            heading=line.node is None,
        )
        for line in steps.listing
    ]
    current = next(n for n, line in enumerate(steps.listing) if line.node == node)
    listing(
        rows,
        title=say("IR: click a line to go to its next execution"),
        key="steps/ir",
        current=current,
        height=_IR_HEIGHT,
        chosen=lambda id: here.go(steps.next_visit(step, id)),
    )


def _code(work: StaticWork, steps: Steps, step: int) -> None:
    source = steps.place_of(step)
    file = source.file if source is not None else next(iter(steps.static.sources), None)
    if file is None:
        st.info(say("The Python source of this graph is not known."))
        return
    title = _code_title(steps, step, os.path.basename(file))
    current = None if source is None else source.line - 1
    listing(
        source_rows(steps.static.sources[file], hits=work.recording.lines.get(file)),
        title=title,
        key="steps/code",
        current=current,
        height=_CODE_HEIGHT,
    )


def _code_title(steps: Steps, step: int, file: str) -> str:
    """Which line a step is of; one of torch's own code is of the line that called it."""
    source, own = steps.place_of(step), steps.node(step).source
    if source is not None and steps.is_users(step):
        return say("{file}, line {line}", file=file, line=source.line)
    if own is None:
        if source is None:
            return say("{file}: bookkeeping of the compiler, no line of yours", file=file)
        return say(
            "{file}: bookkeeping of the compiler, inside line {line}", file=file, line=source.line
        )
    name = steps.node(step).kind.rpartition("::")[2]
    if source is None:
        return say("{file}: torch's own code for {name}, at no line of yours", file=file, name=name)
    return say(
        "{file}: torch's own code for {name}, called from line {line}",
        file=file,
        name=name,
        line=source.line,
    )


def _failure(run: StaticRun) -> None:
    failure = run.failure
    if failure is None:
        return
    message = escaped(told(failure.message))
    if failure.source is None:
        words = say(
            "The run of the graph ended with {type}: {message}", type=failure.type, message=message
        )
        st.error(words, icon=":material/error:")
        return
    file, line = escaped(os.path.basename(failure.source.file)), failure.source.line
    words = say(
        "The run of the graph ended at {file}, line {line}, with {type}: {message}",
        file=file,
        line=line,
        type=failure.type,
        message=message,
    )
    st.error(words, icon=":material/error:")
