"""The library's list: a card for each recording, search, what is compared, the trash."""

from __future__ import annotations

import base64

import streamlit as st

from inspector.library import Entry, Library
from inspector_app import librarydesk as desk
from inspector_app.address import Address, acted
from inspector_app.phrases import escaped, prose, say, say_count
from inspector_app.screens.library_about import change_in_a_dialog, pin_button

_ACROSS = 3
_AT_FIRST = 12
_SEARCH, _TAG, _COUNT = "library/search", "library/tag", "_library_count"

_STYLE = """<style>
.library-picture { height: 150px; display: flex; justify-content: center; border-radius: 0.4rem;
  background: white; padding: 0.3rem; box-sizing: border-box; }
.library-picture img { max-width: 100%; max-height: 100%; object-fit: contain; }
.st-key-library-undo { position: fixed; bottom: 1.2rem; left: 50%; transform: translateX(-50%);
  width: auto !important; z-index: 1000; background: Canvas; padding: 0.4rem 0.8rem; }
.st-key-library-undo p { margin: 0; }
</style>"""


def style() -> None:
    """How cards and the way back look."""
    st.html(_STYLE)


def library_list(address: Address) -> dict[str, str | None]:
    """Draw the list; what the address says of it."""
    kept = desk.library()
    every = kept.entries()
    shown: dict[str, str | None] = {}
    if every:
        search, tag = _choose(address, every)
        shown = {"q": search or None, "tag": tag or None}
        entries = kept.entries(search, tag) if search or tag else every
        _compare(every)
        _cards(kept, entries)
        if not entries:
            st.info(say("No recording is like that."), icon=":material/search_off:")
    else:
        st.info(
            say("Nothing is kept yet. Open a recording and choose *Keep this recording*."),
            icon=":material/bookmark:",
        )
    _trash(kept.trash())
    _problems(kept.problems())
    return shown


def _choose(address: Address, every: tuple[Entry, ...]) -> tuple[str, str]:
    """The search and the tag."""
    if address.opened:
        st.session_state[_SEARCH] = address.asked.get("q", "")[:200]
    address.keep(_SEARCH)
    names = ["", *desk.tags_of(every)]
    address.options("tag", names, key=_TAG, start="", what=say("tag"))
    left, right = st.columns([3, 1], vertical_alignment="bottom")
    search = left.text_input(
        say("Search"),
        key=_SEARCH,
        max_chars=200,
        placeholder=say("Name, tag, note, model, op"),
        icon=":material/search:",
        on_change=acted,
    )
    tag = right.selectbox(
        say("Tag"),
        names,
        key=_TAG,
        on_change=acted,
        format_func=lambda tag: tag or say("any"),
    )
    return search, str(tag or "")


def _cards(kept: Library, entries: tuple[Entry, ...]) -> None:
    count = int(st.session_state.get(_COUNT, _AT_FIRST))
    seen = entries[:count]
    for first in range(0, len(seen), _ACROSS):
        for column, entry in zip(st.columns(_ACROSS), seen[first : first + _ACROSS], strict=False):
            with column:
                _card(kept, entry)
    if count < len(entries):
        label = say_count("Show one more", "Show {count} more", min(24, len(entries) - count))
        st.button(label, on_click=_show_more, args=(count + 24,))


def _show_more(count: int) -> None:
    acted()
    st.session_state[_COUNT] = count


def _card(kept: Library, entry: Entry) -> None:
    with st.container(border=True, height="stretch", key=f"library-card-{entry.id}"):
        _picture(kept.picture(entry.id))
        st.markdown(f"**{escaped(entry.name)}**")
        ops = say_count("1 op", "{count} ops", entry.ops)
        failed = say("failed: {error}", error=escaped(entry.failure)) if entry.failure else ""
        facts = (escaped(entry.model), ops, failed, escaped(desk.when(entry)))
        st.caption(" · ".join(fact for fact in facts if fact))
        if entry.tags:
            st.markdown(" ".join(f":gray-badge[{escaped(tag)}]" for tag in entry.tags))
        if entry.note:
            short = entry.note if len(entry.note) <= 200 else entry.note[:199] + "…"
            st.caption(escaped(short).replace("\n", "  \n"))
        _buttons(entry)


def _picture(drawn: str) -> None:
    """The drawing as an image: nothing that stands in it runs."""
    if drawn:
        data = base64.b64encode(drawn.encode()).decode()
        image = f'<img alt="" src="data:image/svg+xml;base64,{data}">'
        st.html(f'<div class="library-picture">{image}</div>')


def _buttons(entry: Entry) -> None:
    with st.container(horizontal=True, vertical_alignment="center", gap="xsmall"):
        st.button(
            say("Open"),
            key=f"library/open/{entry.id}",
            on_click=desk.show,
            args=(entry.id,),
        )
        pin_button(entry)
        if st.button(
            "",
            icon=":material/edit:",
            help=say("Name, tags and note"),
            key=f"library/edit/{entry.id}",
        ):
            change_in_a_dialog(entry)
        st.button(
            "",
            icon=":material/delete:",
            help=say("Delete"),
            key=f"library/delete/{entry.id}",
            on_click=desk.remove,
            args=(entry,),
        )
        st.checkbox(say("Compare"), key=_pick(entry), on_change=acted)


def _pick(entry: Entry) -> str:
    return f"library/pick/{entry.id}"


def _compare(every: tuple[Entry, ...]) -> None:
    """A link for the two that are ticked, or for one and the baseline."""
    picked = [entry for entry in every if st.session_state.get(_pick(entry))]
    if len(picked) == 1:
        baseline = next((one for one in every if one.pinned and one is not picked[0]), None)
        if baseline is None:
            st.caption(say("Tick another one to compare the two."))
        else:
            words = say("Compare with “{name}”", name=escaped(baseline.name))
            st.markdown(desk.comparison_link(picked[0], baseline, words))
    elif len(picked) == 2:
        st.markdown(desk.comparison_link(picked[0], picked[1], say("Compare the two")))
    elif picked:
        st.caption(say("Tick two to compare them."))


def _trash(removed: tuple[Entry, ...]) -> None:
    if not removed:
        return
    with st.expander(say("Trash ({count})", count=len(removed)), icon=":material/delete:"):
        for entry in removed[:100]:
            with st.container(horizontal=True, vertical_alignment="center"):
                st.button(
                    say("Restore"),
                    key=f"library/restore/{entry.id}",
                    on_click=desk.restore,
                    args=(entry.id,),
                )
                st.markdown(f"{escaped(entry.name)} · {escaped(desk.when(entry))}")
        with st.popover(say("Empty the trash")):
            st.markdown(
                say_count(
                    "One recording will be deleted for good.",
                    "{count} recordings will be deleted for good.",
                    len(removed),
                )
            )
            st.button(say("Delete for good"), type="primary", on_click=desk.empty_trash)


def _problems(problems: tuple[str, ...]) -> None:
    if not problems:
        return
    lines = "".join(f"\n- {prose(problem)}" for problem in problems[:20])
    st.warning(say("Not all of the library can be used:") + lines, icon=":material/warning:")
    st.button(say("Repair what can be"), icon=":material/build:", on_click=desk.rebuild)
