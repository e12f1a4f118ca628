"""The text of a page that needs nothing besides itself: what was packed, our script, a policy.

Nothing of a recording is markup in it: names, sources and values are gzipped JSON, which the
workbench sets as text. A content security policy lets only our own script run, by its hash, and
nothing be loaded. Script and style are gzipped, too: a few lines unpack them, and the policy names
both hashes.
"""

from __future__ import annotations

import base64
import hashlib
import html
from collections.abc import Iterable, Mapping
from importlib import resources

from inspector.language import counted, sentence
from inspector.render.answers import Book
from inspector.render.archive import Archive
from inspector.render.packed import zipped
from inspector.render.workbench import script_text, style_text

ROOM = 1_900_000
"""Bytes of a whole page, as far as what it cannot do without allows."""


def filled(
    book: Book,
    pieces: Mapping[str, str],
    *,
    title: str,
    facts: str,
    holds: Iterable[str],
    script: str = "",
) -> str:
    """The text of a page.

    Args:
        book: what it shows first; the page is in its language.
        pieces: what was packed, see `Archive`.
        title, facts: what stands over it.
        holds: sentences that say what it holds and what not.
        script: JavaScript that it needs besides the workbench's.
    """
    boot = _asset("boot.js")
    scripts = _script(script)
    tell = book.translate
    packed = {**pieces, "script": zipped(scripts), "style": zipped(style_text())}
    return _PAGE.format(
        lang=book.language.replace("_", "-"),
        code=book.language,
        ops=len(book.recording.ops),
        policy=_policy(boot, scripts),
        title=_text(title),
        facts=_text(tell(facts)),
        about=_text(tell(_ABOUT)),
        theme=_text(tell(_THEME)),
        holds="".join(f"<p>{_text(tell(told))}</p>" for told in holds),
        starting=_text(tell(_STARTING)),
        style=_asset("page.css"),
        boot=boot,
        pieces="\n".join(
            f'<script type="text/plain" data-piece="{one}">{data}</script>'
            for one, data in sorted(packed.items())
        ),
    )


def _script(more: str) -> str:
    return "\n".join([script_text(), more, _asset("page.js")])


def room(script: str = "") -> int:
    """Bytes that are left for what a page shows, beside its own script and style."""
    return ROOM - len(zipped(_script(script))) - len(zipped(style_text()))


_ABOUT = sentence("About this page")
_THEME = sentence("Light or dark")
_STARTING = sentence(
    "Unpacking … If nothing comes, this browser is too old: any of 2023 or later shows the page. "
    "It needs JavaScript."
)


def holds(packed: Archive) -> list[str]:
    """In words what a page holds and what it does not."""
    found: list[str] = [
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
    return found


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
