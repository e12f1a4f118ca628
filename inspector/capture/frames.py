"""Where in the Python code an op was called.

While the program runs only `(code object, f_lasti)` pairs are kept: reading a line number
costs more than the op (see DESIGN, "cost per op"). `PositionTable` turns them into `Source`
records once, at the end, through `co_positions()`, which knows the column of each call.
"""

from __future__ import annotations

import os
import sys
import sysconfig
from types import CodeType, FrameType

import numpy
import torch

from inspector.records import Source

Site = tuple[int, ...]
"""A call stack, innermost first, flattened: (code number, lasti, code number, lasti, ...)."""

MAX_DEPTH = 64
"""Frames kept per op. Deeper stacks are cut at the outer end, so recursion stays cheap."""


def _folder(path: str) -> str:
    return os.path.join(os.path.realpath(path), "")


_INSPECTOR = _folder(os.path.dirname(os.path.dirname(__file__)))
_TORCH = _folder(os.path.dirname(torch.__file__))
_NUMPY = _folder(os.path.dirname(numpy.__file__))
_RUNNERS = frozenset(
    (os.path.join(_INSPECTOR, "capture", f"{file}.py"), function)
    for file, function in (("record", "record"), ("script", "record_script"))
)
"""The functions that start a run of their own: (file, name)."""
_OVERRIDES = os.path.join(_TORCH, "overrides.py")
_DISPATCH = os.path.join(_TORCH, "_jit_internal.py")
"""Stands between `max_pool2d` and its two versions, with and without indices."""

OUTSIDE = -1
"""Stands for the code objects of `_RUNNERS`."""

_SITE_PACKAGES = tuple({_folder(sysconfig.get_path(key)) for key in ("purelib", "platlib")})
_STDLIB = tuple({_folder(sysconfig.get_path(key)) for key in ("stdlib", "platstdlib")})


def is_user_file(filename: str) -> bool:
    """True for code that is neither torch, NumPy, this package nor the standard library.

    Code without a file ("<string>", frozen modules, generated `__init__`s) is nobody's.
    """
    if filename.startswith("<") and not filename.startswith("<ipython"):
        return False
    path = os.path.realpath(filename)
    if path.startswith((_TORCH, _INSPECTOR, _NUMPY)):
        return False
    return not path.startswith(_STDLIB) or path.startswith(_SITE_PACKAGES)


def is_installed(filename: str) -> bool:
    """True for files of packages that were installed, not written here."""
    return os.path.realpath(filename).startswith(_SITE_PACKAGES)


class PositionTable:
    """Numbers code objects while running; resolves positions afterwards."""

    def __init__(self) -> None:
        self._by_id: dict[int, int] = {}
        self._codes: list[CodeType] = []
        self._sites: dict[Site, Site] = {}
        self._user: dict[int, bool] = {}
        self._resolved: dict[tuple[int, int], Source] = {}

    def site(self, frame: FrameType | None) -> Site:
        """The stack from `frame` outwards. Equal stacks are one object, to save memory."""
        flat: list[int] = []
        by_id = self._by_id
        depth = MAX_DEPTH
        while frame is not None and depth:
            code = frame.f_code
            number = by_id.get(id(code))
            if number is None:
                number = self._number(code)
            if number < 0:
                break  # what lies outside of `record` is not part of the run
            flat.append(number)
            flat.append(frame.f_lasti)
            frame = frame.f_back
            depth -= 1
        key = tuple(flat)
        return self._sites.setdefault(key, key)

    def _number(self, code: CodeType) -> int:
        # The list keeps the code object alive, so its id() cannot be reused meanwhile.
        number = len(self._codes)
        self._codes.append(code)
        self._user[number] = is_user_file(code.co_filename)
        if (os.path.realpath(code.co_filename), code.co_name) in _RUNNERS:
            number = OUTSIDE
        self._by_id[id(code)] = number
        return number

    def is_user(self, code: CodeType) -> bool:
        """Whether `code` is the user's, remembered per code object."""
        number = self._by_id.get(id(code))
        if number is None:
            number = self._number(code)
        return number >= 0 and self._user[number]

    def call_site(self, site: Site) -> Source | None:
        """Where the op's function was called: the innermost frame that is not this package's.

        A function of torch that is written in Python asks `torch.overrides` for the modes
        itself. Its own frame is then part of the op, and the call is one frame further out.
        """
        frames = [self._source(number, lasti) for number, lasti in _pairs(site)]
        outer = [source for source in frames if not source.file.startswith(_INSPECTOR)]
        if outer and outer[0].file == _OVERRIDES:
            outer = [source for source in outer[2:] if source.file != _DISPATCH]
        return outer[0] if outer else None

    def user_stack(self, site: Site) -> tuple[Source, ...]:
        """The user's frames, innermost first."""
        return tuple(
            self._source(number, lasti) for number, lasti in _pairs(site) if self._user[number]
        )

    def functions(self, site: Site) -> tuple[CodeType, ...]:
        """The code objects of a stack, innermost first."""
        return tuple(self._codes[number] for number, _ in _pairs(site))

    def _source(self, number: int, lasti: int) -> Source:
        known = self._resolved.get((number, lasti))
        if known is None:
            known = self._resolved[number, lasti] = _resolve(self._codes[number], lasti)
        return known


def _pairs(site: Site) -> zip[tuple[int, int]]:
    return zip(site[::2], site[1::2], strict=True)


def _resolve(code: CodeType, lasti: int) -> Source:
    positions = list(code.co_positions())
    index = lasti // 2
    line, end_line, column, end_column = (
        positions[index] if 0 <= index < len(positions) else (None, None, None, None)
    )
    return Source(
        file=code.co_filename,
        line=line if line is not None else code.co_firstlineno,
        column=column or 0,  # None under `python -X no_debug_ranges`
        function=code.co_qualname,
        end_line=end_line,
        end_column=end_column,
    )


def caller(depth: int = 1) -> FrameType:
    """The frame `depth` calls above the caller of this function."""
    return sys._getframe(depth + 1)
