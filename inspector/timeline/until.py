"""Run until: the next moment, forwards or backwards, at which a condition holds."""

from __future__ import annotations

import math
import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from fnmatch import fnmatchcase

from inspector.errors import QuestionError
from inspector.language import sentence
from inspector.records import GradNode, Op, TensorSummary
from inspector.timeline.expression import MAX_LENGTH, parse
from inspector.timeline.fields import Row, gradient_norm
from inspector.timeline.model import Timeline
from inspector.timeline.moments import chain_of

Test = Callable[[Row], bool]


@dataclass(frozen=True, slots=True)
class Condition:
    """What to run until: `what` is a key of `CONDITIONS`, `value` what was typed for it."""

    what: str
    value: str = ""


@dataclass(frozen=True, slots=True)
class About:
    """One kind of condition.

    Its title, what to type (empty for nothing), an example, and how a test is made of it.
    """

    title: str
    asks: str
    example: str
    make: Callable[[str], Test]


def until(timeline: Timeline, start: int, condition: Condition, direction: int = 1) -> int | None:
    """The next moment after `start` (before it, for a direction of -1) where `condition` holds.

    Args:
        timeline: the moments.
        start: where to begin; that moment itself is not looked at. -1 is before the first, the
            number of moments after the last.
        condition: what to look for.
        direction: 1 or -1.

    Returns:
        The number of the moment; None if there is none.

    Raises:
        QuestionError: the condition is not understood; the message says why.
    """
    test = tester(condition)
    end = len(timeline) if direction > 0 else -1
    begin = min(max(start, -1), len(timeline)) + direction
    for index in range(begin, end, direction):
        if test(Row(timeline, index)):
            return index
    return None


def count_beyond(timeline: Timeline, start: int, condition: Condition, direction: int = 1) -> int:
    """How many moments after `start` (before it, for a direction of -1) meet `condition`.

    Raises:
        QuestionError: as `until`.
    """
    test = tester(condition)
    after = range(max(start + 1, 0), len(timeline))
    before = range(min(max(start, 0), len(timeline)))
    return sum(test(Row(timeline, index)) for index in (after if direction > 0 else before))


def tester(condition: Condition) -> Test:
    """Whether a moment meets a condition, as a function.

    Raises:
        QuestionError: there is no such condition, or its value is not understood.
    """
    about = CONDITIONS.get(condition.what)
    if about is None:
        raise QuestionError(
            sentence(
                "There is no condition {what!r}. Known: {known}.",
                what=condition.what,
                known=", ".join(CONDITIONS),
            )
        )
    value = condition.value.strip()
    if len(value) > MAX_LENGTH:
        raise QuestionError(
            sentence(
                "At most {max_length} characters; this: {count}.",
                max_length=MAX_LENGTH,
                count=len(value),
            )
        )
    if about.asks and not value and condition.what != "decision":
        raise QuestionError(
            sentence("Type {asks}, such as: {example}", asks=about.asks, example=about.example)
        )
    # Of an expression the untrimmed text, so that columns are those of what was typed.
    return about.make(condition.value if condition.what == "expression" else value)


# -- one function for each kind of condition --------------------------------------------------


def _nonfinite(_: str) -> Test:
    def bad(found: TensorSummary | None) -> bool:
        return found is not None and bool(found.nan_count or found.inf_count)

    def test(row: Row) -> bool:
        record = row.record
        if isinstance(record, GradNode):
            return any(map(bad, record.grad_outputs)) or any(map(bad, record.grad_inputs))
        return isinstance(record, Op) and any(bad(tensor.summary) for tensor in row.outputs)

    return test


def _failure(_: str) -> Test:
    def test(row: Row) -> bool:
        failure = row.timeline.recording.failure
        return isinstance(row.record, Op) and failure is not None and failure.op == row.record.id

    return test


def _shape(value: str) -> Test:
    """Sizes between ",", "x", "×" or spaces; * is any size, ... any number of them."""
    parts = [part for part in re.split(r"[\s,x×X()\[\]]+", value) if part]
    if any(not re.fullmatch(r"\d{1,18}|\*|\.\.\.", part) for part in parts):
        raise QuestionError(
            sentence(
                "{value!r} is not a shape. Write sizes, as in 32, 10; * stands for any "
                "size and ... for any number of them.",
                value=value,
            )
        )
    if parts.count("...") > 1:
        raise QuestionError(sentence("... can stand in a shape once."))
    open_end = "..." in parts
    at = parts.index("...") if open_end else len(parts)
    head, tail = parts[:at], parts[at + 1 :]

    def fits(shape: tuple[int, ...]) -> bool:
        if len(shape) < len(head) + len(tail) or (not open_end and len(shape) != len(head)):
            return False
        ends = [*shape[: len(head)], *shape[len(shape) - len(tail) :]]
        return all(
            part == "*" or int(part) == size
            for part, size in zip([*head, *tail], ends, strict=True)
        )

    return lambda row: any(fits(tensor.shape) for tensor in row.outputs)


