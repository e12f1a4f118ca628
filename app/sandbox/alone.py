"""One program in a new Python, where the system is not Linux: slower, and less apart.

It has a process of its own, a time limit and an environment without secrets. What it does to files
and over the network is limited by its user's rights alone, which `Isolation` says.
"""

from __future__ import annotations

import contextlib
import os
import queue
import signal
import stat
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator
from typing import IO

from inspector.errors import FileFormatError
from inspector_app.sandbox.endings import Ending, outcome
from inspector_app.sandbox.orders import GRACE_SECONDS, Isolation, Order, Outcome
from inspector_app.sandbox.printed import Output
from inspector_app.sandbox.results import Results, read
from inspector_app.sandbox.zygote_boot import BOOT, environment

_START_SECONDS = 30.0
_TICK_SECONDS = 0.05
_PIECE = 1 << 16
_FOLDER, _ORDER, _RESULT = "run", "order.json", "result"


def started(
    order: Order, ends: tuple[threading.Event, threading.Event], heard: Callable[[str], None]
) -> Outcome:
    """Run an order in a process of its own.

    Args:
        order: what to run.
        ends: `stop` and `drop` of `running.run`.
        heard: likewise.
    """
    if order.apart or _is_root():  # nothing here keeps it apart
        over = "walls" if order.apart else "root"
        return outcome(order, Ending(over, 0, "", Isolation(), 0.0), None)
    base = order.scratch
    folder = os.path.join(base, _FOLDER)
    os.mkdir(folder)
    with open(os.path.join(base, _ORDER), "wb") as file:
        file.write(order.to_json())
    process = subprocess.Popen(
        [sys.executable, "-c", BOOT.replace("sandbox.zygote", "sandbox.alone_boot"), base],
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        env=environment(folder),
        cwd=folder,
        start_new_session=True,
    )
    output = Output(order.limits.output_kb << 10, heard)
    began = time.monotonic()
    over = _followed(process, output, ends, began + order.limits.seconds + _START_SECONDS)
    with contextlib.suppress(OSError):
        _kill(process)
    code = process.wait()
    output.finish()
    ending = Ending(over, code, output.text, Isolation(), time.monotonic() - began)
    return outcome(order, ending, *_results(order, os.path.join(base, _RESULT)))


def _is_root() -> bool:
    return sys.platform != "win32" and os.geteuid() == 0


def _followed(
    process: subprocess.Popen[bytes],
    output: Output,
    ends: tuple[threading.Event, threading.Event],
    limit: float,
) -> str:
    """Hear a process until it has ended or is to be ended; which of it, as in `Ending.over`."""
    assert process.stdout is not None
    over, (stop, drop) = "time", ends
    pieces: queue.Queue[bytes] = queue.Queue(maxsize=16)  # who prints more than is heard waits
    threading.Thread(
        target=_pump, args=(process.stdout, pieces), name="sandbox-output", daemon=True
    ).start()
    while True:
        with contextlib.suppress(queue.Empty):
            output.take(pieces.get(timeout=_TICK_SECONDS))
            if output.full:
                time.sleep(_TICK_SECONDS)
        code = process.poll()
        if code is not None and pieces.empty():
            return "stopped" if code and over == "stopped" else "ended"
        if drop.is_set() or (stop.is_set() and sys.platform == "win32"):
            return "stopped"
        if stop.is_set() and over != "stopped":
            process.send_signal(signal.SIGINT)
            over, limit = "stopped", time.monotonic()
        if time.monotonic() > limit + GRACE_SECONDS:
            return over


def _pump(pipe: IO[bytes], pieces: queue.Queue[bytes]) -> None:
    with contextlib.suppress(OSError, ValueError), pipe:
        for piece in _pieces(pipe):
            pieces.put(piece)


def _pieces(pipe: IO[bytes]) -> Iterator[bytes]:
    while piece := os.read(pipe.fileno(), _PIECE):
        yield piece


def _kill(process: subprocess.Popen[bytes]) -> None:
    """End a process, and those that it started, where the system knows them."""
    if sys.platform == "win32":
        process.kill()
    else:
        os.killpg(process.pid, signal.SIGKILL)


def _results(order: Order, path: str) -> tuple[Results | None, str]:
    """What the program left, and what is wrong with it. The file may have become anything."""
    careful = (
        getattr(os, "O_NOFOLLOW", 0) | getattr(os, "O_NONBLOCK", 0) | getattr(os, "O_BINARY", 0)
    )
    try:
        number = os.open(path, os.O_RDONLY | careful)
    except OSError:
        return None, ""
    try:
        if not stat.S_ISREG(os.fstat(number).st_mode):
            return None, "it is no file"
        return read(number, 2 * order.limits.file_mb << 20, order.program.file), ""
    except FileFormatError as error:
        return None, error.message
    finally:
        os.close(number)
