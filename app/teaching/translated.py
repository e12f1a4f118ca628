"""A translation checked against its original, and completed by it."""

from __future__ import annotations

from dataclasses import replace

from inspector.language import sentence
from inspector_app.teaching.fences import same_words
from inspector_app.teaching.fields import Report
from inspector_app.teaching.lesson import Code, Lesson, Show, Step
from inspector_app.teaching.spots import nearest


def merged(lesson: Lesson, original: Lesson, report: Report) -> Lesson:
    """The translation, with the original's bodies where its own are empty or missing.

    Args:
        lesson: as read.
        original: what it must have the same steps and codes as.
        report: hears of each difference that is none of language.
    """
    if len(lesson.steps) != len(original.steps):
        report(
            _line_of_difference(lesson, original),
            sentence(
                "{file} has {theirs} steps (`##`) and this translation has {mine}: they must be "
                "the same, in the same order.",
                file=original.file,
                theirs=len(original.steps) - 1,
                mine=len(lesson.steps) - 1,
            ),
        )
        return original
    codes = _codes(lesson, original, report)
    pairs = list(zip(lesson.steps, original.steps, strict=True))
    for mine, theirs in pairs:
        _compare(mine, theirs, original, report)
    steps = tuple(replace(mine, show=_show(mine, theirs)) for mine, theirs in pairs)
    return replace(lesson, codes=codes, steps=steps)


def _line_of_difference(lesson: Lesson, original: Lesson) -> int:
    """The first step that the original does not have, or the last one that there is."""
    return lesson.steps[min(len(original.steps), len(lesson.steps) - 1)].line


def _compare(mine: Step, theirs: Step, original: Lesson, report: Report) -> None:
    missing = [name for name in theirs.codes if name not in mine.codes]
    if missing:
        report(
            mine.line,
            sentence(
                "This step has the codes {missing} in {file}: write their fences here too. An "
                "empty one takes the original's text.",
                missing=", ".join(f"`{name}`" for name in missing),
                file=original.file,
            ),
        )
    counts = len(mine.questions), len(theirs.questions)
    if counts[0] != counts[1]:
        report(
            mine.line,
            sentence(
                "This step has {theirs} questions in {file}, and {mine} here.",
                theirs=counts[1],
                mine=counts[0],
                file=original.file,
            ),
        )


def _show(mine: Step, theirs: Step) -> Show | None:
    """The translation's `show`; the original's where it is empty or missing."""
    show = mine.show
    if show is None or show == Show(line=show.line):
        return (
            theirs.show
            if show is None or theirs.show is None
            else replace(theirs.show, line=show.line)
        )
    return show


def _codes(lesson: Lesson, original: Lesson, report: Report) -> tuple[Code, ...]:
    """All codes in the original's order."""
    names = tuple(code.name for code in original.codes)
    for code in lesson.codes:
        if code.name not in names:
            report(
                code.line - 1,
                sentence(
                    "{file} has no code `{name}`; the nearest is `{near}`.",
                    file=original.file,
                    name=code.name,
                    near=nearest(code.name, names) or "–",
                ),
            )
    return tuple(_code(lesson.code(theirs.name), theirs, report) for theirs in original.codes)


def _code(mine: Code | None, theirs: Code, report: Report) -> Code:
    if mine is None:
        return theirs
    if not (same_words(mine, theirs) or same_words(mine, Code(mine.name, ""))):
        report(
            mine.line - 1,
            sentence(
                "After the name `{name}` stands what stands there in the original, or nothing.",
                name=mine.name,
            ),
        )
    given = tuple(one.name for one in mine.inputs)
    wanted = tuple(one.name for one in theirs.inputs)
    if given and given != wanted:
        report(
            mine.inputs[0].line,
            sentence(
                "The inputs of `{name}` are called {wanted} in the original, in this order: an "
                "address names them.",
                name=mine.name,
                wanted=", ".join(f"`{one}`" for one in wanted) or "–",
            ),
        )
    is_own = bool(mine.source.strip())
    return replace(
        theirs,
        source=mine.source if is_own else theirs.source,
        line=mine.line if is_own else theirs.line,
        inputs=mine.inputs or theirs.inputs,
    )
