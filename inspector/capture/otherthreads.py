"""What is known of the threads that a recording does not see, for its notes."""

from __future__ import annotations

import threading
from collections import Counter
from dataclasses import dataclass, field

from inspector.language import counted, listed, sentence, sentences

CALL, MODULE, BACKWARD, STEP = "call on tensors", "module call", "backward pass", "optimizer step"

_NAMED = 3
"""Threads that a note calls by their names; of more it says how many."""


@dataclass(slots=True)
class OtherThread:
    """What one thread did.

    Args:
        name: the thread's; empty for one that Python's `threading` does not know.
        started: "file.py:12", the user's line that started it; empty if it was there before.
        counted: whether every call on tensors was counted, not only those that pass a gate.
        done: how often it did what.
    """

    name: str
    started: str = ""
    counted: bool = False
    done: Counter[str] = field(default_factory=Counter)


class OtherThreads:
    """The threads that ran something during one recording, except the recorded one."""

    def __init__(self) -> None:
        self._all: list[OtherThread] = []
        # The system gives a thread's number to another one once it has ended.
        self._by_number: dict[int, OtherThread] = {}
        self.over = False
        """Whether the recording has ended. Threads go on, and nothing more is counted."""

    def begin(self, name: str, started: str) -> OtherThread:
        """This thread starts now; whatever had its number before is another one."""
        thread = OtherThread(name, started)
        self._all.append(thread)
        self._by_number[threading.get_ident()] = thread
        return thread

    def here(self) -> OtherThread:
        """The thread that is running."""
        number = threading.get_ident()
        known = self._by_number.get(number)
        if known is None:
            known = self._by_number[number] = OtherThread(_name_of(number))
            self._all.append(known)
        return known

    def saw(self, what: str) -> None:
        """Count a call, module call, backward pass or optimizer step of this thread."""
        if not self.over:
            self.here().done[what] += 1

    def notes(self) -> list[str]:
        """One note for the threads that one line started, and one for all that were there."""
        groups: dict[tuple[str, bool], list[OtherThread]] = {}
        for thread in list(self._all):
            if thread.done:
                groups.setdefault((thread.started, thread.counted), []).append(thread)
        return [_note(threads, started, exact) for (started, exact), threads in groups.items()]


def _name_of(number: int) -> str:
    """The name of a thread by its number.

    `threading.current_thread` would leave an entry behind for a thread that C++ has started.
    """
    return next((t.name for t in threading.enumerate() if t.ident == number), "")


def _note(threads: list[OtherThread], started: str, exact: bool) -> str:
    done: Counter[str] = Counter()
    for thread in threads:
        done.update(dict(thread.done))  # copied in one go: the thread may still be counting
    if exact:
        del done[MODULE]  # its calls are counted
    told = {"what": _what(done), "who": _who(threads, started)}
    if exact:
        ran = counted(
            "{what} ran on {who} and is not recorded: a recording sees the thread that opens it.",
            "{what} ran on {who} and are not recorded: a recording sees the thread that opens it.",
            sum(done.values()),
            **told,
        )
    else:
        ran = counted(
            "At least {what} ran on {who} and is not recorded: a recording sees the thread that "
            "opens it.",
            "At least {what} ran on {who} and are not recorded: a recording sees the thread that "
            "opens it.",
            sum(done.values()),
            **told,
        )
    see = sentence("To see another thread, open the recording inside of the function that it runs.")
    return sentences(ran, see)


def _what(done: Counter[str]) -> str:
    """As in "2 calls on tensors, 1 backward pass and 3 optimizer steps"."""
    told = {
        CALL: counted("{count} call on tensors", "{count} calls on tensors", done[CALL]),
        MODULE: counted("{count} module call", "{count} module calls", done[MODULE]),
        BACKWARD: counted("{count} backward pass", "{count} backward passes", done[BACKWARD]),
        STEP: counted("{count} optimizer step", "{count} optimizer steps", done[STEP]),
    }
    parts = [words for what, words in told.items() if done[what]]
    return listed([listed(parts[:-1]), *parts[-1:]] if parts[1:] else parts, "{first} and {then}")


def _who(threads: list[OtherThread], started: str) -> str:
    names = list(dict.fromkeys(f"'{thread.name}'" for thread in threads if thread.name))
    shown = ", ".join(names[:_NAMED]) + (", …" if len(names) > _NAMED else "")
    if len(threads) > 1 and shown:
        who = sentence("{count} threads ({names})", count=len(threads), names=shown)
    elif len(threads) > 1:
        who = sentence("{count} threads", count=len(threads))
    elif shown:
        who = sentence("the thread {name}", name=shown)
    else:
        who = sentence("a thread that Python's threading does not know")
    return sentence("{who} (started at {place})", who=who, place=started) if started else who
