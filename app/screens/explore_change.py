"""The line above the graph: what changed since the input before, or what is waited for."""

from __future__ import annotations

import re
from dataclasses import replace
from urllib.parse import urlencode

import streamlit as st

from inspector.comparison import Comparison
from inspector.language import sentence
from inspector.render.morphs import MorphBook
from inspector_app.component import Place
from inspector_app.phrases import escaped, language_query, prose, say, say_count, together, told
from inspector_app.rerun import Desk, Job, Shown, morph
from inspector_app.runs import CUSTOM

CHANGED, ONLY = "changed", "only"
_MODE = "explore/change"
_LOOK_SECONDS = 0.25
"""Between two looks how far a recording is."""


def change_line(desk: Desk) -> str:
    """Draw the line; it is as high whatever it says, so that the graph below stays where it is.

    Returns:
        Whether the graph shows what changed (`CHANGED`) or this run alone (`ONLY`).
    """
    with st.container(key="change-line", horizontal=True, vertical_alignment="center", gap="small"):
        job, shown = desk.job, desk.shown
        mode = ONLY if shown is None else _mode(desk)
        if job is not None and (shown is None or job.order != shown.order):
            _job(job, desk)
        elif shown is None or desk.before is None:
            st.caption(
                say(
                    "Switch the input: what stays keeps its place, what is gone fades and what is"
                    " new is marked."
                )
            )
        else:
            _changes(desk, desk.before, shown, mode)
    return mode


def _mode(desk: Desk) -> str:
    """The switch: always there, so that the browser knows what is chosen, however quick it goes."""
    names = {CHANGED: say("Show what changed"), ONLY: say("Only this run")}
    job, shown = desk.job, desk.shown
    waits = job is not None and shown is not None and job.order != shown.order
    chosen = st.segmented_control(
        say("The graph shows"),
        list(names),
        default=CHANGED,
        key=_MODE,
        required=True,
        disabled=waits or desk.before is None,
        format_func=lambda name: names[name],
        label_visibility="collapsed",
    )
    return str(chosen)


# -- what is waited for ----------------------------------------------------------------------------


def _job(job: Job, desk: Desk) -> None:
    name = escaped(told(job.order.title))
    if not job.ended or job.run is not None:  # it may have ended while the page was written
        _progress(job, name)
        return
    if job.reason:
        ended = f":material/error: {escaped(told(job.reason))}"
    else:
        ended = say(
            ":material/block: “{name}” was given up after {ops}.",
            name=name,
            ops=say_count("1 op", "{count} ops", job.ops),
        )
    if desk.shown is not None:
        shown = escaped(told(desk.shown.order.title))
        ended = together((ended, say("Shown is “{name}”.", name=shown)))
    st.markdown(ended)
    st.button(say("Run it again"), type="tertiary", on_click=desk.again)


@st.fragment(run_every=_LOOK_SECONDS)
def _progress(job: Job, name: str) -> None:
    """How far it is; the page is run anew when it has ended."""
    if job.ended:
        st.rerun()
    seconds = f"{job.seconds:.1f} s"
    if job.waiting:
        words = say("“{name}” waits for another recording, {seconds}", name=name, seconds=seconds)
    else:
        ops = say_count("1 op", "{count} ops", job.ops)
        words = say("Recording “{name}”: {ops}, {seconds}", name=name, ops=ops, seconds=seconds)
    with st.container(key="recording", horizontal=True, vertical_alignment="center", gap="small"):
        st.markdown(f":material/progress_activity: {words}")
        st.button(say("Give up"), type="tertiary", on_click=_give_up, args=(job,))


def _give_up(job: Job) -> None:
    job.give_up()
    job.wait(_LOOK_SECONDS)  # so that the page can say at once that it has ended


# -- what changed ----------------------------------------------------------------------------------


def _changes(desk: Desk, before: Shown, now: Shown, mode: str) -> None:
    comparison = morph(before, now).comparison
    words = "\n\n".join(prose(_told_now(one) or one) for one in comparison.explanation)
    st.markdown(change_words(comparison, before.order.title), width="stretch", help=words)
    if mode == CHANGED and not comparison.same:
        st.button(
            say("First change"),
            key="first-change",
            type="tertiary",
            icon=":material/my_location:",
            help=say("Select the first op that is new, gone or not the same."),
            on_click=_go_to_first,
            args=(desk, before, now),
        )


def _go_to_first(desk: Desk, before: Shown, now: Shown) -> None:
    desk.goto = first_change(desk.looked or Place(), morph(before, now)) or desk.goto


def first_change(place: Place, book: MorphBook) -> Place | None:
    """The place with the first change selected, and the boxes around it open; None without one."""
    item = book.morph.first_change()
    if item is None:
        return None
    number = int(item.rpartition(":")[2])
    way = book.morph.way_to_gone if item.startswith("was_") else book.morph.way_to
    opened = book.first_open ^ frozenset(place.toggled)
    toggled = frozenset(place.toggled) ^ (frozenset(way(number)) - opened)
    panes = {pane: side for pane, side in place.panes.items() if pane != "dynamic"}
    side = place.panes.get("dynamic", "left")
    if side in panes.values() or "dynamic" in place.panes:
        panes["dynamic"] = side  # the last one is on top
    return replace(
        place, selected=f"dynamic/{item}", toggled=tuple(sorted(toggled)), panes=panes, wide=""
    )


def _count(count: int, words: str) -> str:
    return told(words).format(count=f"{count:,}")


def change_words(comparison: Comparison, before: str) -> str:
    """What changed, as Markdown: the counts, and the first cause that is known."""
    if comparison.same:
        return say("The same graph as with “{name}”.", name=escaped(told(before)))
    parts = [
        f":green-badge[:material/add: {say_count('1 op new', '{count} ops new', one)}]"
        for one in (len(comparison.only_b),)
        if one
    ]
    if comparison.only_a:
        gone = _count(len(comparison.only_a), sentence("{count} gone"))
        parts.append(f":red-badge[:material/remove: {gone}]")
    if comparison.changes:
        parts.append(f":gray-badge[{_count(len(comparison.changes), sentence('{count} changed'))}]")
    cause = next(filter(None, map(_told_now, comparison.explanation[1:])), "")
    return " ".join([*parts, prose(cause)])


def _told_now(sentence: str) -> str:
    """A sentence about A and B as one about before and now; "" where it cannot be turned."""
    parts = re.split(r"(`[^`\n]+`)", told(sentence))
    turned = [part if at % 2 else _turned(part) for at, part in enumerate(parts)]
    left = re.search(r"(?<![A-Za-z])[AB](?![A-Za-z])", " ".join(turned[::2]))
    return "" if left or sentence.startswith("Only ") else "".join(turned)


def _turned(text: str) -> str:
    """Places of the runs A and B as times."""
    times = {
        say("only in A"): say("only before"),
        say("only in B"): say("only now"),
        say("in A"): say("before"),
        say("in B"): say("now"),
    }
    for place, time in times.items():
        text = re.sub(rf"(?<![A-Za-z]){re.escape(place)}(?![A-Za-z])", time, text)
    return text


def compare_link(before: Shown | None, now: Shown) -> str:
    """Markdown that leads to the page with both inputs side by side; that knows named ones only."""
    if before is None or CUSTOM in (before.order.input, now.order.input):
        return ""
    named = {"sample": now.order.sample, "a": before.order.input, "b": now.order.input}
    words = say("Compare with “{name}”", name=escaped(told(before.order.title)))
    # Relative: the app may be served below a path.
    return f":material/compare: [{words}](./compare?{urlencode(named | language_query())})"
