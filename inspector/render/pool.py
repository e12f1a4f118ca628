"""Many small graphs drawn by few Graphviz processes, each graph with a time limit of its own.

The Graphviz of the pygraphviz wheel is a Python program that starts in 60 ms; it is started once
and asked again and again. An installed `dot` starts in a few ms; it gets all graphs of a round on
its standard input. Either way a graph that hangs or crashes Graphviz costs itself only: the
process is killed, and another one goes on with the next graph.
"""

from __future__ import annotations

import json
import os
import subprocess
import tempfile
import threading
import time
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor, wait
from contextlib import suppress
from typing import IO

from inspector.errors import GraphvizTimeout, RenderError
from inspector.language import sentence
from inspector.render.process import crash_of, end, reason_in, start_graphviz

Answer = bytes | RenderError

JOB_SECONDS = 4.0
"""The longest that one graph may take. The graphs that `dotjob` hands over need under a second."""
_TICK = 0.05
_WORTH_A_PROCESS = 60_000
"""Characters of DOT that take longer to draw than a process takes to start."""


class Cancelled(RenderError):
    """Nobody waits for this picture any more."""


class GraphvizCrash(RenderError):
    """Graphviz's process ended while it drew a graph."""


class Pool:
    """Graphviz processes for one layout. Use as a context manager: they end with it.

    Args:
        command: what `find_graphviz` returned.
        timeout: seconds that all graphs together may take.
        cancelled: asked about twenty times a second; True ends everything.
    """

    def __init__(
        self,
        command: tuple[str, ...],
        timeout: float,
        cancelled: Callable[[], bool] | None = None,
    ) -> None:
        self.program = command[0]
        self._command = command
        self._deadline = time.monotonic() + timeout
        self._cancelled = cancelled or (lambda: False)
        self._lines: list[_Line] = []

    def __enter__(self) -> Pool:
        return self

    def __exit__(self, *_: object) -> None:
        for line in self._lines:
            line.close()

    @property
    def time_left(self) -> float:
        """Seconds."""
        return self._deadline - time.monotonic()

    def check(self) -> None:
        """Raise `Cancelled` if nobody waits any more."""
        if self._cancelled():
            raise Cancelled("The picture was no longer wanted.")

    def draw(self, texts: Sequence[str], format: str = "json0") -> list[Answer]:
        """Return each graph's drawing, or `GraphvizTimeout` or `GraphvizCrash` in its place.

        Raises:
            Cancelled: as `cancelled` said.
            RenderError: Graphviz is broken, or refuses a graph.
        """
        self.check()
        shares = _shares(texts, min(4, os.cpu_count() or 1))
        while len(self._lines) < len(shares):
            self._lines.append(_Line(self._command, format, self._deadline))
        lines = self._lines[: len(shares)]
        with ThreadPoolExecutor(len(shares) or 1) as threads:
            found = [
                threads.submit(line.draw, [texts[number] for number in share])
                for line, share in zip(lines, shares, strict=True)
            ]
            try:
                while wait(found, _TICK).not_done:
                    self.check()
                    for line in lines:
                        line.watch()
            except BaseException:
                for line in lines:
                    line.stop()
                raise
        answers: dict[int, Answer] = {}
        for share, future in zip(shares, found, strict=True):
            answers.update(zip(share, future.result(), strict=True))
        return [answers[number] for number in range(len(texts))]


