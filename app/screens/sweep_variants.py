"""The distinct graphs of a sweep: each once, with its inputs, decisions and a small picture."""

from __future__ import annotations

import base64
from collections.abc import Iterator
from urllib.parse import urlencode

import streamlit as st

import sample_models
from inspector.census.text import failed_words, loop_lines
from inspector.counted import Variant
from inspector.errors import RenderError
from inspector.languages import language
from inspector.render.export import to_bytes
from inspector.views import default_open, dynamic_view
from inspector_app.phrases import escaped, language_query, prose, row, say, say_count, spoken, told
from inspector_app.screens.gradients_parts import theme
from inspector_app.screens.sweep_against import choose_variant
from inspector_app.sweepruns import Swept

AT_ONCE = 8
"""Variants that a page shows."""

_DECISIONS = 4
"""Decisions that a card lists at once."""

_NAMED = 3
"""Inputs that a card names, and one more where that is the last."""

_PICTURED = 400
"""Ops of the largest graph that gets a small picture: more would be a grey spot."""

_VISIBLE = 12
"""Nodes in a small picture, about: boxes stay closed where more would show."""

_TALL = 220
"""Px of a small picture."""


def variants_view(swept: Swept) -> None:
    """The variants, the most common first, a page of them at a time."""
    variants = swept.census.variants
    if sample_models.get(swept.choice.sample).loss is not None:
        st.caption(
            say("Ops are counted without the loss, which “Explore a model” puts behind the model.")
        )
    first = 0
    if len(variants) > AT_ONCE:
        first = _choose_page(len(variants))
    for number, variant in list(enumerate(variants))[first : first + AT_ONCE]:
        _card(swept, number, variant)


def _choose_page(count: int) -> int:
    """The number of the first variant to show."""
    pages = -(-count // AT_ONCE)
    left, right = st.columns([2, 5], vertical_alignment="center")
    with left:
        page = st.pagination(pages, key=f"sweep/page/{pages}")
    first = (page - 1) * AT_ONCE
    last = min(first + AT_ONCE, count) - 1
    right.caption(
        say(
            "Variants {first} to {last} of {count}, the most common first.",
            first=first,
            last=last,
            count=f"{count:,}",
        )
    )
    return first


def _card(swept: Swept, number: int, variant: Variant) -> None:
    explore = _explore(swept, variant)
    with st.container(border=True):
        picture, words, links = st.columns([2, 5, 2], gap="medium")
        with picture:
            _picture(swept, number, variant)
        with words:
            found = "\n".join(_lines(variant)) or _nothing(swept)
            inputs = _inputs(swept, number)
            st.markdown("\n\n".join(filter(None, [_head(swept, number, variant), inputs, found])))
        with links:
            if explore is not None:
                st.link_button(
                    say("Explore this input"),
                    explore,
                    icon=":material/account_tree:",
                    width="stretch",
                    help=say("Opens “{name}”.", name=told(variant.label)),
                )
            if number:
                st.button(
                    say("Compare with variant 0"),
                    key=f"sweep/compare/{number}",
                    icon=":material/compare:",
                    width="stretch",
                    on_click=choose_variant,
                    args=(number,),
                    help=say("Both graphs in one picture: the most common one is A."),
                )


def _head(swept: Swept, number: int, variant: Variant) -> str:
    """Markdown: the variant's number, how many inputs take it, an example, its size."""
    share = 100 * variant.count / len(swept.census.points)
    count = say_count("1 input", "{count} inputs", variant.count)
    badges = [
        f":violet-badge[{say('{count}, {share} %', count=count, share=f'{share:.0f}')}]",
        f":gray-badge[{say_count('1 op', '{count} ops', variant.ops)}]",
    ]
    if variant.failure is not None:
        badges.append(f":red-badge[:material/error: {say('failed')}]")
    name = say("**Variant {number}**, as for “{label}”", number=number, label=_md(variant.label))
    return "&ensp;".join([name, *badges])


def _inputs(swept: Swept, number: int) -> str:
    """Markdown: the names of the inputs, where there is more than the one in the head."""
    labels = [_md(point.label) for point in swept.census.points if point.variant == number]
    if len(labels) < 2:
        return ""
    named = labels if len(labels) <= _NAMED + 1 else labels[:_NAMED]
    more = len(labels) - len(named)
    names = row(say("“{name}”", name=label) for label in named)
    return say("{names} and {count} more", names=names, count=more) if more else names


def _lines(variant: Variant) -> Iterator[str]:
    """Markdown: what decides for it, its loops, how it failed."""
    if variant.failure is not None:
        words = failed_words(variant.recording, variant.failure)
        yield "- " + say("Failed {words}", words=prose(words))
    decisions = [decision.words for decision in variant.decisions]
    yield from (f"- {prose(words)}" for words in decisions[:_DECISIONS])
    if len(decisions) > _DECISIONS:
        yield f"- {say('… and {count} more decisions', count=len(decisions) - _DECISIONS)}"
    yield from (f"- {prose(line)}" for line in loop_lines(variant))


def _nothing(swept: Swept) -> str:
    if len(swept.census.variants) == 1:
        return say("All inputs ran the same ops in the same order.")
    return say("Nothing that was recorded tells it from the others.")


def _md(text: str) -> str:
    text = told(text)
    return escaped(text if len(text) <= 60 else f"{text[:59]}…")


# -- links ----------------------------------------------------------------------------------------


def _explore(swept: Swept, variant: Variant) -> str | None:
    """The address of the example on the page “Explore a model”."""
    query = swept.items[variant.example].query
    if query is None:
        return None
    return f"./?{urlencode({'sample': swept.choice.sample, **query, **language_query()})}"


# -- the small picture ----------------------------------------------------------------------------


def _picture(swept: Swept, number: int, variant: Variant) -> None:
    look = number, theme(), spoken()
    drawn = swept.drawings.get(look)
    if drawn is None:
        drawn = swept.drawings[look] = _drawn(variant)
    if drawn:
        described = say("The graph of variant {number}", number=number)
        st.html(
            f'<div style="height:{_TALL}px;display:flex;justify-content:center">'
            f'<img alt="{described}" src="{drawn}" style="max-width:100%;max-height:100%;'
            'object-fit:contain"></div>'
        )
    else:
        st.caption(say("{ops} ops: too many for a small picture.", ops=f"{variant.ops:,}"))


def _drawn(variant: Variant) -> str:
    """The picture as a data address; "" where there is none."""
    if variant.ops > _PICTURED:
        return ""
    view = dynamic_view(variant.recording, default_open(variant.recording, _VISIBLE))
    try:
        drawing = to_bytes(view, "svg", theme(), timeout=5.0, translate=language(spoken()))
    except RenderError:
        return ""
    return f"data:image/svg+xml;base64,{base64.b64encode(drawing).decode('ascii')}"
