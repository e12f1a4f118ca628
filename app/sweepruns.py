"""Running a sample on many inputs in the background: one sweep at a time, and it can be stopped.

A sweep runs on a thread of its own, so that the page can say how far it is. It holds the lock of
all recordings (`runs.one_at_a_time`) for one input at a time, so that others get their turn between
two. What was swept to the end is kept for all sessions; what was stopped belongs to the session
that stopped it.
"""

from __future__ import annotations

import threading
import time
from collections import OrderedDict
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field, replace
from typing import Any

import streamlit as st

import inspector
import sample_models
from inspector.census import census
from inspector.counted import Census
from inspector.errors import InspectorError, ScriptError
from inspector.records import StaticGraph
from inspector_app.pairruns import Pair
from inspector_app.phrases import say
from inspector_app.runs import one_at_a_time
from inspector_app.sweepitems import Choice, Item, items_of, made

SECONDS = 120.0
"""A sweep that takes longer ends after the input it is at."""

_KEPT = 12
_TURN = 0.001
"""Seconds between two inputs in which another recording can take its turn."""


@dataclass(frozen=True)
class Swept:
    """A sweep's result.

    Attributes:
        choice: what was swept over.
        census: of the inputs that were run.
        items: those inputs, by position.
        refused: (label, reason) of inputs that could not be made.
        left: how many inputs were not come to.
        drawings: small pictures by variant and theme, made when they are first shown.
        pairs: a variant with the most common one, likewise.
    """

    choice: Choice
    census: Census
    items: tuple[Item, ...]
    refused: tuple[tuple[str, str], ...] = ()
    left: int = 0
    drawings: dict[tuple[int, str], str] = field(default_factory=dict, compare=False)
    pairs: dict[int, Pair] = field(default_factory=dict, compare=False)


# -- the store ------------------------------------------------------------------------------------


class _Kept:
    """Sweeps by their choices, those used last at the end; `running` is held by the one at work."""

    def __init__(self) -> None:
        self.lock = threading.Lock()
        self.running = threading.Lock()
        self.sweeps: OrderedDict[Choice, Swept] = OrderedDict()


@st.cache_resource(show_spinner=False)
def _kept() -> _Kept:
    """The sweeps of all sessions."""
    return _Kept()


def finished(choice: Choice) -> Swept | None:
    """The sweep of this choice, if one was run to its end."""
    kept = _kept()
    with kept.lock:
        found = kept.sweeps.get(choice)
        if found is not None:
            kept.sweeps.move_to_end(choice)
        return found


def _keep(swept: Swept) -> None:
    kept = _kept()
    with kept.lock:
        kept.sweeps[swept.choice] = swept
        while len(kept.sweeps) > _KEPT:
            kept.sweeps.popitem(last=False)


# -- the job --------------------------------------------------------------------------------------


class Sweep:
    """One sweep: waiting, running, or ended with a result or a reason.

    Attributes:
        waiting: for its turn.
        total, done: how many inputs there are, and how many have been run.
    """

    def __init__(self, choice: Choice) -> None:
        self.choice = choice
        self.waiting = True
        self.total = 0
        self.done = 0
        self.result: Swept | None = None
        self.reason = ""
        self._ended = threading.Event()
        self._stop = threading.Event()

    @property
    def ended(self) -> bool:
        """Whether there is nothing more to wait for."""
        return self._ended.is_set()

    def wait(self, seconds: float) -> bool:
        """Wait for the end, so long at most; whether it has ended."""
        return self._ended.wait(seconds)

    def stop(self) -> None:
        """End it after the input it is at; those so far are its result."""
        self._stop.set()

    def start(self) -> Sweep:
        """Begin, on a thread; returns at once."""
        threading.Thread(target=self._work, name="sweep", daemon=True).start()
        return self

    def _work(self) -> None:
        try:
            with _kept().running, one_at_a_time:
                self.waiting = False
                if self._stop.is_set():
                    self.reason = say("The sweep was stopped before it began.")
                else:
                    self.result = finished(self.choice) or self._swept()
        except InspectorError as error:
            self.reason = str(error)
        except Exception as error:  # whatever it is, the page has to hear of it
            self.reason = say("The sweep could not be run: {error}", error=str(error))
        finally:
            self._ended.set()

    def _swept(self) -> Swept:
        """The result, at the second attempt if need be.

        CPython up to 3.11 keeps the depth of `ast.parse` for all threads together: where another
        thread parses at the same moment, it raises a SystemError ("AST constructor recursion depth
        mismatch", its issue 106905).
        """
        try:
            return self._sweep()
        except SystemError:
            self.done = 0
            return self._sweep()

    def _sweep(self) -> Swept:
        asked = items_of(self.choice)
        self.total = len(asked)
        ready, refused = made(asked)
        if not ready:
            reasons = "; ".join(f"{label}: {reason}" for label, reason in refused[:3])
            raise InspectorError(
                say("None of the inputs could be made: {reasons}", reasons=reasons)
            )
        self.total = len(ready)
        sample = sample_models.get(self.choice.sample)
        items = [item for item, _ in ready]
        static, reason = _static(sample, ready[0][1])
        counted = census(
            sample.build(),
            self._feed([arguments for _, arguments in ready]),
            static=static,
            labels=[item.label for item in items],
            swept=[item.swept for item in items],
        )
        if static is None:
            counted = replace(counted, no_coverage=reason)
        ran = len(counted.points) + len(counted.problems)
        swept = Swept(self.choice, counted, tuple(items), tuple(refused), len(items) - ran)
        if not swept.left:
            _keep(swept)
        return swept

    def _feed(self, inputs: Sequence[tuple[Any, ...]]) -> Iterator[tuple[Any, ...]]:
        """The inputs, one after the other, until it is stopped or has taken too long."""
        until = time.monotonic() + SECONDS
        for place, arguments in enumerate(inputs):
            # The first one is run in any case: a sweep of nothing has nothing to show.
            if place and (self._stop.is_set() or time.monotonic() > until):
                return
            yield arguments
            self.done = place + 1
            one_at_a_time.release()
            time.sleep(_TURN)
            one_at_a_time.acquire()


def _static(
    sample: sample_models.Sample, arguments: tuple[Any, ...]
) -> tuple[StaticGraph | None, str]:
    """What coverage is told of: the script, else the trace of the first input; or why nothing."""
    target = sample.static(sample.build())
    try:
        return inspector.script(target), ""
    except ScriptError:
        pass
    try:
        return inspector.trace(target, *sample.static_inputs(arguments)), ""
    except Exception as error:  # whatever the model raises on this input
        return None, str(error)
