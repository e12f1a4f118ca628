"""What a program prints: kept up to a size, and told to who listens."""

from __future__ import annotations

import codecs
from collections.abc import Callable

from inspector.language import sentence


class Output:
    """What a program printed, up to a number of bytes; the rest is counted only."""

    def __init__(self, largest: int, heard: Callable[[str], None]) -> None:
        self._left = largest
        self._heard = heard
        self._decoder = codecs.getincrementaldecoder("utf-8")("replace")
        self._pieces: list[str] = []
        self._largest = largest
        self.dropped = 0

    @property
    def full(self) -> bool:
        """Whether nothing more is kept."""
        return self._left <= 0

    @property
    def text(self) -> str:
        """All that was kept, with a word on the rest."""
        return "".join(self._pieces)

    def take(self, piece: bytes) -> None:
        """Take what was printed next."""
        self.dropped += max(0, len(piece) - self._left)
        self._keep(self._decoder.decode(piece[: self._left]) if self._left > 0 else "")
        self._left = max(0, self._left - len(piece))

    def finish(self) -> None:
        """Nothing comes any more."""
        self._keep(self._decoder.decode(b"", final=True))
        if self.dropped:
            more = sentence(
                "… {count:,} bytes more were printed: only the first {kib:,} KiB are shown.",
                count=self.dropped,
                kib=self._largest >> 10,
            )
            self._keep(f"\n{more}\n")

    def _keep(self, text: str) -> None:
        if text:
            self._pieces.append(text)
            self._heard(text)
