"""Which nodes of a TorchScript archive's graph a program's calls of it ran."""

from __future__ import annotations

from inspector.errors import InspectorError
from inspector.language import counted, sentence
from inspector.overlay.guide import Interpreted
from inspector.records import Overlay
from inspector.static_run import StaticRun
from inspector.torchscript.loaded_calls import LoadedCalls
from inspector_app.sandbox.failures import Over

MOST_EXECUTIONS = 200_000
"""Of nodes, in all calls together."""


def lit(calls: LoadedCalls) -> tuple[Overlay | None, str]:
    """What calls ran of their graph, and what of it could not be found out; "" where all could.

    Args:
        calls: those of a program that has ended. It may have been ended before; then this may be,
            too, and what was found until then holds.
    """
    runs: list[StaticRun] = []
    problem = calls.problem
    try:
        for run in calls.runs(MOST_EXECUTIONS):
            runs.append(run)  # noqa: PERF402  # those before an exception are kept
    except InspectorError as error:
        problem = error.message
    except Over:
        problem = sentence("there was no time left to find it out.")
    except Exception as error:  # of a module that has the archive's name, and is another
        problem = str(error)
    if not runs:
        return None, _nothing(problem) if problem else ""
    found = Interpreted(runs)
    return Overlay(found.executions, found.taken, found.trips, {}), _left_out(runs, calls.seen)


def _nothing(problem: str) -> str:
    return sentence("What ran of the TorchScript is not shown: {problem}", problem=problem)


def _left_out(runs: list[StaticRun], seen: int) -> str:
    """What of the calls is not among the runs."""
    failure = runs[-1].failure
    if failure is not None and failure.type == "ExecutionLimit":
        return sentence(
            "In the TorchScript, only the first {most:,} steps are shown.", most=MOST_EXECUTIONS
        )
    if len(runs) == seen:
        return ""
    return counted(
        "In the TorchScript, only what the first of {seen:,} calls ran is shown.",
        "In the TorchScript, only what the first {count} of {seen:,} calls ran is shown.",
        len(runs),
        seen=seen,
    )
