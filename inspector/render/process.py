"""Running Graphviz: an installed `dot`, or the one in the pygraphviz wheel, with a time limit."""

from __future__ import annotations

import importlib.util
import os
import re
import shutil
import signal
import subprocess
import sys
from contextlib import suppress
from pathlib import Path
from typing import IO

from inspector.errors import GraphvizMissing, GraphvizTimeout, RenderError
from inspector.language import sentence

PROGRAM_VARIABLE = "INSPECTOR_DOT"
"""Environment variable that names another `dot` program."""

_HOW_TO_INSTALL = sentence(
    "Install Graphviz (so that `dot` is on PATH), or `pip install pygraphviz`"
)


def find_graphviz() -> tuple[str, ...]:
    """Return the command that runs Graphviz here, without its format argument.

    Looks for the program named by `INSPECTOR_DOT`, then for `dot` on PATH, then for pygraphviz.

    Raises:
        GraphvizMissing: there is none of them.
    """
    named = os.environ.get(PROGRAM_VARIABLE)
    program = shutil.which(named or "dot")
    if program:
        return (program,)
    if named:
        raise GraphvizMissing(
            sentence(
                "{variable} names {named!r}, which is not a program that can be "
                "run. Unset it or correct it.",
                variable=PROGRAM_VARIABLE,
                named=named,
            )
        )
    if importlib.util.find_spec("pygraphviz") is None:
        raise GraphvizMissing(
            sentence("Drawing a graph needs Graphviz. {how}.", how=_HOW_TO_INSTALL)
        )
    # The file, not `-m`: that would import all of `inspector`, and with it torch, in seconds.
    # `-P`: without it this folder would be where the worker's imports are looked for first.
    return (sys.executable, "-P", str(Path(__file__).with_name("graphviz_worker.py")))


def run_graphviz(
    dot_text: str,
    format: str,
    timeout: float,
    *,
    command: tuple[str, ...] | None = None,
    size: str | None = None,
    engine: str = "dot",
) -> bytes:
    """Draw DOT text.

    Args:
        dot_text: the graph.
        format: one of Graphviz's formats: "svg", "png", "pdf", "json0", …
        timeout: seconds after which Graphviz, with every process it started, is killed.
        command: what `find_graphviz` returned, where the caller has it already.
        size: the graph's size in words, for messages ("12 nodes, 20 edges").
        engine: what places the nodes; "nop2" leaves everything where it is.

    Raises:
        GraphvizMissing: there is no Graphviz here.
        GraphvizTimeout: it took longer than `timeout`.
        RenderError: it failed, or knows no such format; with its own last line.
    """
    if not re.fullmatch(r"[A-Za-z0-9_:+.-]+", format):
        raise RenderError(
            sentence("{format!r} is not the name of a Graphviz format.", format=format)
        )
    size = size or f"{dot_text.count(chr(10)) + 1:,} lines of DOT"
    command = command or find_graphviz()
    more = (f"-K{engine}",) if len(command) == 1 else (f"--engine={engine}",)
    process = start_graphviz(command, format, *(more if engine != "dot" else ()))
    try:
        out, err = process.communicate(dot_text.encode("utf-8", "replace"), timeout)
    except subprocess.TimeoutExpired as error:
        raise GraphvizTimeout(
            sentence(
                "Graphviz did not finish laying out {size} within {timeout:g} s. Close "
                "some boxes to draw less at once, or allow more time.",
                size=size,
                timeout=timeout,
            )
        ) from error
    finally:
        end(process)
    return _checked(out, err, process.returncode, size)


def start_graphviz(
    command: tuple[str, ...], *arguments: str, errors: int | IO[bytes] = subprocess.PIPE
) -> subprocess.Popen[bytes]:
    """Start Graphviz with pipes to and from it.

    Args:
        command: what `find_graphviz` returned.
        arguments: the format, and more for our own worker.
        errors: where its messages go. Whoever does not read a pipe while it runs gives a file.

    Raises:
        GraphvizMissing: it could not be started.
    """
    format, *more = arguments
    try:
        return subprocess.Popen(
            [*command, f"-T{format}" if len(command) == 1 else format, *more],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=errors,
            start_new_session=True,
        )
    except OSError as error:
        raise GraphvizMissing(
            sentence(
                "{command} could not be started: {error}.", command=command[0], error=str(error)
            )
        ) from error


def end(process: subprocess.Popen[bytes], *, close: bool = True) -> None:
    """Kill the process and all that it started; also after an interrupt.

    Args:
        process: what `start_graphviz` returned.
        close: close the pipes too. Not while another thread reads from them.
    """
    if process.poll() is None:
        with suppress(ProcessLookupError):
            if hasattr(os, "killpg"):
                os.killpg(process.pid, signal.SIGKILL)
            else:
                process.kill()
        process.wait()
    if not close:
        return
    for pipe in (process.stdin, process.stdout, process.stderr):
        if pipe is not None:
            with suppress(OSError):
                pipe.close()


def _checked(out: bytes, err: bytes, status: int, size: str) -> bytes:
    if name := crash_of(status):
        raise RenderError(
            sentence(
                "Graphviz crashed ({name}) on {size}. Close some boxes to draw less at once.",
                name=name,
                size=size,
            )
        )
    if status == 0 and out:
        return out
    reason = reason_in(err.decode("utf-8", "replace"))
    raise RenderError(
        sentence("Graphviz could not draw {size}: {reason}", size=size, reason=reason)
    )


def crash_of(status: int) -> str:
    """Return the name of the signal that ended a process ("SIGSEGV"), "" for an orderly end."""
    return signal.Signals(-status).name if status < 0 else ""


def reason_in(message: str) -> str:
    """Return Graphviz's last line; one that says "Error" or names the formats counts for more."""
    lines = [line.strip() for line in message.splitlines() if line.strip()]
    telling = [line for line in lines if "Error" in line or "not recognized" in line]
    rest = [line for line in lines if "warning" not in line.lower()]
    return (telling or rest or lines or ["it gave no reason."])[-1]