def _dtype(value: str) -> Test:
    wanted = value.removeprefix("torch.").lower()
    return lambda row: any(tensor.dtype == wanted for tensor in row.outputs)


def _op(value: str) -> Test:
    pattern = value.lower()

    def test(row: Row) -> bool:
        record = row.record
        if isinstance(record, Op):
            names = (record.name, record.function)
        else:
            names = (record.name, "") if isinstance(record, GradNode) else ("", "")
        return any(fnmatchcase(name.lower(), pattern) for name in names)

    return test


def _module(value: str) -> Test:
    """A path with * and ?, or a class; what runs inside of the module counts, too."""
    known: dict[int, bool] = {}

    def test(row: Row) -> bool:
        call = row.call
        if call is None:
            return False
        if call not in known:
            known[call] = any(
                fnmatchcase(outer.path, value) or outer.type == value
                for outer in chain_of(row.timeline.recording, call)
            )
        return known[call]

    return test


def _line(value: str) -> Test:
    """As in "train.py:12", or "12" in any file; a line that called what runs counts, too."""
    file, _, number = value.replace("\\", "/").rpartition(":")
    if not number.strip().isdecimal() or len(number) > 9:
        raise QuestionError(
            sentence("{value!r} is not a line. Write train.py:12, or 12 for any file.", value=value)
        )
    line, file = int(number), file.strip()

    def in_file(path: str) -> bool:
        path = path.replace("\\", "/")
        return not file or path == file or path.endswith(f"/{file}")

    def test(row: Row) -> bool:
        return any(frame.line == line and in_file(frame.file) for frame in row.stack)

    return test


def _decision(value: str) -> Test:
    wanted = value.lower()

    def test(row: Row) -> bool:
        if row.decision is None:
            return False
        found = row.decision.value
        if not wanted or str(found).lower() == wanted:
            return True
        if isinstance(found, (bool, str)):
            return False
        try:
            return float(wanted) == found
        except (ValueError, OverflowError):
            return False

    return test


def _gradient(value: str, holds: Callable[[float, float], bool]) -> Test:
    try:
        bound = float(value)
    except ValueError:
        raise QuestionError(
            sentence("{value!r} is not a number; write one such as 1e-6.", value=value)
        ) from None

    def test(row: Row) -> bool:
        norm = gradient_norm(row.record) if isinstance(row.record, GradNode) else None
        return norm is not None and not math.isnan(norm) and holds(norm, bound)

    return test


def _expression(value: str) -> Test:
    read = parse(value)
    return lambda row: bool(read(row))


CONDITIONS: Mapping[str, About] = {
    "nonfinite": About(sentence("NaN or Inf"), "", "", _nonfinite),
    "failure": About(sentence("the op that failed"), "", "", _failure),
    "op": About(sentence("an op or autograd node"), sentence("a name"), "softmax", _op),
    "module": About(
        sentence("a module"),
        sentence("a path (with * and ?) or a class"),
        "encoder.layers.*",
        _module,
    ),
    "line": About(sentence("a line"), sentence("a line"), "train.py:12", _line),
    "decision": About(
        sentence("a decision"), sentence("its value, or nothing for any"), "True", _decision
    ),
    "shape": About(
        sentence("a shape"), sentence("sizes; * is any, ... any number"), "32, *, 64", _shape
    ),
    "dtype": About(sentence("a dtype"), sentence("a dtype"), "float16", _dtype),
    "grad_below": About(
        sentence("gradient norm below"),
        sentence("a number"),
        "1e-6",
        lambda v: _gradient(v, lambda a, b: a < b),
    ),
    "grad_above": About(
        sentence("gradient norm above"),
        sentence("a number"),
        "100",
        lambda v: _gradient(v, lambda a, b: a > b),
    ),
    "expression": About(
        sentence("an expression"),
        sentence("a condition"),
        'op == "linear" and shape[0] > 64',
        _expression,
    ),
}
"""What can be run until, by name, in the order in which a page offers it."""
