"""Running a sample on many inputs in the background: one sweep at a time, and it can be stopped.

A sweep runs on a thread of its own, so that the page can say how far it is. It holds the lock of
all recordings (`runs.one_at_a_time`) for one input at a time, so that others get their turn between
two. What was swept to the end is kept for all sessions; what was stopped belongs to the session
that stopped it.
"""

from __future__ import annotations

import threading
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from typing import Any

import streamlit as st

import inspector
import sample_models
from inspector.census import census
from inspector.counted import Census
from inspector.errors import InspectorError, ScriptError
from inspector.language import listed, sentence
from inspector.records import StaticGraph
from inspector.render.memory import Memory
from inspector_app.jobs import Job
from inspector_app.pairruns import Pair
from inspector_app.phrases import reason_of, say
from inspector_app.runs import one_at_a_time
from inspector_app.sweepitems import Choice, Item, items_of, made

SECONDS = 120.0
"""A sweep that takes longer ends after the input it is at."""

_REASONS = 3
"""Inputs that are named with the reason why they could not be made."""

_KEPT = 12
_one_sweep = threading.Lock()
"""Held by the one at work, also while it lets go of the lock of all recordings."""
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
        drawings: small pictures by variant, theme and language, made when they are first shown.
        pairs: a variant with the most common one, likewise.
    """

    choice: Choice
    census: Census
    items: tuple[Item, ...]
    refused: tuple[tuple[str, str], ...] = ()
    left: int = 0
    drawings: dict[tuple[int, str, str], str] = field(default_factory=dict, compare=False)
    pairs: dict[int, Pair] = field(default_factory=dict, compare=False)


@st.cache_resource(show_spinner=False)
def _kept() -> Memory[Choice, Swept]:
    """The sweeps of all sessions."""
    return Memory(_KEPT, lambda _: 1)


class Sweep(Job[Choice, Swept]):
    """One sweep.

    Attributes:
        total, done: how many inputs there are, and how many have been run.
    """

    stopped_words = sentence("The sweep was stopped before it began.")
    failed_words = sentence("The sweep could not be run: {error}")

    def __init__(self, choice: Choice) -> None:
        super().__init__(choice)
        self.total = 0
        self.done = 0

    @staticmethod
    def finished(choice: Choice) -> Swept | None:
        """The sweep of this choice, if one was run to its end."""
        return _kept().get(choice)

    def progress(self) -> tuple[float, str]:
        """How far it is, 0 to 1, and in words."""
        done, total = self.done, self.total
        if not total:
            return 0.0, say("Making the inputs …")
        if done == total:
            return 1.0, say("All inputs have run. Counting what they share …")
        return done / total, say("Input {done} of {total} …", done=done + 1, total=total)

    @contextmanager
    def _turn(self) -> Iterator[None]:
        with _one_sweep, one_at_a_time:
            yield

    def _make(self) -> Swept:
        asked = items_of(self.choice)
        self.total = len(asked)
        ready, refused = made(asked)
        if not ready:
            reasons = listed(
                (
                    sentence("{name}: {reason}", name=label, reason=reason)
                    for label, reason in refused[:_REASONS]
                ),
                "{first}; {then}",
            )
            raise InspectorError(
                sentence("None of the inputs could be made: {reasons}", reasons=reasons)
            )
        self.total = len(ready)
        sample = sample_models.get(self.choice.sample)
        items = [item for item, _ in ready]
        static, reason = _static(sample, ready[0][1])
        # What the first run of all pays for (imports, caches) is no property of the first input.
        census(sample.build(), [ready[0][1]], static=None)
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
            _kept().put(self.choice, swept)
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
        return None, reason_of(error)
