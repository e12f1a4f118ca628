"""What each process does with its inputs: run them one by one, and count."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from collections.abc import Set as AbstractSet
from dataclasses import replace
from typing import Any

from inspector.capture.many import Given, Ran, Runner, Start, facts_of, parameters_of
from inspector.capture.options import CaptureOptions
from inspector.census.fingerprint import fingerprint
from inspector.census.tally import Tally
from inspector.counted import InputProblem
from inspector.language import sentence

_DIFFERS = sentence(
    "The model gave another graph when the same input was run again: it draws on something that "
    "is not put back between runs."
)


def count(
    model: Callable[..., Any],
    inputs: Iterable[Given | InputProblem],
    options: CaptureOptions,
    start: Start | None = None,
    known: AbstractSet[str] = frozenset(),
) -> Tally:
    """Run a model on each input and count what ran.

    The first input of each variant is run a second time, with its lines counted: trips of loops
    and IR nodes are then known for certain, at a cost that the other inputs do not have.

    Args:
        model: what is called; see `Runner`.
        inputs: those that could be read, and the problems of the others.
        options: what to keep of each run.
        start: what each run starts with; None: the present random states and grad mode.
        known: fingerprints of which an earlier example is known: no recording is kept of them.
    """
    runner = Runner(model, options, start)
    parameters = parameters_of(model)
    tally = Tally()
    for given in inputs:
        if isinstance(given, InputProblem):
            tally.problems.append(given)
            continue
        ran = runner.run(given)
        if isinstance(ran, InputProblem):
            tally.problems.append(ran)
            continue
        facts = facts_of(given, parameters)
        group = tally.add(given.position, given.label, ran.recording, facts)
        tally.changed.update(ran.changed)
        if group is None:
            continue
        if group.fingerprint in known:
            group.recording = None
        elif not options.lines:
            again = runner.run(given, replace(options, lines=True))
            if isinstance(again, Ran) and fingerprint(again.recording) == group.fingerprint:
                group.recording = again.recording
            else:
                tally.notes[_DIFFERS] += 1
    tally.notes.update(runner.notes)
    return tally
