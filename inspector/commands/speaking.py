"""What the command line says, in the language that the environment names (LANGUAGE, LANG, …).

Only what people read: formats for programs (JSON, SARIF, GitHub's commands), `--help` and what
click itself says stay English.
"""

from __future__ import annotations

import contextlib
import sys

import click

from inspector.language import of_environment
from inspector.languages import language


def told(text: str) -> str:
    """A text in the reader's language."""
    return language(of_environment())(text)


def report(text: str) -> None:
    """Say something on stderr, where there still is one: a script may have closed it."""
    with contextlib.suppress(OSError, ValueError):
        click.echo(encodable(f"inspector: {told(text)}", sys.stderr), err=True)


def encodable(text: str, stream: object) -> str:
    """A text with escapes for what a stream's encoding does not have."""
    encoding = getattr(stream, "encoding", None) or "utf-8"
    return text.encode(encoding, "backslashreplace").decode(encoding)
