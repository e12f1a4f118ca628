"""Landlock: Linux lets any process give up rights to files, TCP and other processes, for good.

It needs no namespaces, and so holds in containers that refuse them. From Linux 5.13 on for files,
6.7 for TCP, 6.12 for signals. What is open already stays open.
"""

from __future__ import annotations

import contextlib
import ctypes
import os
import stat
import sys

_CREATE, _ADD_RULE, _RESTRICT = 444, 445, 446
_ASK_VERSION = 1
_BENEATH = 1

_EXECUTE, _WRITE, _READ, _LIST, _TRUNCATE, _IOCTL = 1 << 0, 1 << 1, 1 << 2, 1 << 3, 1 << 14, 1 << 15
_OF_FILES = _EXECUTE | _WRITE | _READ | _TRUNCATE | _IOCTL
_LOOK = _EXECUTE | _READ | _LIST
_RIGHTS = {1: (1 << 13) - 1, 2: 1 << 13, 3: _TRUNCATE, 5: _IOCTL}
"""Rights to files by the version that brought them."""
_TCP, _TCP_SINCE = 0b11, 4
_SIGNALS_AND_SOCKETS, _SCOPES_SINCE = 0b11, 6

_DEVICES = ("/dev/null", "/dev/zero", "/dev/full", "/dev/random", "/dev/urandom")

_libc = ctypes.CDLL(None, use_errno=True) if sys.platform == "linux" else None


class _Ruleset(ctypes.Structure):
    _fields_ = (
        ("files", ctypes.c_uint64),
        ("network", ctypes.c_uint64),
        ("scopes", ctypes.c_uint64),
    )


class _Rule(ctypes.Structure):
    _pack_ = 1
    _fields_ = (("rights", ctypes.c_uint64), ("parent", ctypes.c_int32))


def enclose(shown: list[str], own: str) -> tuple[bool, bool]:
    """Give up all files but those, and where it can be all TCP and other processes, for good.

    Args:
        shown: files and folders that can still be read and executed.
        own: the folder in which everything is allowed.

    Returns:
        Whether that holds for files, and whether for signals to processes that are not its own.
    """
    version = _ask(_CREATE, None, ctypes.c_size_t(0), ctypes.c_uint(_ASK_VERSION))
    if version < 1:
        return False, False
    rights = sum(bits for since, bits in _RIGHTS.items() if version >= since)
    wanted = _Ruleset(
        rights,
        _TCP if version >= _TCP_SINCE else 0,
        _SIGNALS_AND_SOCKETS if version >= _SCOPES_SINCE else 0,
    )
    size = ctypes.c_size_t(ctypes.sizeof(wanted))
    ruleset = _ask(_CREATE, ctypes.byref(wanted), size, ctypes.c_uint(0))
    if ruleset < 0:
        return False, False
    try:
        for path in (*shown, "/proc"):
            _allow(ruleset, path, _LOOK)
        for path in _DEVICES:
            _allow(ruleset, path, (_READ | _WRITE | _IOCTL) & rights)
        _allow(ruleset, own, rights)
        held = _ask(_RESTRICT, ctypes.c_int(ruleset), ctypes.c_uint(0)) == 0
    finally:
        os.close(ruleset)
    return held, held and version >= _SCOPES_SINCE


def _allow(ruleset: int, path: str, rights: int) -> None:
    """Keep rights to a file, or to a folder with all in it; what is not there needs none."""
    with contextlib.suppress(OSError):
        parent = os.open(path, os.O_PATH | os.O_CLOEXEC)
        try:
            if not stat.S_ISDIR(os.fstat(parent).st_mode):
                rights &= _OF_FILES
            rule = ctypes.byref(_Rule(rights, parent))
            _ask(_ADD_RULE, ctypes.c_int(ruleset), ctypes.c_int(_BENEATH), rule, ctypes.c_uint(0))
        finally:
            os.close(parent)


def _ask(number: int, *arguments: object) -> int:
    assert _libc is not None
    result: int = _libc.syscall(ctypes.c_long(number), *arguments)
    return result
