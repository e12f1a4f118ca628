"""Tracebacks of the program as they are without us."""

from __future__ import annotations

import contextlib
import os
import runpy
from types import TracebackType

import torch

_OURS = os.path.join(os.path.dirname(os.path.abspath(__file__)), "")
RUNPY = ("<frozen runpy>", runpy.__file__)
"""How frames of `runpy` call their file."""
_TORCH = os.path.join(os.path.dirname(torch.__file__), "")


def strip(error: BaseException) -> None:
    """Take our frames out of the tracebacks of an exception and of those that it came from."""
    seen: set[int] = set()
    todo: list[BaseException | None] = [error]
    while todo:
        current = todo.pop()
        if current is None or id(current) in seen:
            continue
        seen.add(id(current))
        current.__traceback__ = _joined(_kept(frames(current)))
        todo += [current.__cause__, current.__context__]
        if isinstance(current, BaseExceptionGroup):
            todo += current.exceptions


def _kept(steps: list[TracebackType]) -> list[TracebackType]:
    """The frames that are there without us: not ours, runpy's or those that led to ours."""
    kept: list[TracebackType] = []
    for step in steps:
        file, name = file_of(step), step.tb_frame.f_code.co_name
        if file.startswith(_OURS):
            # torch's Python functions reach a function mode by calling themselves again.
            while kept and _is_dispatch(kept[-1]):
                kept.pop()
            continue
        if file in RUNPY or (file == contextlib.__file__ and name == "inner" and not kept):
            continue
        kept.append(step)
    return kept


def _is_dispatch(step: TracebackType) -> bool:
    """Whether a frame of torch waits for `handle_torch_function`."""
    code = step.tb_frame.f_code
    return code.co_filename.startswith(_TORCH) and (
        code.co_name == "handle_torch_function" or "handle_torch_function" in code.co_names
    )


def _joined(steps: list[TracebackType]) -> TracebackType | None:
    following: TracebackType | None = None
    for step in reversed(steps):
        step.tb_next = following
        following = step
    return following


def frames(error: BaseException) -> list[TracebackType]:
    """The steps of an exception's traceback, outermost first."""
    found, step = [], error.__traceback__
    while step is not None:
        found.append(step)
        step = step.tb_next
    return found


def file_of(step: TracebackType) -> str:
    """The file of a step's code."""
    return step.tb_frame.f_code.co_filename
