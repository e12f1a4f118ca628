"""A recording as it shows itself in a notebook: the saved page, in a frame of its own."""

from __future__ import annotations

import html

from inspector.language import listed, of_environment, sentence
from inspector.languages import language
from inspector.records import Recording
from inspector.render.answers import Book
from inspector.render.archive import Limits
from inspector.render.page import page

MOST = 3_000
"""Ops and autograd nodes; a longer run would make a notebook of many MB, and shows a summary."""

HEIGHT = 640
"""Of the frame, in px."""

LIMITS = Limits(room=800_000, closeups=200, records=MOST, moments=100, whys=20)

_UNTRUSTED = sentence(
    "The graph is shown when the notebook is trusted: Trust Notebook, in the File menu or the "
    "command palette."
)

_FRAME = (
    '<iframe sandbox="allow-scripts allow-downloads" allowfullscreen title="{title}" '
    'style="width: 100%; height: {height}px; border: 0" srcdoc="{page}">{otherwise}</iframe>'
)


def embedded(recording: Recording) -> str:
    """HTML of a recording for a notebook's output, in the language of the environment.

    It needs no server, no network and no other cell: a saved notebook shows it again. The frame is
    of no origin: its script can reach neither the notebook nor the machine. Where a notebook is not
    trusted, JupyterLab takes the frame away and leaves the text in it, which says so.
    """
    if len(recording.ops) + len(recording.grad_nodes) > MOST:
        return summary(recording)
    text = page(Book(recording).told_in(of_environment()), limits=LIMITS)
    otherwise = language(of_environment())(_UNTRUSTED)
    return _FRAME.format(
        title=_text(_name(recording)),
        height=HEIGHT,
        page=html.escape(text),
        otherwise=_text(f"{recording!r} {otherwise}"),
    )


def summary(recording: Recording) -> str:
    """A few lines of HTML: what was recorded, how it ended, and how to look at it."""
    tell = language(of_environment())
    counts = listed(
        [
            sentence("{count:,} ops", count=len(recording.ops)),
            sentence("{count:,} module calls", count=len(recording.module_calls)),
            sentence("{count:,} autograd nodes", count=len(recording.grad_nodes)),
        ]
    )
    lines = [tell(counts)]
    if recording.failure is not None:
        raised = f"{recording.failure.type}: {recording.failure.message}"
        lines.append(tell(sentence("failed: {error}", error=raised)))
    lines.append(
        tell(sentence("This run is too long to be drawn in a notebook. Save it as a page:"))
    )
    code = 'inspector.export_html(recording, "run.html")'
    told = "".join(f"<p>{_text(line)}</p>" for line in lines)
    return f"<div><strong>{_text(_name(recording))}</strong>{told}<pre>{_text(code)}</pre></div>"


def _name(recording: Recording) -> str:
    return str(recording.meta.get("model") or "inspector")


def _text(text: str) -> str:
    return html.escape(text.encode("utf-8", "replace").decode("utf-8"))
