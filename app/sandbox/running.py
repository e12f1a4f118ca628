"""`run`: one program from its order to its outcome, from the server's side."""

from __future__ import annotations

import contextlib
import shutil
import subprocess
import sys
import tempfile
import threading
from collections.abc import Callable, Iterator

from inspector.language import sentence
from inspector_app.sandbox.orders import Isolation, Limits, Order, Outcome, Program

AT_ONCE = 2
"""Programs that run at the same time, of all sessions together."""

WALLS = ("namespaces", "user", "landlock", "calls")
"""What is tried to keep a program apart; fewer in tests of systems that refuse it."""

FORKS = sys.platform == "linux"
"""Whether programs are forked from a zygote and kept apart by what Linux offers."""

_turns = threading.Condition()
_waiting: list[object] = []
_running: set[object] = set()


def prepare() -> None:
    """Start what programs are forked from, in the background: the first one then waits less."""
    if FORKS:
        from inspector_app.sandbox.zygotes import zygote

        threading.Thread(target=zygote.start, name="sandbox", daemon=True).start()


def run(
    program: Program,
    limits: Limits | None = None,
    stop: threading.Event | None = None,
    heard: Callable[[str], None] | None = None,
    *,
    apart: bool = False,
    drop: threading.Event | None = None,
) -> Outcome:
    """Run a program apart from this process, and record it.

    Blocks until it has ended; `AT_ONCE` run at a time, the others wait for their turn.

    Args:
        program: what to run.
        limits: what it may use up; `Limits()` by default.
        stop: set from another thread, it ends the waiting or the program; what was recorded until
            then is kept, unless the program does not let itself be ended within `GRACE_SECONDS`.
        heard: called in this thread with each piece of output, as it is printed.
        drop: set beside `stop`, it ends the program at once: nobody wants what it recorded.
        apart: do not run it where a wall is missing (`Isolation.complete`), now, in this run.

    Returns:
        What came of it, whatever the program does: nothing of it is raised here.

    Raises:
        OSError: there is no room for temporary files.
    """
    stop = stop or threading.Event()
    with _turn(stop) as ours:
        if not ours:
            reason = sentence("It was stopped before it began.")
            return Outcome(None, None, "", "stopped", reason, Isolation())
        with _scratch() as folder:
            order = Order(program, limits or Limits(), folder, WALLS, apart)
            if FORKS:
                from inspector_app.sandbox.listening import forked

                return forked(order, (stop, drop or threading.Event()), heard or _nobody)
            from inspector_app.sandbox.alone import started

            return started(order, (stop, drop or threading.Event()), heard or _nobody)


def _nobody(text: str) -> None:
    """Hears output that nobody wants before the end."""


@contextlib.contextmanager
def _turn(stop: threading.Event) -> Iterator[bool]:
    """A place among those that run at once; False where `stop` was set before there was one."""
    ticket = object()
    with _turns:
        _waiting.append(ticket)
        while not stop.is_set() and (_waiting[0] is not ticket or len(_running) >= AT_ONCE):
            _turns.wait(0.1)
        _waiting.remove(ticket)
        if not stop.is_set():
            _running.add(ticket)
        ours = ticket in _running
    try:
        yield ours
    finally:
        with _turns:
            _running.discard(ticket)
            _turns.notify_all()


@contextlib.contextmanager
def _scratch() -> Iterator[str]:
    """An empty folder, gone afterwards whatever a program made in it."""
    folder = tempfile.mkdtemp(prefix="inspector-run-")
    try:
        yield folder
    finally:
        try:
            shutil.rmtree(folder)
        except (OSError, RecursionError):  # nested deeper than Python can follow
            subprocess.run(["rm", "-rf", "--", folder], check=False)
