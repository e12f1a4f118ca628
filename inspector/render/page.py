"""A recording, or two, as one HTML file that works from disk: no server, no network, no Python.

    export_html(recording, "run.html")

The file holds the workbench's own JavaScript and CSS, and an `archive` of answers. Nothing of the
recording is markup in it: names, sources and values are gzipped JSON, which the workbench sets as
text. A content security policy lets only our own script run, by its hash, and nothing be loaded.
Script and style are gzipped, too: a few lines unpack them, and the policy names both hashes.
"""

from __future__ import annotations

import base64
import hashlib
import html
import os
from importlib import resources

from inspector.errors import RenderError
from inspector.language import LANGUAGES, Translate, counted, of_environment, sentence
from inspector.records import Overlay, Recording, StaticGraph
from inspector.render.answers import Book
from inspector.render.archive import Archive, Limits, archive
from inspector.render.packed import zipped
from inspector.render.pairs import PairBook
from inspector.render.workbench import script_text, style_text
from inspector.writing import write_whole

Subject = Recording | tuple[Recording, Recording]

ROOM = 1_900_000
"""Bytes of a whole page, as far as what it cannot do without allows."""


def export_html(
    subject: Subject,
    path: str | os.PathLike[str],
    *,
    static: StaticGraph | None = None,
    title: str = "",
    language: str | None = None,
) -> None:
    """Write one HTML file that shows a recording, or two beside each other, as the workbench does.

    The file opens from disk in any browser of 2023 or later. It holds the graphs, the source, the
    timeline, findings, cards and the search; a box that is opened is shown by itself, with what is
    beside it. The page says what it does not hold.

    Args:
        subject: a recording; or two, (a, b): their union, with what differs.
        path: where to write. Nothing else is written, and nothing is there if it fails.
        static: TorchScript IR to be shown beside a recording.
        title: the page's title; the model's name by default.
        language: a code of `inspector.language.LANGUAGES`; None takes the environment's.

    Raises:
        RenderError: `subject` is neither, or there is no such language.
        OSError: it cannot be written there.
    """
    book = book_of(subject, static)
    code = of_environment() if language is None else language
    if code not in LANGUAGES:
        known = ", ".join(LANGUAGES)
        raise RenderError(
            sentence("There is no language {code!r}. Known: {known}.", code=code, known=known)
        )
    text = page(book.told_in(code), title=title)
    write_whole(path, text.encode("utf-8"))


def book_of(subject: Subject, static: StaticGraph | None = None) -> Book:
    """What a page answers from.

    Raises:
        RenderError: there is no recording, or static code beside two of them.
    """
    if isinstance(subject, Recording):
        return Book(subject, static, None if static is None else _overlay(static, subject))
    if (
        isinstance(subject, tuple)
        and len(subject) == 2
        and all(isinstance(one, Recording) for one in subject)
    ):
        if static is None:
            return PairBook(Book(subject[0]), Book(subject[1]))
        a, b = (Book(one, static, _overlay(static, one)) for one in subject)
        return PairBook(a, b)
    raise RenderError(
        sentence(
            "A page shows a recording, or two as (a, b), not a {kind}. A comparison alone holds "
            "no graphs: give the two recordings that it is of.",
            kind=type(subject).__name__,
        )
    )


def _overlay(static: StaticGraph, recording: Recording) -> Overlay:
    from inspector.overlay import overlay

    return overlay(static, recording)


def page(book: Book, *, title: str = "", limits: Limits | None = None) -> str:
    """The text of a page that shows a book, in the book's language."""
    boot, script = _asset("boot.js"), "\n".join([script_text(), _asset("page.js")])
    ours = {"script": zipped(script), "style": zipped(style_text())}
    packed = archive(book, limits or Limits(room=ROOM - sum(map(len, ours.values()))))
    tell = book.translate
    name = title or _title(book)
    pieces = "\n".join(
        f'<script type="text/plain" data-piece="{one}">{data}</script>'
        for one, data in sorted({**packed.pieces, **ours}.items())
    )
    return _PAGE.format(
        lang=book.language.replace("_", "-"),
        code=book.language,
        ops=len(book.recording.ops),
        policy=_policy(boot, script),
        title=_text(name),
        facts=_text(tell(_facts(book))),
        about=_text(tell(_ABOUT)),
        theme=_text(tell(_THEME)),
        holds="".join(f"<p>{_text(told)}</p>" for told in _holds(packed, tell)),
        starting=_text(tell(_STARTING)),
        style=_asset("page.css"),
        boot=boot,
        pieces=pieces,
    )


