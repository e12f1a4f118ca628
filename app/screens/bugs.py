"""The bug gallery: what goes wrong most often, each as it was and put right, with both runs."""

from __future__ import annotations

import streamlit as st

from inspector.findings import Rule, all_rules
from inspector.found import Finding
from inspector.language import sentence
from inspector.render.answers import Book
from inspector_app.address import Address, acted, write_some
from inspector_app.awaiting import Words, awaited
from inspector_app.bugcode import CAUSE, CHANGED, ENTRY
from inspector_app.bugruns import BugJob, BugRun, BugRuns, bug_named, returned
from inspector_app.classroom import editor_refusal
from inspector_app.component import Place, look_anew, workbench
from inspector_app.listing import Row, listing
from inspector_app.phrases import escaped, prose, say, told
from inspector_app.screens.owncode import open_code
from sample_models.bugs import Bug

BUGGY, FIXED, BOTH = "buggy", "fixed", "both"
SHOWS = {
    BUGGY: (sentence("Buggy"), ":material/bug_report:"),
    FIXED: (sentence("Fixed"), ":material/check_circle:"),
    BOTH: (sentence("Both"), ":material/compare:"),
}
_BUG, _SHOW = "bugs/bug", "bugs/show"

_ROW_PX, _HEAD_PX, _MOST_PX = 20, 42, 400
"""Of a listing: a line, its head, and how high it grows before it scrolls."""


def page() -> None:
    """The page."""
    address = Address("bugs")
    known = bug_named()
    address.options("bug", list(known), key=_BUG, start=next(iter(known)), what=say("bug"))
    address.options("show", list(SHOWS), key=_SHOW, start=BOTH, what=say("view"))
    bug = _choose_bug(known)
    show = str(st.session_state[_SHOW])
    shown = {"bug": bug.name, "show": show}
    place = _place(address, shown)
    address.write(**shown, **({} if place is None else place.as_address()))
    _headline(bug)
    runs = awaited(bug.name, BugJob, _words(), "bugs")
    if runs is not None:
        _programs(runs, show)
        _graph(runs, show, place)


def _choose_bug(known: dict[str, Bug]) -> Bug:
    """The list in the sidebar, and the way to the next one."""
    st.sidebar.radio(
        say("Bug"),
        list(known),
        key=_BUG,
        on_change=acted,
        format_func=lambda name: f"{known[name].number:02}  {escaped(told(known[name].title))}",
    )
    return known[str(st.session_state[_BUG])]


def _place(address: Address, shown: dict[str, str]) -> Place | None:
    """Where the address says to look; None where it names no place of what is shown."""
    same = all(address.asked.get(name) == value for name, value in shown.items())
    address.tell()
    if address.opened:
        look_anew()
    asked = Place.of_address(address.asked) if same else Place()
    return None if asked == Place() else asked


def _words() -> Words:
    return Words(
        begun=say("Running the two programs …"),
        stop=say("Stop"),
        stop_help=say("Ends before the programs run."),
        again=say("Run them again"),
    )


# -- above the graph ------------------------------------------------------------------------------


def _headline(bug: Bug) -> None:
    # The page's menu stands at the right end.
    title, choice, _ = st.columns([12, 9, 1], vertical_alignment="center")
    title.markdown(f"#### {bug.number:02} · {escaped(told(bug.title))}")
    with choice.container(horizontal=True, horizontal_alignment="right"):
        st.segmented_control(
            say("View"),
            list(SHOWS),
            key=_SHOW,
            on_change=acted,
            format_func=lambda name: f"{SHOWS[name][1]} {told(SHOWS[name][0])}",
            required=True,
            label_visibility="collapsed",
        )
    st.markdown(prose(bug.teaches))


def _programs(runs: BugRuns, show: str) -> None:
    """What is shown of the programs: both side by side, or one beside what is seen of it."""
    left, right = st.columns(2)
    height = _height(runs, show)
    if show == BOTH:
        for column, name in ((left, BUGGY), (right, FIXED)):
            with column:
                _code(_side(runs, name), name, height)
                _seen(_side(runs, name), name)
    else:
        with left:
            _code(_side(runs, show), show, height)
        with right:
            _seen(_side(runs, show), show)
            if show == BUGGY:
                _finding(runs)
    with st.container(horizontal=True, vertical_alignment="center"):
        st.caption(
            say(
                "✗ is the line of the cause; − and + mark the lines in which the two programs"
                " differ."
            ),
            width="stretch",
        )
        _way_to_edit(_side(runs, FIXED if show == FIXED else BUGGY), runs.bug.name)
    if show == BOTH:
        _finding(runs)


