"""Threads beside the recorded one: their calls on tensors are counted, so that a note can tell.

Function modes, tracers and profilers belong to one thread. So each thread that is started while
a recording runs gets a mode of its own, which only counts, as its first act and takes it away as
its last. A thread pool's thread may be older: it gets one for each work item. What runs on a
thread that is older and gets its work in another way is noticed where it passes a gate or a
global hook (a module call, a backward pass, an optimizer step), and else not.

`threading.setprofile` and `settrace` are left to the user: the start of threads is where
debuggers hook in, too.
"""

from __future__ import annotations

import _thread
import contextlib
import sys
import threading
from collections.abc import Callable, Iterator
from os.path import basename
from types import FrameType
from typing import Any

import torch
from torch.overrides import TorchFunctionMode

from inspector.capture.calls import CallKind, CallTable
from inspector.capture.frames import is_user_file
from inspector.capture.modestack import leave_soon, lift, mode_depth, shift
from inspector.capture.otherthreads import CALL, OtherThread, OtherThreads
from inspector.capture.tape import Tape

STARTERS = tuple(
    (home, name)
    for home, name in (
        (threading, "_start_new_thread"),
        (threading, "_start_joinable_thread"),  # from Python 3.13 on
        (_thread, "start_new_thread"),
    )
    if hasattr(home, name)
)
"""The functions that start threads: what `Thread.start` calls, and what it is made of."""

_COUNTED = (CallKind.COMPUTE, CallKind.SET_DATA, CallKind.CUSTOM)


class CallCounter(TorchFunctionMode):
    """Counts the outermost calls on tensors of one thread.

    The thread can outlive the recording. Its next call on a tensor then takes the counter off.
    """

    def __init__(self, threads: OtherThreads, thread: OtherThread) -> None:
        super().__init__()
        self.threads = threads
        self._done = thread.done
        self._kind = CallTable().kind

    def __torch_function__(
        self, func: Any, types: Any, args: tuple[Any, ...] = (), kwargs: Any = None
    ) -> Any:
        if self.threads.over:
            leave_soon(self)
        elif self._kind(func) in _COUNTED:
            self._done[CALL] += 1
        return func(*args, **(kwargs or {}))


@contextlib.contextmanager
def _counting(threads: OtherThreads, thread: OtherThread) -> Iterator[None]:
    counter = CallCounter(threads, thread)
    thread.counted = True
    counter.__enter__()
    try:
        yield
    finally:
        lift(counter)


def _counters_here() -> list[CallCounter]:
    """The counters on this thread's stack: of this recording, and perhaps of an earlier one."""
    depths = range(torch._C._len_torch_function_stack())
    modes = map(torch._C._get_function_stack_at, depths)
    return [mode for mode in modes if isinstance(mode, CallCounter)]


def _is_counted(threads: OtherThreads) -> bool:
    return any(counter.threads is threads for counter in _counters_here())


class uncounted:
    """No counter on this thread for a while: for code that asks whether there are modes.

    A class, because a generator that is left unfinished puts the mode back when it is collected,
    on whatever thread that happens.
    """

    def __enter__(self) -> None:
        self._lifted = [(mode_depth(counter), counter) for counter in _counters_here()]
        stop_counting_here()

    def __exit__(self, *error: object) -> None:
        for depth, counter in self._lifted:
            if depth is not None and not counter.threads.over:
                shift(depth, counter)


def stop_counting_here() -> None:
    """Take this thread's counters away."""
    for counter in _counters_here():
        lift(counter)


def one_call(tape: Tape, call: Callable[..., Any], args: tuple[Any, ...], kwargs: Any) -> Any:
    """`call(*args, **kwargs)`, on another thread counted once and not for what it runs inside."""
    if tape.thread_is_ours:
        return call(*args, **kwargs)
    tape.elsewhere(CALL)
    with uncounted():
        return call(*args, **kwargs)


def counting_start(threads: OtherThreads, real: Callable[..., Any]) -> Callable[..., Any]:
    """`_thread.start_new_thread` or the like, for threads that count their calls."""

    def start(function: Callable[..., Any], *args: Any, **kwargs: Any) -> Any:
        if threads.over:
            return real(function, *args, **kwargs)
        name = str(getattr(getattr(function, "__self__", None), "name", ""))
        started = _users_line(sys._getframe(1))

        def run(*args: Any, **kwargs: Any) -> Any:
            if threads.over or torch._C._len_torch_function_stack():
                return function(*args, **kwargs)  # or no thread of its own, as under gevent
            with _counting(threads, threads.begin(name, started)):
                return function(*args, **kwargs)

        return real(run, *args, **kwargs)

    return start


def counting_item(threads: OtherThreads, real: Callable[..., Any]) -> Callable[..., Any]:
    """`run` of a work item of `concurrent.futures`, also on a thread that was there before."""
    recorded = threading.get_ident()

    def run(*args: Any, **kwargs: Any) -> Any:
        if threads.over or threading.get_ident() == recorded or _is_counted(threads):
            return real(*args, **kwargs)
        with _counting(threads, threads.here()):
            return real(*args, **kwargs)

    return run


def _users_line(frame: FrameType | None) -> str:
    """The innermost line that is the user's, as in "file.py:12"; empty if there is none."""
    while frame is not None:
        if is_user_file(frame.f_code.co_filename):
            return f"{basename(frame.f_code.co_filename)}:{frame.f_lineno}"
        frame = frame.f_back
    return ""
