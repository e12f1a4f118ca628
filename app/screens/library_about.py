"""A kept recording's name, tags and note, to be changed; and the buttons of one that is open."""

from __future__ import annotations

import streamlit as st

from inspector.library import Entry
from inspector.library.entries import LONGEST_NAME, LONGEST_NOTE, MOST_TAGS
from inspector_app import librarydesk as desk
from inspector_app.phrases import escaped, say


def beside(entry: Entry) -> None:
    """The sidebar of a kept recording that is open."""
    with st.sidebar:
        back()
        others = [one for one in desk.library().entries() if one.pinned and one.id != entry.id]
        for other in others[:1]:
            words = say("Compare with “{name}”", name=escaped(other.name))
            st.markdown(desk.comparison_link(entry, other, words))
        with st.container(horizontal=True):
            pin_button(entry, say("Baseline"))
            st.button(say("Delete"), icon=":material/delete:", on_click=desk.remove, args=(entry,))
        with st.expander(say("Name, tags and note"), expanded=bool(entry.tags or entry.note)):
            _form(entry)


def back() -> None:
    """A button to the list."""
    st.button(
        say("All recordings"),
        icon=":material/arrow_back:",
        width="stretch",
        on_click=desk.show,
        args=(desk.ALL,),
    )


def pin_button(entry: Entry, label: str = "") -> None:
    """Makes the recording a baseline, or no longer."""
    about = say("It is a baseline: click to make it an ordinary recording.")
    if not entry.pinned:
        about = say("Make it a baseline: it comes first, and the others are compared with it.")
    st.button(
        label,
        icon=":material/keep:" if entry.pinned else ":material/keep_off:",
        help=about,
        type="primary" if entry.pinned else "secondary",
        key=f"library/pin/{entry.id}",
        on_click=desk.pin,
        args=(entry,),
    )


def change_in_a_dialog(entry: Entry) -> None:
    """Ask for another name, tags and note, in front of the page."""
    desk.forget_form()
    st.dialog(say("Name, tags and note"))(_form)(entry)


def _form(entry: Entry) -> None:
    entry, every = desk.in_form(entry)
    with st.form(f"library/about/{entry.id}", border=False):
        name = st.text_input(say("Name"), entry.name, max_chars=LONGEST_NAME)
        tags = st.multiselect(
            say("Tags"),
            every,
            entry.tags,
            accept_new_options=True,
            max_selections=MOST_TAGS,
            placeholder=say("Choose a tag, or write one"),
        )
        note = st.text_area(say("Notes"), entry.note, max_chars=LONGEST_NOTE)
        saved = st.form_submit_button(say("Save"), icon=":material/save:")
    if saved:
        desk.describe(entry, name, tags, note)
        st.rerun()