def _shares(texts: Sequence[str], most: int) -> list[list[int]]:
    """Which process draws what: numbers of `texts`, about equally much for each."""
    total = sum(map(len, texts))
    count = max(1, min(most, len(texts), total // _WORTH_A_PROCESS))
    shares: list[list[int]] = [[] for _ in range(count)]
    sizes = [0] * count
    for number in sorted(range(len(texts)), key=lambda n: -len(texts[n])):
        share = sizes.index(min(sizes))
        shares[share].append(number)
        sizes[share] += len(texts[number])
    return shares


class _Line:
    """One process at a time, and what it is drawing."""

    def __init__(self, command: tuple[str, ...], format: str, deadline: float) -> None:
        self._command, self._format, self._deadline = command, format, deadline
        self._serves = len(command) > 1
        self._process: subprocess.Popen[bytes] | None = None
        # A pipe that nobody reads would block; closed in `close`.
        self._errors: IO[bytes] = tempfile.TemporaryFile()  # noqa: SIM115
        self._lock = threading.Lock()
        self._since: float | None = None
        self._late = self._stopped = False

    def draw(self, texts: Sequence[str]) -> list[Answer]:
        """Runs in a thread of its own; `watch` and `stop` are called from another."""
        answers: list[Answer] = []
        while len(answers) < len(texts):
            if self._stopped or time.monotonic() >= self._deadline:
                late = GraphvizTimeout(sentence("There was no time left."))
                return [*answers, *[late] * (len(texts) - len(answers))]
            rest = texts[len(answers) :]
            self._late = False
            process = self._started()
            (self._ask_server if self._serves else self._ask_program)(process, rest, answers)
            self._since = None
            if len(answers) < len(texts):
                answers.append(self._what_went_wrong(process))
        return answers

    def watch(self) -> None:
        """Kill the process if its graph has taken too long."""
        now, since = time.monotonic(), self._since
        if since is not None and (now - since > JOB_SECONDS or now > self._deadline):
            self._late = True
            self._kill()

    def stop(self) -> None:
        """Have `draw` end soon."""
        self._stopped = True
        self._kill()

    def close(self) -> None:
        """End the process."""
        if self._process is not None:
            end(self._process)
        self._errors.close()

    def _kill(self) -> None:
        with self._lock:
            if self._process is not None:
                end(self._process, close=False)

    def _started(self) -> subprocess.Popen[bytes]:
        with self._lock:
            if self._process is None or self._process.poll() is not None:
                if self._process is not None:
                    end(self._process)
                more = ("--serve",) if self._serves else ()
                arguments = (self._format, *more)
                self._process = start_graphviz(self._command, *arguments, errors=self._errors)
            return self._process

    def _ask_server(
        self, process: subprocess.Popen[bytes], texts: Sequence[str], answers: list[Answer]
    ) -> None:
        assert process.stdin is not None
        assert process.stdout is not None
        for text in texts:
            self._since = time.monotonic()
            data = text.encode("utf-8", "replace")
            with suppress(OSError):  # it has ended; the missing answer says so
                process.stdin.write(f"{len(data)}\n".encode() + data)
                process.stdin.flush()
            state, _, length = process.stdout.readline().decode("ascii", "replace").partition(" ")
            answer = process.stdout.read(int(length)) if length.strip().isdigit() else b""
            if not length or len(answer) < int(length):
                return
            if state != "ok":
                raise RenderError(
                    sentence(
                        "Graphviz could not draw: {answer}",
                        answer=answer.decode("utf-8", "replace"),
                    )
                )
            answers.append(answer)

    def _ask_program(
        self, process: subprocess.Popen[bytes], texts: Sequence[str], answers: list[Answer]
    ) -> None:
        self._since = time.monotonic()
        assert process.stdout is not None
        writer = threading.Thread(target=_write, args=(process, texts))
        writer.start()
        output = b""
        while piece := os.read(process.stdout.fileno(), 1 << 20):
            output += piece
            found, output = _documents(output)
            if found:
                self._since = time.monotonic()
                answers.extend(found[: len(texts) - len(answers)])
        writer.join()
        process.wait()
        if output.strip() and not self._late and len(answers) < len(texts):
            answers.append(output)  # no drawing: its reader says so

    def _what_went_wrong(self, process: subprocess.Popen[bytes]) -> Answer:
        """Why the graph after the last answer has none; raises where Graphviz itself is broken."""
        if self._stopped:
            return Cancelled("The picture was no longer wanted.")
        status = process.wait()
        self._errors.seek(0)
        message = self._errors.read().decode("utf-8", "replace")
        if self._late:
            return GraphvizTimeout(sentence("Graphviz took too long."))
        if crash := crash_of(status):
            return GraphvizCrash(sentence("Graphviz crashed ({crash}).", crash=crash))
        raise RenderError(
            sentence(
                "Graphviz ({program}) failed: {reason}",
                program=self._command[0],
                reason=reason_in(message),
            )
        )


def _write(process: subprocess.Popen[bytes], texts: Sequence[str]) -> None:
    assert process.stdin is not None
    with suppress(OSError):  # it has ended; its missing answers say so
        for text in texts:
            process.stdin.write(text.encode("utf-8", "replace") + b"\n")
        process.stdin.close()


def _documents(output: bytes) -> tuple[list[bytes], bytes]:
    """The complete JSON documents at the beginning of `output`, and what follows them.

    Graphviz begins each with a line "{" and ends it with a line "}"; inside, lines are indented.
    """
    found = []
    while (stop := output.find(b"\n}\n")) >= 0:
        found.append(output[: stop + 3])
        output = output[stop + 3 :]
    if not found and output.rstrip().endswith(b"}"):
        with suppress(ValueError):
            json.loads(output)
            return [output], b""
    return found, output