_ABOUT = sentence("About this page")
_THEME = sentence("Light or dark")
_STARTING = sentence(
    "Unpacking … If nothing comes, this browser is too old: any of 2023 or later shows the page. "
    "It needs JavaScript."
)


def _title(book: Book) -> str:
    runs = [side.recording for side in book.sides] if isinstance(book, PairBook) else []
    names = [str(run.meta.get("model") or "") for run in runs or [book.recording]]
    return " · ".join(dict.fromkeys(filter(None, names))) or "inspector"


def _facts(book: Book) -> str:
    if isinstance(book, PairBook):
        a, b = (len(side.recording.ops) for side in book.sides)
        return sentence("A: {a:,} ops. B: {b:,} ops.", a=a, b=b)
    recording = book.recording
    return sentence(
        "{ops:,} ops, {calls:,} module calls, {nodes:,} autograd nodes",
        ops=len(recording.ops),
        calls=len(recording.module_calls),
        nodes=len(recording.grad_nodes),
    )


def _holds(packed: Archive, tell: Translate) -> list[str]:
    """In words what the page holds and what it does not."""
    found = [
        sentence(
            "This is a saved page: it needs no server and no network, and asks nobody anything."
        )
    ]
    if packed.closeups:
        found.append(
            counted(
                "It holds {count} box by itself: open it to see what is in it.",
                "It holds {count} boxes, each by itself: open one to see what is in it.",
                packed.closeups,
            )
        )
    if packed.left_out:
        found.append(
            counted(
                "{count} more box is drawn closed and is not in it: open the recording itself "
                "in the inspector.",
                "{count} more boxes are drawn closed and are not in it: open the recording "
                "itself in the inspector.",
                packed.left_out,
            )
        )
    if "card" not in packed.answers:
        found.append(sentence("Cards are there for what is drawn, not for each op."))
    if "find" not in packed.answers:
        found.append(sentence("The search finds what is drawn."))
    found.append(
        sentence(
            "Not in it: several boxes open at once, pictures of large tensors' values, and where "
            "a size comes from. Open the recording itself in the inspector for these."
        )
    )
    return [tell(one) for one in found]


def _policy(*scripts: str) -> str:
    """What the page may do: run these scripts, and style itself."""
    digests = (hashlib.sha256(script.encode("utf-8")).digest() for script in scripts)
    hashes = " ".join(f"'sha256-{base64.b64encode(one).decode('ascii')}'" for one in digests)
    return "; ".join(
        [
            "default-src 'none'",
            f"script-src {hashes}",
            # Marks and places are set as style attributes. A style runs nothing, and can load
            # nothing: neither pictures nor fonts of elsewhere are allowed.
            "style-src 'unsafe-inline'",
            "img-src blob: data:",  # a picture is saved as PNG by way of a blob
            "base-uri 'none'",
            "form-action 'none'",
        ]
    )


def _text(text: str) -> str:
    """A text that no markup is in; half characters, which UTF-8 has not, are replaced."""
    return html.escape(text.encode("utf-8", "replace").decode("utf-8"))


def _asset(name: str) -> str:
    folder = resources.files("inspector.render") / "assets" / "page"
    return (folder / name).read_text(encoding="utf-8")


_PAGE = """<!doctype html>
<html lang="{lang}" data-language="{code}" data-ops="{ops}">
<head>
<meta charset="utf-8">
<meta http-equiv="Content-Security-Policy" content="{policy}">
<meta name="viewport" content="width=device-width, initial-scale=1">
<meta name="referrer" content="no-referrer">
<title>{title}</title>
<style>
{style}
</style>
</head>
<body>
<header>
<h1>{title}</h1>
<p class="quiet">{facts}</p>
<details><summary>{about}</summary>{holds}</details>
<button id="theme" type="button">{theme}</button>
</header>
<main id="workbench"><p id="note">{starting}</p></main>
{pieces}
<script type="module">{boot}</script>
</body>
</html>
"""
