"""A lesson tried out: all its programs run in the sandbox, all its places found in the runs."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from functools import lru_cache

from inspector import overlay
from inspector.language import Sentence, sentence
from inspector.render.answers import Book
from inspector_app.sandbox import Outcome, Program, run
from inspector_app.teaching.lesson import OUTPUT, Code, Lesson, Problem, Shown, states
from inspector_app.teaching.pictures import Ran, Wanted
from inspector_app.teaching.places import look

Run = Callable[[Program], Outcome]


@lru_cache(maxsize=32)
def run_once(program: Program) -> Outcome:
    """Run a program, or give what came of it before: a translation has its original's programs."""
    return run(program)


@dataclass(frozen=True, slots=True)
class Trial:
    """What came of all programs of a lesson: `runs` for a handout, `problems` for its author."""

    runs: Mapping[Wanted, Ran]
    problems: tuple[Problem, ...]


def try_out(
    lesson: Lesson, runner: Run = run, begins: Callable[[Wanted], None] = lambda wanted: None
) -> Trial:
    """Run each code of a lesson with each of its inputs, one after the other.

    A code that was ended at its time is not tried with the inputs that follow.

    Args:
        lesson: as read without an error.
        runner: runs one program.
        begins: called before each, with the names of the code and its input.
    """
    problems: list[Problem] = []
    runs: dict[Wanted, Ran] = {}
    expected = set(_may_fail(lesson))
    for code in lesson.codes:
        for given in tuple(one.name for one in code.inputs) or (None,):
            wanted = code.name, given
            begins(wanted)
            outcome = runner(program_of(code, given))
            runs[wanted] = ran_of(outcome)
            problems += _of_run(lesson, code, given, outcome, wanted in expected)
            if outcome.ended == "time":
                break
    problems += _not_there(lesson, runs)
    return Trial(runs, tuple(sorted(dict.fromkeys(problems), key=lambda problem: problem.line)))


def _of_run(
    lesson: Lesson, code: Code, given: str | None, outcome: Outcome, may_fail: bool
) -> Iterator[Problem]:
    """What is wrong with one run of a code."""
    reason = _ended_badly(outcome, may_fail, given)
    if reason is not None:
        line = code.line + max(outcome.line or 1, 1) - 1
        yield Problem(lesson.file, line, reason)
    elif outcome.static_reason and outcome.ended == "done":
        told = sentence("There is no TorchScript to show: {reason}", reason=outcome.static_reason)
        yield Problem(lesson.file, code.line - 1, told)


def program_of(code: Code, given: str | None, text: str | None = None) -> Program:
    """What the sandbox runs of a code.

    Args:
        code: of a lesson.
        given: the name of one of its inputs; None for a code without.
        text: what stands in the place of its own.

    Raises:
        ValueError: the text is too long.
    """
    return Program(
        source=code.source if text is None else text,
        name=code.name,
        before=code.before(given),
        script=code.script,
        trace=code.trace,
        plain=code.plain,
        values="full" if code.full else "stats",
        kernels=code.kernels,
    )


def ran_of(outcome: Outcome) -> Ran:
    """What a handout needs of it: an exception is told by the output already."""
    book, recording, static = None, outcome.recording, outcome.static
    if recording is not None:
        lit = None if static is None else overlay(static, recording)
        book = Book(recording, static, lit, outcome.static_reason)
    reason = "" if outcome.ended in ("done", "failed") else outcome.reason
    return Ran(book, outcome.output, reason)


def _may_fail(lesson: Lesson) -> Iterator[Wanted]:
    """The runs of which the lesson shows how they end: the failure, what was found, the output."""
    for shown in states(lesson):
        if shown.code is not None and _is_about_the_end(shown):
            yield shown.code.name, shown.input


def _is_about_the_end(shown: Shown) -> bool:
    kinds = {getattr(spot, "kind", None) for spot in (shown.select, shown.moment)}
    shows_findings = "findings" in shown.panes.values()
    return "failure" in kinds or shows_findings or shown.result == OUTPUT


def _ended_badly(outcome: Outcome, may_fail: bool, given: str | None) -> Sentence | None:
    """Why a run is no good for a lesson; None for one that is."""
    if outcome.ended == "done" or (outcome.ended == "failed" and may_fail):
        return None
    if given is None:
        return sentence("The code did not run to its end: {reason}", reason=outcome.reason)
    return sentence(
        "With the input `{input}` the code did not run to its end: {reason}",
        input=given,
        reason=outcome.reason,
    )


def _not_there(lesson: Lesson, runs: Mapping[Wanted, Ran]) -> Iterator[Problem]:
    """The places of steps that their runs do not have."""
    for step, shown in zip(lesson.steps, states(lesson), strict=True):
        if shown.code is None:
            continue
        book = runs.get((shown.code.name, shown.input), Ran()).book
        if book is not None:
            line = step.line if step.show is None else step.show.line
            for missing in look(shown, book).missing:
                yield Problem(lesson.file, line, missing)
