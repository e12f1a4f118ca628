"""The library's folder: where it is, its lock, and files that are what they say they are."""

from __future__ import annotations

import contextlib
import os
import stat
import sys
import time
from collections.abc import Iterator
from pathlib import Path

from inspector.language import sentence

if sys.platform != "win32":
    import fcntl
else:
    import msvcrt

VARIABLE = "INSPECTOR_LIBRARY"
"""Of the environment: the folder, in the place of the one in the user's data directory."""

OFF = "off"
"""In the place of a folder: the pages of the app offer no library."""

LOCK = "lock"
LOCK_SECONDS = 30.0
"""The lock is held for a rename and a row of the index: who waits longer waits for a hung one."""

_PAUSE = 0.01


def default_folder() -> Path:
    """Where recordings are kept unless a folder is named: the user's data directory."""
    named = os.environ.get(VARIABLE)
    if named and named != OFF:
        return Path(named).expanduser()
    data = os.environ.get("XDG_DATA_HOME") or ""
    # The XDG specification: a relative path is invalid, and as if it were not set.
    base = Path(data) if os.path.isabs(data) else Path.home() / ".local" / "share"
    return base / "torch-graph-inspector" / "recordings"


@contextlib.contextmanager
def locked(folder: Path, *, exclusive: bool, seconds: float = LOCK_SECONDS) -> Iterator[None]:
    """Hold the folder's lock; the system frees it when the process ends, however it ends.

    Args:
        folder: it exists.
        exclusive: nobody else may hold it; otherwise nobody may hold it exclusively.
        seconds: to wait at most.

    Raises:
        TimeoutError: somebody else held it all the time.
        OSError: the lock can't be opened, as in a folder that is not ours to write.
    """
    flags = os.O_RDWR | os.O_CREAT | getattr(os, "O_NOFOLLOW", 0)
    handle = os.open(folder / LOCK, flags, 0o600)
    try:
        deadline = time.monotonic() + seconds
        while not _take(handle, exclusive):
            if time.monotonic() > deadline:
                raise TimeoutError(sentence("another program is holding its lock"))
            time.sleep(_PAUSE)
        yield
    finally:
        os.close(handle)


def _take(handle: int, exclusive: bool) -> bool:
    try:
        if sys.platform == "win32":
            msvcrt.locking(handle, msvcrt.LK_NBLCK, 1)
        else:
            fcntl.flock(handle, (fcntl.LOCK_EX if exclusive else fcntl.LOCK_SH) | fcntl.LOCK_NB)
    except (BlockingIOError, PermissionError):
        return False
    return True


def read_small(path: Path, most: int) -> bytes:
    """What is in a file of the library.

    Raises:
        OSError: it can't be read.
        ValueError: it is a link, no file, or larger than `most` bytes.
    """
    size_of(path, most)
    flags = os.O_RDONLY | getattr(os, "O_NOFOLLOW", 0) | getattr(os, "O_NONBLOCK", 0)
    with open(os.open(path, flags | getattr(os, "O_BINARY", 0)), "rb") as file:
        data = file.read(most + 1)
    if len(data) > most:
        raise ValueError(sentence("it is larger than {most:,} bytes", most=most))
    return data


def size_of(path: Path, most: int) -> int:
    """Bytes of a plain file.

    Raises:
        OSError: it is not there.
        ValueError: it is a link, no file, or larger than `most` bytes.
    """
    state = path.lstat()
    if not stat.S_ISREG(state.st_mode):
        raise ValueError(sentence("it is a link or no file"))
    if state.st_size > most:
        raise ValueError(sentence("it is larger than {most:,} bytes", most=most))
    return state.st_size


def is_folder(path: Path) -> bool:
    """Whether it is a folder itself, not a link to one."""
    try:
        return stat.S_ISDIR(path.lstat().st_mode)
    except OSError:
        return False


def settle_folder(path: Path) -> None:
    """Have the system write down which files a folder holds."""
    if sys.platform == "win32":
        return  # folders can't be opened there
    handle = os.open(path, os.O_RDONLY)
    try:
        os.fsync(handle)
    finally:
        os.close(handle)
