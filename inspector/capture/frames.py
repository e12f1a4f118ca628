"""Where in the Python code an op was called.

While the program runs only `(code object, f_lasti)` pairs are kept: reading a line number
costs more than the op (see DESIGN, "cost per op"). `PositionTable` turns them into `Source`
records once, at the end, through `co_positions()`, which knows the column of each call.
"""

from __future__ import annotations

import functools
import os
import sys
import sysconfig
from types import CodeType, FrameType
from typing import NamedTuple

import numpy
import torch

from inspector.records import Source

Site = tuple[int, ...]
"""A call stack, innermost first, flattened: (id of the code object, lasti, id, lasti, ...)."""

Positions = tuple[int | None, int | None, int | None, int | None]
"""Line, end line, column and end column of one instruction."""

MAX_DEPTH = 64
"""Frames kept per op. Deeper stacks are cut at the outer end, so recursion stays cheap."""


class Base(NamedTuple):
    """A frame that stays where it is for a while, as that of a module call does, and the stack
    around it. The frame itself is not kept: it would keep all its variables alive.
    """

    frame: int  # id()
    code: int
    back: int  # id() of the frame that called it
    back_lasti: int
    number: int
    outer: Site

    def is_still(self, frame: FrameType, code: int) -> bool:
        """Whether `frame`, which is at the address, is that frame, called from where it was."""
        back = frame.f_back
        lasti = -1 if back is None else back.f_lasti
        return code == self.code and id(back) == self.back and lasti == self.back_lasti


def _folder(path: str) -> str:
    return os.path.join(os.path.realpath(path), "")


_INSPECTOR = _folder(os.path.dirname(os.path.dirname(__file__)))
_TORCH = _folder(os.path.dirname(torch.__file__))
_NUMPY = _folder(os.path.dirname(numpy.__file__))
_RUNNERS = frozenset(
    (os.path.join(_INSPECTOR, *path), function)
    for path, function in (
        (("capture", "record.py"), "record"),
        (("capture", "script.py"), "run_script"),
        (("notebook.py",), "record_cell"),
    )
)
"""The functions that start a run of their own: (file, name)."""
_RUNNING = frozenset(name for _, name in _RUNNERS)
_OVERRIDES = os.path.join(_TORCH, "overrides.py")
_DISPATCH = os.path.join(_TORCH, "_jit_internal.py")
"""Stands between `max_pool2d` and its two versions, with and without indices."""

_SITE_PACKAGES = tuple({_folder(sysconfig.get_path(key)) for key in ("purelib", "platlib")})
_STDLIB = tuple({_folder(sysconfig.get_path(key)) for key in ("stdlib", "platstdlib")})


@functools.lru_cache(maxsize=1 << 14)
def _real(filename: str) -> str:
    """The file's real path, which the operating system is asked for once: it takes 15 µs."""
    return os.path.realpath(filename)


def is_user_file(filename: str) -> bool:
    """True for code that is neither torch, NumPy, this package nor the standard library.

    Code without a file ("<string>", frozen modules, generated `__init__`s) is nobody's.
    """
    if filename.startswith("<") and not filename.startswith("<ipython"):
        return False
    path = _real(filename)
    if path.startswith((_TORCH, _INSPECTOR, _NUMPY)):
        return False
    return not path.startswith(_STDLIB) or path.startswith(_SITE_PACKAGES)


def is_installed(filename: str) -> bool:
    """True for files of packages that were installed, not written here."""
    return _real(filename).startswith(_SITE_PACKAGES)


class PositionTable:
    """Notes call stacks while the program runs; resolves positions afterwards."""

    def __init__(self) -> None:
        self._sites: dict[Site, Site] = {}
        self._outer: dict[Site, int] = {}  # stacks around bases, numbered
        self._codes: dict[int, CodeType] = {}  # kept alive, so that no id() is used again
        self._outside: set[int] = set()  # what lies outside of `record` is not part of the run
        self._user: dict[int, bool] = {}
        self._resolved: dict[tuple[int, int], Source] = {}
        self._positions: dict[int, list[Positions]] = {}

    def site(self, frame: FrameType | None, base: Base | None = None) -> Site:
        """The stack from `frame` outwards. Equal stacks are one object, to save memory.

        Args:
            frame: the innermost frame.
            base: a frame further out whose own stack is known; the walk ends there.
        """
        flat: list[int] = []
        outside = self._outside
        here, depth = frame, MAX_DEPTH
        outer: Site = ()
        while here is not None and depth:
            number = id(here.f_code)
            if number in outside:
                break
            flat.append(number)
            flat.append(here.f_lasti)
            if base is not None and id(here) == base.frame and base.is_still(here, number):
                flat.append(base.number)  # stands for the rest; makes the length odd
                outer = base.outer
                break
            here = here.f_back
            depth -= 1
        key = tuple(flat)
        known = self._sites.get(key)
        return known if known is not None else self._keep(key, outer, frame)

    def base(self, frame: FrameType, site: Site) -> Base:
        """`frame` as the base of the stacks of what it calls while it runs; its own is `site`."""
        back = frame.f_back
        number = self._outer.setdefault(site[2:], len(self._outer))
        lasti = -1 if back is None else back.f_lasti
        return Base(id(frame), id(frame.f_code), id(back), lasti, number, site[2:])

    def _keep(self, key: Site, outer: Site, frame: FrameType | None) -> Site:
        """Meet a stack for the first time: keep its code objects."""
        if len(key) % 2:
            whole = (key[:-1] + outer)[: 2 * MAX_DEPTH]
            known = self._sites.get(whole)
            site = self._sites[key] = self._keep(whole, (), frame) if known is None else known
            return site
        for _ in key[::2]:
            assert frame is not None
            code, frame = frame.f_code, frame.f_back
            self._codes.setdefault(id(code), code)
            if _is_runner(code):
                self._outside.add(id(code))
                return self._inside(key, id(code))
        self._sites[key] = key
        return key

    def _inside(self, key: Site, number: int) -> Site:
        """The part of a stack inside of the code object with this number."""
        inner = key[: 2 * key[::2].index(number)]
        return self._sites.setdefault(inner, inner)

    def is_user(self, code: CodeType) -> bool:
        """Whether `code` is the user's, remembered per code object."""
        number = id(code)
        known = self._user.get(number)
        if known is None:
            self._codes.setdefault(number, code)
            known = not _is_runner(code) and is_user_file(code.co_filename)
            self._user[number] = known
        return known

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
            self._source(number, lasti)
            for number, lasti in _pairs(site)
            if self.is_user(self._codes[number])
        )

    def functions(self, site: Site) -> tuple[CodeType, ...]:
        """The code objects of a stack, innermost first."""
        return tuple(self._codes[number] for number, _ in _pairs(site))

    def _source(self, number: int, lasti: int) -> Source:
        known = self._resolved.get((number, lasti))
        if known is None:
            known = self._resolved[number, lasti] = self._resolve(number, lasti)
        return known

    def _resolve(self, number: int, lasti: int) -> Source:
        code = self._codes[number]
        positions = self._positions.get(number)
        if positions is None:
            positions = self._positions[number] = list(code.co_positions())
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


def _is_runner(code: CodeType) -> bool:
    return code.co_name in _RUNNING and (_real(code.co_filename), code.co_name) in _RUNNERS


def _pairs(site: Site) -> zip[tuple[int, int]]:
    return zip(site[::2], site[1::2], strict=True)


def caller(depth: int = 1) -> FrameType:
    """The frame `depth` calls above the caller of this function."""
    return sys._getframe(depth + 1)
