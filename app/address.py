"""The address of a page and its widgets: one follows the other.

    address = Address("deploy")
    address.options("graph", WAYS, key="deploy/graph", start="script", what="graph")
    way = st.radio("Graph", list(WAYS), key="deploy/graph", on_change=acted)
    address.write(graph=way)

The browser's back button runs the page anew with the address of then and the widgets of now.
So an address that is not the one written last sets the widgets, unless the viewer has just used
one of them: then the browser only did not know of the last address yet.
"""

from __future__ import annotations

from collections.abc import Collection
from typing import Any, NoReturn

import streamlit as st

from inspector.language import code_of
from inspector_app.phrases import escaped, language_in_address, row, say

_WRITTEN, _ACTED = "_address", "_address_acted"
_REDRAWN = "_address_redrawn"


def acted() -> None:
    """Callback of a widget whose choice stands in the address: the viewer has used it."""
    st.session_state[_ACTED] = True


def was_acted() -> bool:
    """Whether the viewer has used such a widget, and no `Address` has been made since."""
    return bool(st.session_state.get(_ACTED))


def redraw() -> NoReturn:
    """Draw the whole page anew, from within a fragment.

    A page that draws itself anew soon after the first time may overtake what it said then: a busy
    browser never saw it, and would show each widget's first option. So the page tells it again.
    """
    st.session_state[_REDRAWN] = True
    st.rerun()


class Address:
    """The address that a page was run with.

    `opened` says that it is not the page's own: it was opened, or gone back to.
    """

    def __init__(self, page: str) -> None:
        self.asked: dict[str, str] = dict(st.query_params.to_dict())
        self._page = page
        self._wrong: list[str] = []
        used = st.session_state.pop(_ACTED, False)
        self._redrawn = st.session_state.pop(_REDRAWN, False)
        before: tuple[str, dict[str, str]] | None = st.session_state.get(_WRITTEN)
        entered = before is None or before[0] != page
        changed = before is not None and before[1] != self.asked
        self.opened = entered or (changed and not used)
        lang = self.asked.get("lang")
        if self.opened and lang is not None and code_of(lang) is None:
            self.complain(say("the language “{name}”", name=escaped(lang)))

    def options(
        self, parameter: str, names: Collection[Any], *, key: str, start: Any, what: str
    ) -> None:
        """Set a widget before it is made, where the address is to choose, or nothing has yet.

        Args:
            parameter: of the address.
            names: that can be chosen.
            key: of the widget.
            start: one of them, for an address without the parameter or with an unknown name.
            what: the parameter in words, for the message about an unknown name.
        """
        if not self.opened:
            if st.session_state.get(key) not in names:
                st.session_state[key] = start
            self.keep(key)
            return
        asked = self.asked.get(parameter)
        known = asked in names
        if asked is not None and not known:
            self.complain(say("the {what} “{name}”", what=what, name=escaped(asked)))
        st.session_state[key] = asked if known else start

    def keep(self, key: str) -> None:
        """Leave a widget as it is set, and tell the browser again where it may not know (`redraw`).

        Args:
            key: of a widget that an address sets, before it is made.
        """
        if self._redrawn and key in st.session_state:
            st.session_state[key] = st.session_state[key]

    def complain(self, what: str) -> None:
        """Note something that the address asks for and that there is not, as Markdown."""
        self._wrong.append(what)

    def tell(self, *, in_sidebar: bool = True) -> None:
        """One message that names everything the address asks for and that there is not.

        Args:
            in_sidebar: whether what is shown instead is chosen there.
        """
        if not self._wrong:
            return
        what = row(self._wrong)
        if in_sidebar:
            message = say(
                "This address asks for {what}: not found here. What is shown instead stands"
                " in the sidebar and in the address.",
                what=what,
            )
        else:
            message = say(
                "This address asks for {what}: not found here. What is shown instead stands"
                " in the address.",
                what=what,
            )
        st.error(message)

    def write(self, **shown: str | None) -> None:
        """Make the address say what is shown, in one go; other parameters are dropped.

        The language stands in it, too, where it is not the server's. After the back button
        Streamlit lets the browser replace the address: the way on stays.
        """
        shown = shown | {"lang": language_in_address()}
        wanted = {name: value for name, value in shown.items() if value is not None}
        if wanted != self.asked:
            st.query_params.from_dict(wanted)
        st.session_state[_WRITTEN] = (self._page, wanted)


def write_some(**shown: str | None) -> None:
    """Change parameters from within a fragment or a callback, None drops one; others stay."""
    before = st.query_params.to_dict()
    wanted = {**before, **{name: value for name, value in shown.items() if value is not None}}
    wanted = {name: value for name, value in wanted.items() if shown.get(name, value) is not None}
    if wanted != before:
        st.query_params.from_dict(wanted)
    written: tuple[str, dict[str, str]] | None = st.session_state.get(_WRITTEN)
    if written is not None:
        st.session_state[_WRITTEN] = (written[0], wanted)
