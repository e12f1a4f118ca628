"""A program of its own that measures one model: timings are not disturbed by the server.

Reads a pickled `Order` from stdin and writes pickled pairs to stdout: ("phase", name) as it goes
on, and ("result", ...) at the end. Nothing but the app talks to it.
"""

from __future__ import annotations

import os
import pickle
import sys
from typing import Any

import inspector
from inspector.errors import TimingError
from inspector_app.phrases import reason_of
from inspector_app.subject import COMPILE_SECONDS, Order


def main() -> None:
    """Measure what the order on stdin asks for."""
    answers = os.fdopen(os.dup(1), "wb")
    os.dup2(2, 1)  # what a model or a compiler prints must not get between the answers

    def answer(kind: str, value: Any) -> None:
        pickle.dump((kind, value), answers)
        answers.flush()

    order: Order = pickle.load(sys.stdin.buffer)
    answer("phase", "variants")
    model, given = order.subject.made()
    timing = inspector.measure(
        model,
        *given,
        variants=None if not order.compiled else _with_compile(),
        seconds=order.seconds,
        compile_limit=COMPILE_SECONDS,
    )
    sweep, reason = None, ""
    if order.sizes:
        answer("phase", "sizes")
        model, given = order.subject.made()
        try:
            sweep = inspector.sweep_batch(
                model, *given, sizes=order.sizes, seconds=2 * order.seconds
            )
        except TimingError as error:
            reason = reason_of(error)
    answer("result", (timing, sweep, reason))


def _with_compile() -> tuple[str, ...]:
    from inspector.torchscript.measuring.variants import DEFAULT

    return (*DEFAULT, "compile")


if __name__ == "__main__":
    main()
