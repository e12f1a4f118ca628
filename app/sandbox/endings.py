"""How a program ended, in words."""

from __future__ import annotations

import signal
from dataclasses import dataclass

from inspector.language import Sentence, sentence, sentences
from inspector_app.sandbox.orders import Ended, Isolation, Order, Outcome
from inspector_app.sandbox.results import Results, Told

_REFUSALS = {
    "root": sentence(
        "It was not run: this server runs as root, and nothing here would keep the code from "
        "doing what root can. Start the server as another user."
    ),
    "walls": sentence(
        "It was not run: just now it could not have been kept apart well enough from other "
        "people's. Try again, and tell who runs this server if it stays so."
    ),
    "unstarted": sentence("The process that runs programs did not start. Try again."),
}


@dataclass(frozen=True, slots=True)
class Ending:
    """How a program's process ended, as seen from outside of it.

    `over` is "ended" (with its `code`, negative for a signal), "stopped", "time", "memory",
    "processes", "files", "root" (nothing would keep it from doing what root can), "walls" (it was
    to be kept apart and would not have been), "trouble" (it could not begin), "unstarted" (there
    was no process to run it) or "lost" (nobody knows).
    """

    over: str
    code: int
    output: str
    isolation: Isolation
    seconds: float
    trouble: str = ""


def outcome(order: Order, ending: Ending, found: Results | None, wrong: str = "") -> Outcome:
    """The outcome of a program.

    Args:
        order: what was run.
        ending: how its process ended.
        found: what it left, None for nothing.
        wrong: what is wrong with what it left.
    """
    if ending.over == "ended" and found is not None:
        ended, reason = _of_program(found.told, order)
        told, recording = found.told, found.recording
        static, overlay = found.static, found.overlay
    else:
        ended, reason = _of_process(ending, order, wrong)
        told, recording, static, overlay = Told(), None, None, None
    static_reason = told.static_missing
    if (order.program.script or order.program.trace) and static is None and not static_reason:
        static_reason = sentence("The program did not come to its end.")
    return Outcome(
        recording=recording,
        static=static,
        overlay=overlay,
        output=ending.output,
        ended=ended,
        reason=reason,
        isolation=ending.isolation,
        static_reason=static_reason,
        line=told.line,
        seconds=ending.seconds,
    )


def _of_program(told: Told, order: Order) -> tuple[Ended, str]:
    """What the program's own process tells."""
    kept = ""
    if told.missing:
        kept = sentence("Its recording could not be kept: {reason}", reason=told.missing)
    if told.ended == "done":
        return "done", kept
    if told.ended == "time":
        return "time", sentences(_too_long(order), kept)
    if told.ended == "memory":
        return "memory", sentences(_too_much(order), kept)
    if told.ended == "stopped":
        return "stopped", sentences(sentence("It was stopped."), kept)
    return "failed", sentences(_failure(told), kept)


def _failure(told: Told) -> str:
    if isinstance(told.message, Sentence):  # of the library's own: it says what to do
        if told.line is None:
            return told.message
        return sentence("Line {line}: {said}", line=told.line, said=told.message)
    message = told.message.rstrip(".")
    if told.type == "SystemExit":
        return sentence("It ended itself with sys.exit({code}).", code=message)
    error = f"{told.type}: {message}" if message else told.type
    if told.line is None:
        return sentence("{error}.", error=error)
    return sentence("Line {line}: {error}.", line=told.line, error=error)


def _of_process(ending: Ending, order: Order, wrong: str) -> tuple[Ended, str]:
    """What is known of a process that left nothing."""
    limits = order.limits
    lost = "" if order.program.plain else sentence("What it recorded is lost.")
    if ending.over == "stopped":
        return "stopped", sentences(sentence("It was stopped."), lost)
    if ending.over == "time" or (ending.over == "ended" and ending.code == -signal.SIGXCPU):
        return "time", sentences(_too_long(order), lost)
    if ending.over == "memory":
        return "memory", sentences(_too_much(order), lost)
    if ending.over == "processes":
        many = sentence("It had more than {count} processes and was ended.", count=limits.processes)
        return "crashed", sentences(many, lost)
    if ending.over == "files":
        large = sentence(
            "Its files were larger than {mb:,} MiB together and it was ended.", mb=limits.file_mb
        )
        return "crashed", sentences(large, lost)
    if ending.over in _REFUSALS:
        return "refused", _REFUSALS[ending.over]
    if ending.over == "trouble":
        return "refused", sentence("It could not begin: {reason}", reason=ending.trouble)
    if wrong:
        return "crashed", sentence("What it left cannot be read: {reason}", reason=wrong)
    return "crashed", sentences(_death(ending), lost)


def _too_long(order: Order) -> str:
    return sentence(
        "It took longer than {seconds:g} s and was ended.", seconds=order.limits.seconds
    )


def _too_much(order: Order) -> str:
    return sentence("It wanted more than {mb:,} MiB of memory.", mb=order.limits.memory_mb)


def _death(ending: Ending) -> str:
    if ending.over != "ended":
        return sentence("Its process was ended from outside.")
    if ending.code >= 0:
        return sentence(
            "Its process ended with exit code {code} before it was done, as by os._exit.",
            code=ending.code,
        )
    try:
        name = signal.Signals(-ending.code).name
    except ValueError:
        name = str(-ending.code)
    return sentence("Its process crashed: the system ended it with {signal}.", signal=name)
