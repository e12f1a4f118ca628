"""Which questions are still waited for: a browser's next one, or a press on Cancel, ends the last.

A picture of 10,000 ops takes a second or two. Who toggles three boxes in a row waits for the third
picture only, and the work on the others stops.
"""

from __future__ import annotations

import threading
from collections import OrderedDict
from collections.abc import Callable, Mapping
from typing import Any

CLIENTS = 512
"""Browsers that are remembered; of one that was forgotten nothing is stopped."""

_NAME = 64
"""Characters of a browser's name that are looked at."""


class Turns:
    """The questions of all browsers about one recording.

    A browser calls itself by a random name and counts its questions: `client` and `number` of
    what it asks. A question without them can't be stopped.
    """

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._over: OrderedDict[str, int] = OrderedDict()  # client -> the last number that is over

    def __len__(self) -> int:
        """How many browsers are remembered."""
        return len(self._over)

    def begin(self, asked: Mapping[str, Any]) -> Callable[[], bool]:
        """Note a question; those of the same browser before it are over.

        Returns:
            Tells whether this question is over, too. Cheap, and can be called by any thread.
        """
        found = _of(asked)
        if found is None:
            return lambda: False
        client, number = found
        self._end(client, number - 1)
        return lambda: self._over.get(client, -1) >= number

    def cancel(self, asked: Mapping[str, Any]) -> None:
        """End a question, and those before it."""
        found = _of(asked)
        if found is not None:
            self._end(*found)

    def _end(self, client: str, number: int) -> None:
        with self._lock:
            self._over[client] = max(number, self._over.get(client, -1))
            self._over.move_to_end(client)
            while len(self._over) > CLIENTS:
                self._over.popitem(last=False)


def _of(asked: Mapping[str, Any]) -> tuple[str, int] | None:
    client, number = asked.get("client"), asked.get("number")
    if not isinstance(client, str) or not isinstance(number, int) or not client:
        return None
    return client[:_NAME], number
