"""What is run in the sandbox, what it may use up, and what comes of it."""

from __future__ import annotations

import base64
import json
import re
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from typing import Any, Literal

from inspector.language import sentence, sentences
from inspector.records import Overlay, Recording, StaticGraph

Ended = Literal["done", "failed", "time", "memory", "stopped", "crashed", "refused"]

_NAME = re.compile(r"\w[\w-]{0,79}")
GRACE_SECONDS = 6.0
"""After a program's time, or when it is to stop: to end by itself, and to write what was recorded.
"""

LARGEST_SOURCE = 1_000_000
"""Characters of a program with its inputs."""

LARGEST_ATTACHED = 32 << 20
"""Bytes of the file that a program may have beside it."""


@dataclass(frozen=True, slots=True)
class Program:
    """A whole program.

    Args:
        source: its Python text, run from top to bottom as the file `NAME.py`.
        name: that NAME: letters, digits, "_" and "-".
        before: Python text that runs first, in the same namespace, and is not recorded.
        script: name of a variable that holds a model or function, of which TorchScript is made
            after the run, or such a graph itself; "" for none.
        trace: likewise, as a call with names only: "model(x, y)".
        plain: run without recording: the output is what is wanted.
        values: what is kept of tensors, as in `CaptureOptions`.
        kernels: record ATen kernels too.
        attached: a file of these bytes stands beside the program as `NAME.pt`; none for b"".

    Raises:
        ValueError: of a name that is no file's, or of text or a file that is too long.
    """

    source: str
    name: str
    before: str = ""
    script: str = ""
    trace: str = ""
    plain: bool = False
    values: str = "stats"
    kernels: bool = False
    attached: bytes = b""

    def __post_init__(self) -> None:
        if not _NAME.fullmatch(self.name):
            raise ValueError(
                f"A program's name is letters, digits, '_' and '-', not {self.name!r}."
            )
        if len(self.source) + len(self.before) > LARGEST_SOURCE:
            raise ValueError(f"A program has at most {LARGEST_SOURCE:,} characters.")
        if len(self.attached) > LARGEST_ATTACHED:
            raise ValueError(f"A program's file has at most {LARGEST_ATTACHED:,} bytes.")

    @property
    def file(self) -> str:
        """The file's name, as a recording and a traceback tell it."""
        return f"{self.name}.py"

    @property
    def attached_file(self) -> str:
        """The name of the file beside it."""
        return f"{self.name}.pt"


@dataclass(frozen=True, slots=True)
class Limits:
    """What a program may use up.

    Args:
        seconds: of wall clock. What it recorded until then is kept.
        memory_mb: MiB of memory beyond what Python with torch takes, its processes together.
        output_kb: KiB of what it prints; the rest is thrown away.
        file_mb: MiB of a file, and of all its files together where it has a folder of its own.
        processes: how many processes and threads it may have at a time.
    """

    seconds: float = 20.0
    memory_mb: int = 1024
    output_kb: int = 256
    file_mb: int = 64
    processes: int = 32

    @property
    def processor_seconds(self) -> int:
        """Of processors that one of its processes may keep busy."""
        return int(2 * self.seconds) + 11


@dataclass(frozen=True, slots=True)
class Isolation:
    """What kept a program apart from the server. It always was a process of its own.

    `network` is true where it had no network, `internet` where at least no other machine could be
    reached, but sockets of this one perhaps could. `files` is true where it could read Python and
    an empty folder only, `processes` where it could not reach other processes, `user` where it ran
    as a user of its own, `limits` where the operating system limits what a process may use up,
    `calls` where the kernel refused what no model needs of it (see `calls.py`).
    """

    network: bool = False
    files: bool = False
    processes: bool = False
    user: bool = False
    limits: bool = False
    calls: bool = False
    internet: bool = False

    @property
    def complete(self) -> bool:
        """Whether it could neither see nor reach anything of the server's."""
        return self.network and self.files and self.processes and self.limits and self.calls

    @property
    def sentence(self) -> str:
        """In words, for the page."""
        if self.complete:
            return sentence(
                "Code runs in a process of its own without network, sees only Python and an "
                "empty folder, and is stopped at its limits of time, memory, files and processes."
            )
        return sentences(
            sentence("Code runs in a process of its own and is stopped at its time limit."),
            "" if self.limits else sentence("Nothing here limits its memory and files."),
            self._network(),
            "" if self.files else self._readable(),
            ""
            if self.calls
            else sentence("It can make use of all that the system's kernel offers."),
        )

    def _network(self) -> str:
        if self.network:
            return ""
        if self.internet:
            return sentence(
                "It cannot reach other machines, but perhaps services of this one, by its local "
                "sockets."
            )
        return sentence("Not all of the network is closed to it.")

    def _readable(self) -> str:
        if self.user:
            return sentence("It can read files that everybody on this machine can read.")
        return sentence("It can do what the user of this server can: run only code you trust.")


@dataclass(frozen=True, slots=True)
class Outcome:
    """What came of a program.

    `recording` is None for a plain program, and where the process ended before it was written;
    `static` is the TorchScript that was asked for, else `static_reason` says why there is none.
    Of an archive's graph, `overlay` is what the program's calls ran of it, as far as it was found
    out, and `static_reason` says what was not.
    `output` is what was printed, standard error included. `ended` is how it ended: "done", "failed"
    (an exception), "time", "memory", "stopped" (by `stop`), "crashed" (the process died) or
    "refused" (it was not run), and `reason` says more, "" for "done". `line` is the line of the
    program that failed, if one did.
    """

    recording: Recording | None
    static: StaticGraph | None
    output: str
    ended: Ended
    reason: str
    isolation: Isolation
    static_reason: str = ""
    line: int | None = None
    seconds: float = 0.0
    overlay: Overlay | None = None


@dataclass(frozen=True, slots=True)
class Order:
    """A program with its limits, as it goes to the process that runs it.

    `scratch` is an empty folder for it, `walls` names the walls that are put up where they can be.
    With `apart` it is not run where one of those is missing that `Isolation.complete` asks for.
    """

    program: Program
    limits: Limits
    scratch: str
    walls: tuple[str, ...]
    apart: bool = False

    def to_json(self) -> bytes:
        """As plain text."""
        known = asdict(self)
        known["program"]["attached"] = base64.b64encode(self.program.attached).decode()
        return json.dumps(known).encode()

    @classmethod
    def from_json(cls, text: bytes) -> Order:
        """The order that `to_json` wrote."""
        made: Mapping[str, Any] = json.loads(text)
        attached = base64.b64decode(made["program"]["attached"])
        return cls(
            Program(**{**made["program"], "attached": attached}),
            Limits(**made["limits"]),
            made["scratch"],
            tuple(made["walls"]),
            made["apart"],
        )
