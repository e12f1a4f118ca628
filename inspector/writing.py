"""Writes a file whole or not at all."""

from __future__ import annotations

import contextlib
import io
import os
import secrets
from collections.abc import Iterator
from pathlib import Path
from typing import IO


def write_whole(path: str | os.PathLike[str], data: bytes) -> None:
    """Write `data` to `path`; where that fails, what was there before still is.

    Raises:
        OSError: the folder is missing, full or not writable.
    """
    with whole(path) as file:
        file.write(data)


@contextlib.contextmanager
def whole(path: str | os.PathLike[str]) -> Iterator[IO[bytes]]:
    """A file to write to, which is at `path` when the block has ended well; else nothing changes.

    It is written beside its place first, under a name that nobody can foresee.

    Raises:
        OSError: the folder is missing, full or not writable.
    """
    target = Path(path)
    if target.exists() and not target.is_file():
        held = io.BytesIO()
        yield held
        target.write_bytes(held.getvalue())  # /dev/stdout, a pipe: nothing can stand in its place
        return
    # Not `tempfile`: its files can be read by their owner only, whatever the umask says.
    temporary = target.with_name(f".{secrets.token_hex(8)}.part")
    with open(temporary, "xb") as file:
        try:
            yield file
            file.flush()
            os.fsync(file.fileno())
            os.replace(temporary, target)
        except BaseException:
            os.unlink(temporary)
            raise
