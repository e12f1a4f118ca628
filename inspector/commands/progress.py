"""One line on the terminal that says how far a recording is, and is overwritten by the next."""

from __future__ import annotations

import sys
import time

from inspector.commands.speaking import encodable, told
from inspector.language import sentence

EVERY_SECONDS = 0.2
_CLEAR_LINE = "\x1b[K"


class Progress:
    """Shows nothing where stderr is not a terminal.

    The cursor stays at the line's beginning, so that what the script prints replaces it.
    """

    def __init__(self, quiet: bool) -> None:
        self._stream = sys.stderr  # as it is now: the script may put another one in its place
        self._shows = not quiet and self._stream.isatty()
        self._shown = False
        self._next = 0.0

    def show(self, ops: int, steps: int, recording: bool) -> None:
        """Say how many ops were recorded and how many optimizer steps were made so far."""
        if not self._shows or time.monotonic() < self._next:
            return
        self._next = time.monotonic() + EVERY_SECONDS
        if recording:
            text = sentence("{ops:,} ops recorded, step {steps:,}", ops=ops, steps=steps)
        else:
            text = sentence("not recording, step {steps:,}", steps=steps)
        self._write(f"inspector: {told(text)}{_CLEAR_LINE}\r")
        self._shown = True

    def clear(self) -> None:
        """Take the line away."""
        if self._shown:
            self._write(_CLEAR_LINE)
        self._shown = False

    def _write(self, text: str) -> None:
        try:
            self._stream.write(encodable(text, self._stream))
            self._stream.flush()
        except (OSError, ValueError):  # the script has closed it
            self._shows = False
