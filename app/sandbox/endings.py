"""How a program ended, in words."""

from __future__ import annotations

import signal
from dataclasses import dataclass

from inspector.language import Sentence, sentence, sentences
from inspector_app.sandbox.failures import ProcessorLimit
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

_LIMITS = ("stopped", "time", "processor", "memory", "processes", "files")
"""Why a program was ended from outside, or asked to end."""


@dataclass(frozen=True, slots=True)
class Ending:
    """How a program's process ended, as seen from outside of it.

    `over` is "ended" (with its `code`, negative for a signal), "stopped", "time", "memory",
    "processes", "files", "root" (nothing would keep it from doing what root can), "walls" (it was
    to be kept apart and would not have been), "trouble" (it could not begin), "unstarted" (there
    was no process to run it) or "lost" (nobody knows). `asked` is "stopped", or the limit at which
    the program was asked to end, "" for none: it may have done so, and left its results.
    """

    over: str
    code: int
    output: str
    isolation: Isolation
    seconds: float
    trouble: str = ""
    asked: str = ""


def outcome(order: Order, ending: Ending, found: Results | None, wrong: str = "") -> Outcome:
    """The outcome of a program.

    Args:
        order: what was run.
        ending: how its process ended.
        found: what it left, None for nothing.
        wrong: what is wrong with what it left.
    """
    if ending.over == "ended" and found is not None:
        ended, reason = _of_program(found.told, order, ending.asked)
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


def _of_program(told: Told, order: Order, asked: str) -> tuple[Ended, str]:
    """What the program's own process tells; why it was asked to end, only its keeper knows."""
    kept = ""
    if told.missing:
        kept = sentence("Its recording could not be kept: {reason}", reason=told.missing)
    if told.ended == "done":
        return "done", kept
    if told.ended == "failed":
        return "failed", sentences(_failure(told), kept)
    over = told.ended
    if over == "stopped" and asked:
        over = asked
    elif told.type == ProcessorLimit.__name__:
        over = "processor"
    ended, reason = _at_limit(over, order)
    return ended, sentences(reason, kept)


def _at_limit(over: str, order: Order) -> tuple[Ended, str]:
    """How a program ended that was ended, and why."""
    limits = order.limits
    if over == "time":
        return "time", sentence(
            "It took longer than {seconds:g} s and was ended.", seconds=limits.seconds
        )
    if over == "processor":
        return "time", sentence(
            "It kept processors busy for more than {seconds:g} s together and was ended.",
            seconds=limits.processor_seconds,
        )
    if over == "memory":
        return "memory", sentence("It wanted more than {mb:,} MiB of memory.", mb=limits.memory_mb)
    if over == "processes":
        return "crashed", sentence(
            "It had more than {count} processes and was ended.", count=limits.processes
        )
    if over == "files":
        return "crashed", sentence(
            "Its files were larger than {mb:,} MiB together and it was ended.", mb=limits.file_mb
        )
    return "stopped", sentence("It was stopped.")


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
    lost = "" if order.program.plain else sentence("What it recorded is lost.")
    over = ending.over
    if over == "ended" and -ending.code == getattr(signal, "SIGXCPU", None):
        over = "processor"
    if over in _LIMITS:
        ended, reason = _at_limit(over, order)
        return ended, sentences(reason, lost)
    if over in _REFUSALS:
        return "refused", _REFUSALS[over]
    if over == "trouble":
        return "refused", sentence("It could not begin: {reason}", reason=ending.trouble)
    if wrong:
        return "crashed", sentence("What it left cannot be read: {reason}", reason=wrong)
    return "crashed", sentences(_death(ending), lost)


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
