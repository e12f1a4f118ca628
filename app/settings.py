"""How this server is run: read once, from the arguments of the app and the environment.

    streamlit run app/main.py -- --classroom
    INSPECTOR_CLASSROOM=1 INSPECTOR_RUNS_PER_MINUTE=12 streamlit run app/main.py

A setting that cannot be read stops the server: it must not run more openly than was meant.
"""

from __future__ import annotations

import os
import sys
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Literal, get_args

from inspector.errors import InspectorError
from inspector.language import sentence

Editing = Literal["on", "sandboxed", "off"]
"""Who may run code of their own: anybody; only where nothing can leave the sandbox; nobody."""

_YES, _NO = ("1", "true", "yes", "on"), ("", "0", "false", "no", "off")
_CLASSROOM = "--classroom"


@dataclass(frozen=True, slots=True)
class Settings:
    """What sessions may do. None is no limit.

    Args:
        classroom: the server is for many people who need not trust each other.
        editor: who may run code of their own.
        runs_per_minute: of a session's own code.
        runs_at_once: likewise; all sessions together have the sandbox's own limit.
        upload_mb: MB of an uploaded file; None leaves it to `server.maxUploadSize`.
        sessions: pages that are open at once, of all people together.
    """

    classroom: bool = False
    editor: Editing = "on"
    runs_per_minute: int | None = None
    runs_at_once: int | None = None
    upload_mb: int | None = None
    sessions: int | None = None

    @property
    def most_records(self) -> int | None:
        """Bytes of an uploaded recording's records once unpacked; None leaves it to the store.

        In memory they take about ten times as much.
        """
        return None if self.upload_mb is None else 4 * self.upload_mb << 20


CLASSROOM = Settings(
    classroom=True,
    editor="sandboxed",
    runs_per_minute=10,
    runs_at_once=1,
    upload_mb=20,
    sessions=200,
)
"""What holds in a classroom where nothing else is said."""


def read(arguments: Sequence[str], environment: Mapping[str, str]) -> Settings:
    """The settings that arguments and environment ask for.

    Args:
        arguments: `--classroom`, or nothing.
        environment: INSPECTOR_CLASSROOM (1 or 0), INSPECTOR_EDITOR (on, sandboxed, off), and
            INSPECTOR_RUNS_PER_MINUTE, INSPECTOR_RUNS_AT_ONCE, INSPECTOR_UPLOAD_MB,
            INSPECTOR_SESSIONS (numbers from 1).

    Raises:
        InspectorError: an argument or a value that is none of these.
    """
    unknown = [argument for argument in arguments if argument != _CLASSROOM]
    if unknown:
        raise _wrong(unknown[0], sentence("The only argument of the app is `--classroom`."))
    asked = environment.get("INSPECTOR_CLASSROOM", "").strip().lower()
    if asked not in (*_YES, *_NO):
        raise _wrong(f"INSPECTOR_CLASSROOM={asked}", sentence("It is 1 or 0."))
    start = CLASSROOM if _CLASSROOM in arguments or asked in _YES else Settings()
    return Settings(
        classroom=start.classroom,
        editor=_editor(environment, start.editor),
        runs_per_minute=_number(environment, "INSPECTOR_RUNS_PER_MINUTE", start.runs_per_minute),
        runs_at_once=_number(environment, "INSPECTOR_RUNS_AT_ONCE", start.runs_at_once),
        upload_mb=_number(environment, "INSPECTOR_UPLOAD_MB", start.upload_mb),
        sessions=_number(environment, "INSPECTOR_SESSIONS", start.sessions),
    )


def _editor(environment: Mapping[str, str], otherwise: Editing) -> Editing:
    asked = environment.get("INSPECTOR_EDITOR", "").strip().lower()
    if not asked:
        return otherwise
    for one in get_args(Editing):
        if asked == one:
            return one
    raise _wrong(f"INSPECTOR_EDITOR={asked}", sentence("It is on, sandboxed or off."))


def _number(environment: Mapping[str, str], name: str, otherwise: int | None) -> int | None:
    asked = environment.get(name, "").strip()
    if not asked:
        return otherwise
    if not (asked.isascii() and asked.isdigit() and int(asked[:9]) > 0) or len(asked) > 9:
        raise _wrong(f"{name}={asked}", sentence("It is a whole number from 1 on."))
    return int(asked)


def _wrong(what: str, known: str) -> InspectorError:
    return InspectorError(
        sentence("The setting “{what}” cannot be read. {known}", what=what[:80], known=known)
    )


@cache
def settings() -> Settings:
    """Those of this server.

    Raises:
        InspectorError: one of them cannot be read.
    """
    # Any other program, such as a test runner, has arguments of its own. Told by its name, not its
    # place: where the package is installed, as in the container, another copy of it can be run.
    ours = Path(sys.argv[0]).name == "main.py"
    return read(sys.argv[1:] if ours else (), os.environ)
