"""What to show beside the lines of the source: warnings, compiler errors, where things part."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace

from inspector.errors import ScriptError
from inspector.language import sentence
from inspector.records import Overlay, StaticGraph
from inspector.verdicts import LineMark, Truth

_ORDER = ("error", "warning", "note")


def line_marks(
    static: StaticGraph | None,
    overlay: Overlay | None = None,
    truth: Truth | None = None,
    error: ScriptError | None = None,
) -> tuple[LineMark, ...]:
    """The marks for the margin of the source, by file and line, the gravest of a line first.

    Args:
        static: its warnings; None where the compiler refused.
        overlay: marks where a trace and the recording part, unless `truth` says it better. A
            warning on a line that this input did not reach becomes a note.
        truth: marks where graph and run part; a warning on that line has come true.
        error: why there is no graph.
    """
    marks = [*_of_error(error), *_of_truth(truth)]
    if not marks and overlay is not None:
        marks += _of_overlay(overlay)
    parted = {(mark.file, mark.line) for mark in marks}
    if static is not None:
        marks += _of_warnings(static, parted, overlay)
    unique = dict.fromkeys(marks)
    return tuple(
        sorted(unique, key=lambda mark: (mark.file, mark.line, _ORDER.index(mark.severity)))
    )


def _of_error(error: ScriptError | None) -> Iterator[LineMark]:
    if error is not None and error.file is not None and error.line is not None:
        yield LineMark(error.file, error.line, "error", "compiler", error.message)


def _of_truth(truth: Truth | None) -> Iterator[LineMark]:
    parting = None if truth is None else truth.parting
    if parting is None or parting.source is None:
        return
    source = parting.source
    place = source.file, source.line
    mark = LineMark(*place, "error", "parting", parting.reason, parting.remedy)
    yield replace(mark, severity="warning") if parting.kind == "random" else mark


def _of_overlay(overlay: Overlay) -> Iterator[LineMark]:
    found = overlay.first_divergence
    if found is not None and found.source is not None:
        yield LineMark(found.source.file, found.source.line, "error", "parting", found.reason)


def _of_warnings(
    static: StaticGraph, parted: set[tuple[str, int]], overlay: Overlay | None
) -> Iterator[LineMark]:
    idle = set() if overlay is None else _idle_lines(static, overlay)
    for warning in static.warnings:
        if warning.file is None or warning.line is None:
            continue
        place = warning.file, warning.line
        mark = LineMark(*place, "warning", warning.category, warning.message, warning.remedy)
        if place in parted:
            came_true = sentence("{warning} With this input it came true.", warning=mark.message)
            yield replace(mark, message=came_true)
        else:
            yield replace(mark, severity="note") if place in idle else mark


def _idle_lines(static: StaticGraph, overlay: Overlay) -> set[tuple[str, int]]:
    """Lines that have nodes, none of which ran."""
    ran: dict[tuple[str, int], bool] = {}
    for node in static.nodes:
        if node.source is not None and node.id in overlay.executions:
            place = node.source.file, node.source.line
            ran[place] = ran.get(place, False) or overlay.executions[node.id] > 0
    return {place for place, any_ran in ran.items() if not any_ran}