def _way_to_edit(side: BugRun, name: str) -> None:
    """A button that opens the program where it can be changed and run."""
    if editor_refusal():
        return
    opens = st.button(
        say("Open its code"),
        key="bugs-open-code",
        icon=":material/open_in_new:",
        type="tertiary",
        help=say("Open this code on the page *Your own code*"),
    )
    if opens:
        open_code(name, f"{side.program.text}\n\n{ENTRY}()\n")


def _height(runs: BugRuns, show: str) -> int:
    """Of the code, in px: that of both is the same."""
    sides = [name for name in (BUGGY, FIXED) if show in (name, BOTH)]
    longest = max(_side(runs, name).program.text.count("\n") for name in sides)
    return min(longest * _ROW_PX + _HEAD_PX, _MOST_PX)


def _side(runs: BugRuns, name: str) -> BugRun:
    return runs.buggy if name == BUGGY else runs.fixed


def _code(side: BugRun, name: str, height: int) -> None:
    changed = ("warning", "−") if name == BUGGY else ("right", "+")
    looks = {CAUSE: ("wrong", "✗"), CHANGED: changed}
    rows = []
    for number, text in enumerate(side.program.text.splitlines(), 1):
        mark, sign = looks.get(side.program.marks.get(number, ""), ("", ""))
        rows.append(Row(text, gutter=str(number), mark=mark, count=sign))
    marked = [number for number, row in enumerate(rows) if row.mark]
    wrong = [number for number in marked if rows[number].mark == "wrong"]
    listing(
        rows,
        title=told(SHOWS[name][0]),
        key=f"bugs/code/{name}",
        shown=next(iter([*wrong, *marked]), None),
        height=f"{height}px",
    )


def _seen(side: BugRun, name: str) -> None:
    """What the program says, or which figures it returns."""
    failure, figures = side.recording.failure, escaped(returned(side.recording))
    if failure is not None:
        text = f"**{escaped(failure.type)}**: {escaped(_shortened(failure.message))}"
        st.error(text, icon=":material/error:")
    elif name == BUGGY:
        st.warning(
            say("It runs without an error, and returns **{figures}**.", figures=figures)
            if figures
            else say("It runs without an error."),
            icon=":material/visibility_off:",
        )
    else:
        st.success(
            say("It runs, and returns **{figures}**.", figures=figures)
            if figures
            else say("It runs to its end."),
            icon=":material/play_arrow:",
        )


def _shortened(message: str) -> str:
    """The first lines of a message: some of torch's go on with a stack of C++ calls."""
    lines = message.strip().splitlines()
    return "\n".join(lines[:6]) + ("\n…" if len(lines) > 6 else "")


def _finding(runs: BugRuns) -> None:
    """What the rule says of it, and the rule's own page."""
    found = runs.finding
    if found is None:
        return
    with st.container(border=True):
        st.markdown(f":material/search: {_where(found)}")
        st.markdown(prose(found.message))
        if found.help:
            st.markdown(f":material/lightbulb: {prose(found.help)}")
        rule = next((one for one in all_rules() if one.name == found.rule), None)
        if rule is not None:
            with st.expander(say("The rule: {title}", title=escaped(told(rule.title)))):
                _rule(rule)


def _where(found: Finding) -> str:
    name = f"**{escaped(found.rule)}**"
    if found.source is None:
        return say("The finding {rule}", rule=name)
    return say("The finding {rule}, line {line}", rule=name, line=found.source.line)


def _rule(rule: Rule) -> None:
    st.markdown(prose(rule.what))
    st.markdown(prose(rule.why))
    example, instead = st.columns(2)
    example.caption(say("An example"))
    example.code(told(rule.example), language="python")
    instead.caption(say("Instead"))
    instead.code(told(rule.instead), language="python", wrap_lines=True)


# -- the graph ------------------------------------------------------------------------------------


def _graph(runs: BugRuns, show: str, place: Place | None) -> None:
    book, first = _book(runs, show)
    _workbench(book, f"bugs/{runs.bug.name}/{show}", place or first)


def _book(runs: BugRuns, show: str) -> tuple[Book, Place]:
    """What is drawn, and where to look first: at the cause."""
    op = None if runs.finding is None else runs.finding.op
    if show == BOTH:
        union = None if op is None else runs.pair.op_of_a(op)
        return runs.pair.book, Place(selected=_item(union))
    if show == BUGGY:
        return runs.buggy.book, Place(
            selected=_item(op), panes={"dynamic": "left", "findings": "right"}
        )
    return runs.fixed.book, Place(panes={"dynamic": "left", "source": "right"})


def _item(op: int | None) -> str | None:
    return None if op is None else f"dynamic/op:{op}"


@st.fragment
def _workbench(book: Book, key: str, place: Place) -> None:
    now = workbench(book, key=key, place=place)
    st.html("<style>:root { --wb-above: 140px }</style>")
    write_some(**now.as_address())
