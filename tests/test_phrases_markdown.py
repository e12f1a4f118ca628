"""Texts of others on a page: Markdown that shows them letter by letter, by another reader of it."""

from __future__ import annotations

import html
import re

import pytest
from markdown_it import MarkdownIt

from inspector_app.phrases import escaped


@pytest.mark.parametrize(
    "text",
    [
        "&lt;b&gt; &amp; &#42;",
        "<img src=x onerror=alert(1)>",
        "![x](javascript:alert(1)) [a](https://evil.example)",
        "# not a heading",
        "**bold** _slanted_ `code` ~~gone~~",
        "https://evil.example www.evil.example",
        r"C:\temp\*",
        "1. one",
        "| a | b |",
    ],
)
def test_a_name_is_shown_letter_by_letter(text: str) -> None:
    made = MarkdownIt("commonmark").enable(["table", "strikethrough"]).render(escaped(text))
    shown = re.fullmatch(r"<p>(.*)</p>\n", made)
    assert shown is not None
    assert html.unescape(shown[1]) == text
