"""Writes a file whole or not at all."""

from __future__ import annotations

import os
import secrets
from pathlib import Path


def write_whole(path: str | os.PathLike[str], data: bytes) -> None:
    """Write `data` to `path`; where that fails, what was there before still is.

    It is written beside its place first, under a name that nobody can foresee.

    Raises:
        OSError: the folder is missing, full or not writable.
    """
    target = Path(path)
    if target.exists() and not target.is_file():
        target.write_bytes(data)  # /dev/stdout, a pipe: nothing can stand in its place
        return
    # Not `tempfile`: its files can be read by their owner only, whatever the umask says.
    temporary = target.with_name(f".{secrets.token_hex(8)}.part")
    with open(temporary, "xb") as file:
        try:
            file.write(data)
            file.flush()
            os.fsync(file.fileno())
            os.replace(temporary, target)
        except BaseException:
            os.unlink(temporary)
            raise
