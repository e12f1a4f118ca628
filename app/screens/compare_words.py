"""The comparison in words: sentences, counts, and the way to the first difference."""

from __future__ import annotations

import os
from collections.abc import Callable

import streamlit as st

from inspector.comparison import Comparison
from inspector.language import sentence
from inspector.views.union import changed_ops
from inspector_app.pairruns import Pair
from inspector_app.phrases import escaped, prose, say, say_count, told

AT_ONCE = 3
"""Sentences above the graph; where more than one is left, those are a click away."""

_LINE, _EXPANDER, _REST = 24, 52, 143
"""Px: a sentence, what opens the others, and the title with the badges."""

Go = Callable[[int], None]


def explanation(comparison: Comparison) -> int:
    """Show the sentences; the first one counts, which the badges do, too.

    Returns:
        The room in px that they, the title and the badges take above the graph.
    """
    sentences = list(comparison.explanation)
    if len(sentences) > 1 and comparison.common:
        sentences = sentences[1:]
    shown = len(sentences) if len(sentences) <= AT_ONCE + 1 else AT_ONCE
    st.markdown("  \n".join(map(prose, sentences[:shown])))
    rest = sentences[shown:]
    if rest:
        with st.expander(say("{count} more sentences", count=len(rest))):
            st.markdown("  \n".join(map(prose, rest)))
    return _REST + _LINE * shown + (_EXPANDER if rest else 0)


def badges(pair: Pair, go: Go) -> None:
    """A and B by their names, how much they share, and a link to where they part.

    Args:
        pair: the two runs.
        go: callback that selects an op of both.
    """
    comparison = pair.comparison
    a, b = (escaped(told(name)) for name in pair.names)
    found = [
        f":orange-badge[**A** {a}]",
        f":violet-badge[**B** {b}]",
        f":gray-badge[{say_count('1 op in both', '{count} ops in both', len(comparison.common))}]",
        _badge("orange", len(comparison.only_a), sentence("{count} only in A")),
        _badge("violet", len(comparison.only_b), sentence("{count} only in B")),
        _badge("blue", len(changed_ops(pair.book.union)), sentence("{count} changed")),
    ]
    words, link = st.columns([5, 2], vertical_alignment="center")
    words.markdown("&ensp;".join(found))
    first = pair.first_op
    if first is not None:
        link.button(
            say("First difference: {place}", place=escaped(_place(comparison))),
            icon=":material/arrow_downward:",
            type="tertiary",
            on_click=go,
            args=(first,),
            help=say("Select it in the graph."),
        )


def _badge(colour: str, count: int, words: str) -> str:
    shown = colour if count else "gray"
    return f":{shown}-badge[{told(words).format(count=f'{count:,}')}]"


def _place(comparison: Comparison) -> str:
    first = comparison.first_difference
    if first is None or first.source is None:
        return say("its op")
    return f"{os.path.basename(first.source.file)}:{first.source.line}"
