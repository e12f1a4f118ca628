"""Pictures in a lesson's text: part of it, or files beside it. Nothing comes from the network."""

from __future__ import annotations

import base64
import re
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from urllib.parse import unquote

from markdown_it import MarkdownIt
from markdown_it.token import Token

from inspector.language import Sentence, sentence
from inspector_app.teaching.fields import Report
from inspector_app.teaching.lesson import Notes, Part, Question, Step, Text

KINDS = {
    ".png": "image/png",
    ".jpg": "image/jpeg",
    ".jpeg": "image/jpeg",
    ".gif": "image/gif",
    ".webp": "image/webp",
}
"""Endings of picture files, and what they are."""

LARGEST = 1_000_000
"""Bytes of one picture at most: it is sent with the text."""

_DATA = re.compile(r"data:image/(png|jpeg|gif|webp)[;,]")
_BESIDE = re.compile(r"\w[\w .-]*")
_NETWORK = re.compile(r"<[^>]*(\b(src|srcset|href|data|poster)\s*=|url\()[^>]*//", re.I)
_TARGETS = (
    re.compile(r"(!\[(?:[^\]\\]|\\.)*\]\(\s*)(<[^>\n]*>|[^\s()]+)"),
    re.compile(r"(?m)(^ {0,3}\[[^\]\n]+\]:[ \t]*)(<[^>\n]*>|\S+)"),
)
"""`![alt](target)` and `[name]: target`."""


def with_images(steps: tuple[Step, ...], folder: Path | None, report: Report) -> tuple[Step, ...]:
    """The steps with the picture files of their texts in the texts, as `data:` addresses.

    Args:
        steps: as read.
        folder: where the lesson lies; None leaves files as they are.
        report: hears of each picture that is not there, or would be fetched.
    """
    found = []
    for step in steps:
        _text(step.title, step.line, None, report)
        parts = tuple(_part(part, folder, report) for part in step.parts)
        found.append(replace(step, parts=parts))
    return tuple(found)


def _part(part: Part, folder: Path | None, report: Report) -> Part:
    if isinstance(part, Text):
        return replace(part, markdown=_text(part.markdown, part.line, folder, report))
    if isinstance(part, Notes):
        return replace(part, markdown=_text(part.markdown, part.line + 1, folder, report))
    if isinstance(part, Question):
        question = _text(part.question, part.line + 1, folder, report)
        return replace(
            part, question=question, answer=_text(part.answer, part.line + 1, folder, report)
        )
    return part


def _text(markdown: str, line: int, folder: Path | None, report: Report) -> str:
    """A text with its pictures in it; what it has instead of one is reported."""
    if "<" in markdown or "![" in markdown:
        for at, address in _addresses(markdown):
            if address is None:
                report(line + at, _NO_HTML)
            elif not _DATA.match(address):
                found = _data_of(address, folder)
                if isinstance(found, Sentence):
                    report(line + at, found)
                elif found:
                    markdown = _placed(markdown, address, found)
    return markdown


def _addresses(markdown: str) -> Iterator[tuple[int, str | None]]:
    """The line and the address of each picture; None for HTML that names one in the network."""
    parser = MarkdownIt("commonmark")
    parser.validateLink = lambda url: True  # type: ignore[method-assign]  # it hides some
    for token in parser.parse(markdown):
        at = (token.map or (0, 0))[0]
        for part in (token, *(token.children or ())):
            if part.type in ("html_block", "html_inline"):
                if _NETWORK.search(part.content):
                    yield at, None
            elif part.type == "image":
                yield at, _source(part)


def _source(image: Token) -> str:
    return unquote(str(image.attrGet("src") or ""))


def _data_of(address: str, folder: Path | None) -> str | Sentence:
    """A picture file as `data:`, "" where files are left alone, or why there is none."""
    ending = Path(address).suffix.lower()
    if _BESIDE.fullmatch(address) is None or ending not in KINDS:
        return sentence(
            "The picture `{address}` is not shown: put a file beside the lesson and write its "
            "name, as in `![what it shows](picture.png)`; png, jpg, gif and webp are read.",
            address=address[:80],
        )
    if folder is None:
        return ""
    try:
        with (folder / address).open("rb") as stream:
            content = stream.read(LARGEST + 1)
    except OSError:
        return sentence("There is no picture `{address}` beside the lesson.", address=address)
    if len(content) > LARGEST:
        most = f"{LARGEST:,}"
        return sentence(
            "The picture `{address}` is too large: it has at most {most} bytes.",
            address=address,
            most=most,
        )
    return f"data:{KINDS[ending]};base64,{base64.b64encode(content).decode('ascii')}"


def _placed(markdown: str, address: str, data: str) -> str:
    """A text with `data` where its pictures had `address`."""

    def put(found: re.Match[str]) -> str:
        is_it = unquote(found[2].strip("<>")) == address
        return f"{found[1]}{data}" if is_it else found[0]

    for target in _TARGETS:
        markdown = target.sub(put, markdown)
    return markdown


_NO_HTML = sentence(
    "HTML is not read here, and nothing is fetched from the network: write Markdown, with a "
    "picture as a file beside the lesson."
)
