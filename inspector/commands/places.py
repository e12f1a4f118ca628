"""Where commands write, and how they stop."""

from __future__ import annotations

import os
import sys
from pathlib import Path
from typing import NoReturn

from inspector.commands.speaking import report
from inspector.language import sentence

WRONG_USE = 2


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
