"""Files and folders on the command line: completed by shells, checked before they are written."""

from __future__ import annotations

import os
import sys
from pathlib import Path
from typing import Literal, NoReturn

import click
from click.shell_completion import CompletionItem

from inspector.commands.speaking import report
from inspector.language import sentence

WRONG_USE = 2


class Place(click.types.StringParamType):
    """The name of a file or a folder, which shells complete. What is there is looked at later."""

    def __init__(self, kind: Literal["file", "dir"] = "file") -> None:
        self.name = kind

    def shell_complete(
        self, ctx: click.Context, param: click.Parameter, incomplete: str
    ) -> list[CompletionItem]:
        """Have the shell do it."""
        return [CompletionItem(incomplete, type=self.name)]


def stop(message: str) -> NoReturn:
    """End with one message on stderr, exit code 2."""
    report(message)
    sys.exit(WRONG_USE)


def target(path: str | Path) -> Path:
    """Where to write, made absolute; stops at once if nothing can be written there."""
    place = Path(path).absolute()
    if place.is_dir():
        cannot_write(path, sentence("it is a folder"))
    if not place.parent.is_dir():
        cannot_write(path, sentence("there is no folder {folder}", folder=str(place.parent)))
    if not os.access(place if place.exists() else place.parent, os.W_OK):
        cannot_write(path, sentence("it is not allowed here"))
    return place


def cannot_write(path: str | Path, reason: str) -> NoReturn:
    """End because nothing can be written to `path`."""
    stop(not_written(path, reason))


def not_written(path: str | Path, reason: str) -> str:
    """What is said of a file that cannot be written."""
    return sentence(
        "cannot write {file}: {reason}. Choose another place with -o.",
        file=str(path),
        reason=reason,
    )
