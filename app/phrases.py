"""Sentences for people, each in one piece: a translator needs whole sentences with their places.

Pages write `say("Measured at {time}.", time=...)`, never a sentence glued together from parts, and
get it in the language of the session. What is kept for other sessions or made on a job's thread is
no such text but a `Sentence` of the library (`inspector.language`): each session's page tells it
(`told`) or shows it as Markdown (`prose`).
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable
from contextvars import ContextVar
from functools import wraps
from typing import Any, ParamSpec, TypeVar

import streamlit as st
from streamlit.runtime.scriptrunner import get_script_run_ctx

from inspector.language import ENGLISH, Sentence, Translate, of_environment
from inspector.languages import language
from sample_models import Refused

P = ParamSpec("P")
R = TypeVar("R")

_at_work: ContextVar[bool] = ContextVar("at work", default=False)

LANGUAGE = "_language"
"""Of the session's state: the code of the language that its pages speak."""


def spoken() -> str:
    """The code of the session's language; English where there is no session, as on a thread."""
    if get_script_run_ctx(suppress_warning=True) is None:
        return ENGLISH
    return str(st.session_state.get(LANGUAGE) or of_environment())


def language_in_address() -> str | None:
    """What an address has to say of the language; None where it is the server's."""
    code = spoken()
    return None if code == of_environment() else code


def language_query() -> dict[str, str]:
    """The same as parameters, for a link to another page: it opens with a new session."""
    asked = language_in_address()
    return {} if asked is None else {"lang": asked}


def say(sentence: str, /, **values: Any) -> str:
    """A sentence with its places filled in, in the session's language.

    Args:
        sentence: English, written out.
        values: what stands in its places. A `Sentence` is translated, other texts are not.
    """
    tell = language(spoken())
    template = tell(sentence)
    if not values:
        return template
    return template.format(**{name: _value(tell, value) for name, value in values.items()})


def say_count(one: str, many: str, count: int, /, **values: Any) -> str:
    """The sentence for one, or the one for `{count}` of them.

    >>> say_count("one node is new", "{count} nodes are new", 3)
    '3 nodes are new'
    """
    tell = language(spoken())
    template = tell(Sentence((one, many), {}, count))
    told = {name: _value(tell, value) for name, value in values.items()}
    return template.format(**{"count": f"{count:,}"} | told)


def told(text: str) -> str:
    """A text of the library in the session's language."""
    return language(spoken())(text)


def _value(tell: Translate, value: Any) -> Any:
    return tell(value) if isinstance(value, Sentence) else value


def row(parts: Iterable[str]) -> str:
    """Texts of the session's language in a row, as in "a, b, c"."""
    return _joined(parts, say("{first}, {then}"))


def together(parts: Iterable[str]) -> str:
    """Whole sentences of the session's language one after the other; empty ones are left out."""
    return _joined(parts, say("{first} {then}"))


def _joined(parts: Iterable[str], template: str) -> str:
    between = template.replace("{first}", "").replace("{then}", "")
    return between.join(part for part in parts if part)


def reason_of(error: Exception) -> str:
    """What an error says: a text of the library where it is one of the library's."""
    refused = error.__cause__
    if isinstance(refused, Refused) and str(refused) == str(error):
        return Sentence((refused.template,), refused.values)
    message: str = getattr(error, "message", "")
    return message or str(error)


def named(name: str) -> str:
    """A name as a text of the library: the catalogue may know it, as those of samples' inputs."""
    return Sentence((name,), {})


def working(words: str) -> Callable[[Callable[P, R]], Callable[P, R]]:
    """Show a spinner with these words while a function works, if that takes a while.

    Of functions that call each other the first one shows it. A cache's own spinner knows one
    language.

    Args:
        words: a sentence of the library.
    """

    def decorate(function: Callable[P, R]) -> Callable[P, R]:
        @wraps(function)
        def shown(*args: P.args, **kwargs: P.kwargs) -> R:
            if _at_work.get() or get_script_run_ctx(suppress_warning=True) is None:
                return function(*args, **kwargs)
            before = _at_work.set(True)
            try:
                with st.spinner(told(words)):
                    return function(*args, **kwargs)
            finally:
                _at_work.reset(before)

        return shown

    return decorate


def duration(microseconds: float | None) -> str:
    """As in "12.3 µs", "4.56 ms", "1.2 s"; "–" for None."""
    if microseconds is None:
        return "–"
    for unit, scale in (("s", 1e6), ("ms", 1e3)):
        if abs(microseconds) >= scale:
            return f"{microseconds / scale:.3g} {unit}"
    return f"{microseconds:.3g} µs"


def size(count: int) -> str:
    """Bytes, as in "812 bytes", "4.2 kB", "1.3 MB"."""
    for unit, scale in (("MB", 1e6), ("kB", 1e3)):
        if count >= scale:
            return f"{count / scale:.3g} {unit}"
    return say("{count} bytes", count=count)


def escaped(text: str) -> str:
    """Text as Markdown that shows it letter by letter: messages and names are not markup."""
    return re.sub(r"([\\`*_{}\[\]()<>#+\-.!|$~:&])", r"\\\1", text)


def prose(text: str) -> str:
    """A sentence of the library as Markdown, in the session's language.

    What is in backticks is code, all else is text.
    """
    return plainly(told(text))


def plainly(text: str) -> str:
    """The same of a text that is in its language already, as a lesson's title."""
    parts = re.split(r"(`[^`\n]+`)", text)
    return "".join(part if at % 2 else escaped(part) for at, part in enumerate(parts))


_UNSEEN = re.compile(
    r"\x1b\[[0-?]*[ -/]*[@-~]"  # colours and moves of a terminal
    r"|\x1b\][^\x07\x1b]*(?:\x07|\x1b\\)?"  # its titles and links
    r"|\x1b[ -/]*[0-~]?"
    r"|[\x00-\x08\x0b-\x1f\x7f-\x9f]"
    r"|[\u061c\u200e\u200f\u202a-\u202e\u2066-\u2069]"  # would show text in another order
)


def printable(text: str) -> str:
    """What a program wrote, without what only steers a terminal or turns the text around."""
    return _UNSEEN.sub("", text.replace("\r\n", "\n").replace("\r", "\n"))
