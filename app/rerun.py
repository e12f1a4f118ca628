"""Recording again in the background: the page shows what it has until the new run is there.

    desk().ask(order)           a thread records; what was asked for before is given up
    desk().job.wait(PATIENCE)   most samples take no longer

Recordings run one at a time for the whole server (`runs.one_at_a_time`). A session has one `Desk`
and waits for one `Job` at most: what it asks for next takes the place of what it asked for before.
"""

from __future__ import annotations

import threading
import time
from dataclasses import dataclass

import streamlit as st

from inspector.capture.session import running_session
from inspector.capture.tape import GivenUp
from inspector.language import sentence
from inspector.render.morphs import MorphBook
from inspector_app.component import Place
from inspector_app.phrases import reason_of
from inspector_app.runs import Order, Run, known, one_at_a_time, record_order

PATIENCE = 0.4
"""Seconds that a page waits for a run before it says that it waits."""

FIRST_PATIENCE = 10.0
"""Likewise, where there is nothing to show in the meantime."""

_LOOK = 0.05
"""Seconds between two looks whether a job that has not begun is still wanted."""


class Job:
    """One order: waiting for its turn, running, or ended with a run or a reason.

    Attributes:
        order: what is to run.
        waiting: another recording runs, of this session or of somebody else.
        run: what came out.
        reason: in words of the library, why nothing did; "" where it was given up.
    """

    def __init__(self, order: Order) -> None:
        self.order = order
        self.waiting = True
        self.run: Run | None = known(order)
        self.reason = ""
        self._asked = time.monotonic()
        self._ops = 0
        self._records = False
        self._given_up = threading.Event()
        self._ended = threading.Event()

    @property
    def ended(self) -> bool:
        """Whether there is nothing more to wait for."""
        return self._ended.is_set()

    @property
    def given_up(self) -> bool:
        """Whether nobody waits for it any more."""
        return self._given_up.is_set()

    @property
    def seconds(self) -> float:
        """Since it was asked for."""
        return time.monotonic() - self._asked

    @property
    def ops(self) -> int:
        """How many ops have run."""
        session = running_session() if self._records else None
        if session is not None:
            self._ops = session.op_count
        return self._ops

    def start(self) -> Job:
        """Begin, on a thread; returns at once. What was run before has ended already."""
        if self.run is not None:
            self.waiting = False
            self._ended.set()
        else:
            threading.Thread(target=self._work, name="recording", daemon=True).start()
        return self

    def wait(self, seconds: float) -> bool:
        """Wait for the end, so long at most; whether it has ended."""
        return self._ended.wait(seconds)

    def give_up(self) -> None:
        """End it: the program stops at its next op, and what waits does not begin."""
        self._given_up.set()
        session = running_session() if self._records else None
        if session is not None:
            session.give_up()

    def _work(self) -> None:
        try:
            if self._has_turn():
                try:
                    self._record()
                finally:
                    one_at_a_time.release()
        except GivenUp:
            pass
        except Exception as error:  # whatever it is, the page has to hear of it
            said = reason_of(error)
            self.reason = sentence("This input could not be run: {error}", error=said)
        finally:
            self._records = False
            self._ended.set()

    def _has_turn(self) -> bool:
        """Wait for the lock; whether it is held now. What is given up waits no longer."""
        while not one_at_a_time.acquire(timeout=_LOOK):
            if self.given_up:
                return False
        return True

    def _record(self) -> None:
        if self.given_up:
            return
        self.waiting = False
        self._records = True
        self.run = known(self.order) or record_order(self.order)


@dataclass(frozen=True)
class Shown:
    """What is on the page: an order and its run."""

    order: Order
    run: Run


class Desk:
    """What one session shows on a page, and what it waits for.

    Attributes:
        shown: what is on the page; None before the first run.
        before: what was there before that, of the same sample.
        earlier: what was there before `before`.
        job: what was asked for last.
        looked: what of `shown` is looked at, as the browser told last.
        goto: where an address leads to in the run that is waited for.
    """

    def __init__(self) -> None:
        self.shown: Shown | None = None
        self.before: Shown | None = None
        self.earlier: Shown | None = None
        self.job: Job | None = None
        self.looked: Place | None = None
        self.goto: Place | None = None

    def ask(self, order: Order) -> Job:
        """Ask for a run. The same order again changes nothing; another one gives up the last."""
        if self.job is not None and self.job.order == order:
            return self.job
        if self.job is not None:
            self.job.give_up()
        self.job = Job(order).start()
        return self.job

    def again(self) -> None:
        """Have the order asked for next run, although it was given up or failed before."""
        self.job = None

    def show(self, job: Job) -> bool:
        """Put the job's run on the page; whether it is another one than before."""
        assert job.run is not None
        shown = self.shown
        self.shown = Shown(job.order, job.run)
        if shown is None or shown.order == job.order:
            return shown is None
        self.earlier = self.before
        self.before = shown if shown.order.sample == job.order.sample else None
        return True


def desk() -> Desk:
    """The one of this session."""
    found: Desk | None = st.session_state.get("_desk")
    if found is None:
        found = st.session_state["_desk"] = Desk()
    return found


def morph(before: Shown, now: Shown) -> MorphBook:
    """What changed from a run to the next, in one picture."""
    names = before.order.title, now.order.title
    return _morph((id(before.run), id(now.run)), names, before.run, now.run)


@st.cache_resource(max_entries=24, show_spinner=False)
def _morph(key: tuple[int, int], names: tuple[str, str], _before: Run, _now: Run) -> MorphBook:
    """By the runs' ids: what is kept here keeps the runs alive, so no others get these."""
    return MorphBook(_before.book, _now.book, names)
