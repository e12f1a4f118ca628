"""The language of a session: the address, else the viewer's choice, else that of the server.

    choose_language()       first of all on every page: what is said after it is in that language

The address names the language where it is another one than the server's (`Address.write`). The
choice is kept for the session, since a link of the navigation leads to a bare address.
"""

from __future__ import annotations

from dataclasses import is_dataclass

import streamlit as st

from inspector.language import LANGUAGES, code_of, of_environment
from inspector_app.address import acted, was_acted, write_some
from inspector_app.phrases import LANGUAGE, language_in_address, say, spoken

_KEY = "language"


def choose_language() -> None:
    """Find out the session's language, and draw the switch in the sidebar."""
    before = spoken()
    code = before if was_acted() else _asked(before)
    st.session_state[LANGUAGE] = code
    if code != before:
        keep_widgets()
    st.session_state[_KEY] = code
    st.sidebar.segmented_control(
        say("Language"),
        list(LANGUAGES),
        key=_KEY,
        required=True,
        on_change=_chosen,
        format_func=LANGUAGES.__getitem__,
        label_visibility="collapsed",
    )


def name_of(code: str) -> str:
    """A language's name in the session's language; the code where it is none of the app's."""
    names = {"en": say("English"), "zh_CN": say("Simplified Chinese")}
    return names.get(code, code)


def _asked(before: str) -> str:
    """What the address says: by its parameter, or by having none."""
    asked = st.query_params.to_dict()
    if not asked and LANGUAGE in st.session_state:
        return before  # a link of the navigation
    return code_of(asked.get("lang")) or of_environment()


def _chosen() -> None:
    acted()
    st.session_state[LANGUAGE] = st.session_state[_KEY]
    keep_widgets()
    write_some(lang=language_in_address())


def keep_widgets() -> None:
    """Have the browser's widgets show what is chosen in the words of the new language.

    A browser names an option by its text: it would go on with a text that is no option any more.
    """
    for key, value in list(st.session_state.items()):
        # Not of buttons and toggles, which are True or False, nor of what was uploaded.
        option = isinstance(value, str | int | float) or is_dataclass(value)
        if option and not isinstance(value, bool):
            st.session_state[key] = value
