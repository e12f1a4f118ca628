"""Explore a sample model: choose an input, see what changes."""

from __future__ import annotations

from dataclasses import replace
from urllib.parse import urlencode

import streamlit as st

import sample_models
from inspector.render.answers import Book
from inspector.render.morphs import MorphBook
from inspector_app import rerun
from inspector_app.address import Address, write_some
from inspector_app.choice import choose_order, choose_sample
from inspector_app.component import Place, look_anew, workbench
from inspector_app.parts import BANNER, failure_banner, headline
from inspector_app.phrases import escaped, language_query, say, together, told
from inspector_app.rerun import Desk, Shown
from inspector_app.runs import CUSTOM, Order, Run
from inspector_app.screens.explore_change import CHANGED, change_line, compare_link
from inspector_app.screens.tables import tables

_ABOVE = 184
"""Px above the graph: the headline, and the line that says what changed."""


def page() -> None:
    """The page.

    It shows a run at once where it is known or quick. Else it shows what it showed, with a line
    that says what is waited for, and runs itself anew when that has come.
    """
    address = Address("explore")
    sample = choose_sample(address, "sample")
    order = choose_order(address, sample, "input")
    address.tell()
    desk = rerun.desk()
    asked = _address_of(order)
    if address.opened:
        same = all(address.asked.get(name, value) == value for name, value in asked.items())
        desk.goto = Place.of_address(address.asked) if same else Place()
    job = desk.ask(order)
    _wait(desk)
    place = None
    if job.run is not None:
        is_other = desk.show(job)
        place = _place(desk, address, is_other)
    address.write(**asked, **(place or Place()).as_address())
    if desk.shown is None:
        st.markdown(f"#### {told(sample.title)}")
        st.markdown(told(sample.teaches))
        change_line(desk)
        return
    _show_page(desk, place)


def _wait(desk: Desk) -> None:
    """Give the run a moment; where nothing is shown yet, a longer one."""
    assert desk.job is not None
    if not desk.job.wait(rerun.PATIENCE) and desk.shown is None:
        with st.spinner(say("Running the model and reading its graphs …")):
            desk.job.wait(rerun.FIRST_PATIENCE)


def _address_of(order: Order) -> dict[str, str]:
    """The parameters that ask for an order."""
    named = {"sample": order.sample, "input": order.input, "graph": order.prefer}
    return named | dict(order.written)


def _place(desk: Desk, address: Address, is_other: bool) -> Place:
    """What of the run to look at: what the address says, else what was looked at before."""
    goto, desk.goto = desk.goto, None
    if goto is not None:
        look_anew()
        return goto
    if not is_other:
        return Place.of_address(address.asked)
    looked = desk.looked or Place()
    if desk.before is None or desk.shown is None:
        return replace(looked, selected=None, toggled=(), moment=None)
    is_back = desk.earlier is not None and desk.earlier.order == desk.shown.order
    return _followed(looked, rerun.morph(desk.before, desk.shown), is_back)


def _followed(place: Place, book: MorphBook, is_back: bool) -> Place:
    """The place after a switch: the same tabs, and the same item and boxes where they are left.

    What is gone is followed to its ghost, and a ghost back to what it was of (`is_back`).
    """
    pane, _, item = (place.selected or "").partition("/")
    if is_back and pane == "dynamic" and item.startswith("was_"):
        returned: str | None = item.removeprefix("was_")
    else:
        returned = book.morph.name_now(item) or book.morph.ghost(item)
    kept = {"dynamic": returned, "static": item, "source": item}
    selected = kept.get(pane)
    opened = book.before.first_open ^ frozenset(place.toggled)
    toggled = []
    for box in place.toggled:
        now = box if box.startswith("ir:") else book.morph.name_now(box)
        if now is not None and (box in opened) != (now in book.first_open):
            toggled.append(now)
    return replace(
        place,
        selected=f"{pane}/{selected}" if selected else None,
        toggled=tuple(toggled),
        moment=None,
    )


def _show_page(desk: Desk, place: Place | None) -> None:
    """What is shown, with what changed; `place` is None while another run is waited for."""
    shown, before = desk.shown, desk.before
    assert shown is not None
    sample = sample_models.get(shown.order.sample)
    links = "&ensp;".join(filter(None, (compare_link(before, shown), _code_link(shown.order))))
    title, teaches = told(sample.title), told(sample.teaches)
    headline(title, teaches, shown.run, before.run if before else None, links)
    mode = change_line(desk)
    with st.container():  # always there: what comes below it keeps its place in the page
        failure_banner(shown.run.recording)
        _reason(shown.run)
    book: Book = shown.run.book
    if before is not None and mode == CHANGED:
        book = rerun.morph(before, shown)
    above = _ABOVE + (BANNER if shown.run.recording.failure else 0)
    st.html(f"<style>:root {{ --wb-above: {above}px }}</style>")
    _show(desk, shown, book, place)


def _code_link(order: Order) -> str:
    """Markdown that leads to the page on which the sample's code can be changed and run."""
    query = {"start": order.sample} | ({} if order.input == CUSTOM else {"input": order.input})
    words = say("Open its code")
    return f":material/code: [{words}](./code?{urlencode(query | language_query())})"


def _reason(run: Run) -> None:
    if not run.reason:
        return
    shown = run.static is not None
    instead = say("The trace of this input is shown instead.") if shown else ""
    words, button = st.columns([5, 1], vertical_alignment="center")
    words.caption(f":material/info: {together((escaped(told(run.reason)), instead))}")
    if run.reason_detail:
        with button.popover(say("Compiler's text"), width="stretch"):
            st.code(run.reason_detail, language="text")


@st.fragment
def _show(desk: Desk, shown: Shown, book: Book, place: Place | None) -> None:
    key = "/".join(_address_of(shown.order).values())
    now = workbench(book, key=key, place=place)
    if desk.shown is not None and desk.shown.order == shown.order:
        desk.looked = now
    if place is not None:
        write_some(**now.as_address())
    tables(shown.run, key.replace("/", "-").replace(" ", "_"), now.selected)
