"""A recording's structure to text; `inspector.golden` describes the format."""

from __future__ import annotations

import os
import re
from collections import Counter
from collections.abc import Iterator, Sequence

from inspector.golden.excerpt import Section, excerpt
from inspector.records import Decision, Op, Recording, Source, Step, TensorInfo

VERSION = 1
SEPARATOR = "  "
"""Between the fields of a line; none has two spaces in a row."""

LIBRARY = "library"
"""The mark of an op that a library's line called, of which the line does not matter."""

_REFERENCE = re.compile(r"%(\d+)")
_FLOAT = re.compile(
    r"(?<![\w.%])-?(?:\d+\.\d*(?:e[+-]?\d+)?|\.\d+(?:e[+-]?\d+)?|\d+e[+-]?\d+|inf|nan)j?(?![\w.])"
)


def golden_text(recording: Recording) -> str:
    """The structure of a recording, as lines ending in a newline; equal for equal graphs."""
    return "\n".join(line.rstrip() for line in _Writer(recording).lines()) + "\n"


class _Writer:
    def __init__(self, recording: Recording) -> None:
        self._recording = recording
        self._places = _Places(recording)
        self._values = _Values(recording)
        self._decisions = {d.op: d for d in recording.decisions if d.op is not None}
        self._open: list[tuple[int, tuple[Source, ...]]] = []

    def lines(self) -> Iterator[str]:
        recording = self._recording
        body = list(self._run())  # names the values first
        yield f"graph of {_one_line(recording.meta.get('model') or 'a block of code')}," + (
            f" format {VERSION}"
        )
        yield from self._places.lines(recording)
        yield from self._values.lines()
        yield "run"
        yield from body
        if recording.output:
            yield f"returns {', '.join(map(self._values.name, recording.output))}"
        yield from self._failure()

    def _run(self) -> Iterator[str]:
        reads: dict[int, list[Decision]] = {}
        for decision in self._recording.decisions:
            if decision.op is None:
                reads.setdefault(decision.before_op or 0, []).append(decision)
        steps: dict[int, list[Step]] = {}
        for step in self._recording.steps:
            steps.setdefault(step.first_op, []).append(step)
        for number in range(len(self._recording.ops) + 1):
            for step in steps.get(number, ()):
                yield self._step(step)
            for read in reads.get(number, ()):
                yield from self._enter(read.module_call, ())
                yield self._read(read)
            if number < len(self._recording.ops):
                op = self._recording.ops[number]
                yield from self._enter(op.module_call, op.stack)
                yield self._op(op)

    # -- calls ---------------------------------------------------------------------------------

    def _enter(self, call: int | None, stack: tuple[Source, ...]) -> Iterator[str]:
        """The lines of the calls that begin here; those that ended are left."""
        chain: list[int] = []
        while call is not None:
            chain.append(call)
            call = self._recording.module_calls[call].parent
        chain.reverse()
        depth = 0
        while depth < min(len(chain), len(self._open)) and self._open[depth][0] == chain[depth]:
            depth += 1
        del self._open[depth:]
        for number in chain[depth:]:
            record = self._recording.module_calls[number]
            outer = self._open[-1][1] if self._open else ()
            inner = outer
            if record.source is not None and record.source in stack:
                inner = stack[stack.index(record.source) :]
            mode = "training" if record.training else "evaluating"
            head = f'{self._indent()}call "{_one_line(record.path)}" {_one_line(record.type)}'
            yield _joined(f"{head}, {mode}", self._at(inner, outer))
            self._open.append((number, inner))

    def _indent(self) -> str:
        return "  " * (len(self._open) + 1)

    def _at(self, frames: tuple[Source, ...], outer: tuple[Source, ...]) -> str:
        """The frames inside of the call's own ones; with a star where those are not around."""
        count = len(frames) - len(outer)
        within = count >= 0 and frames[count:] == outer
        own = frames[:count] if within else frames
        star = "" if within else "* "
        told = " < ".join(map(self._places.text, own))
        return f"@ {star}{told}" if own or star else ""

    # -- ops, reads, steps ---------------------------------------------------------------------

    def _op(self, op: Op) -> str:
        values = self._values
        for number in op.inputs:
            values.name(number)
        arguments = _FLOAT.sub("float", _one_line(op.arguments))
        told = list(dict.fromkeys(int(n) for n in _REFERENCE.findall(arguments)))
        used = list(dict.fromkeys(op.inputs))
        arguments = _REFERENCE.sub(lambda found: values.reference(int(found[1])), arguments)
        label, results = values.made(op)
        decision = self._decisions.get(op.id)
        called = f"{_one_line(op.function).replace('(', '')}({arguments})"
        site = op.call_site
        library = ""
        if site is not None and op.stack[:1] != (site,):
            library = f"by {LIBRARY}" + (" __iter__" if site.function.endswith("__iter__") else "")
        return self._indent() + _joined(
            label,
            called,
            "" if told == used else f"uses {', '.join(map(values.name, op.inputs))}",
            "" if decision is None else f"is {decision.kind} {_value(decision.value)}",
            f"-> {'; '.join(results)}" if results else "",
            "in backward" if op.phase == "backward" else "",
            library,
            self._at(op.stack, self._open[-1][1] if self._open else ()),
        )

    def _read(self, read: Decision) -> str:
        of = "" if read.tensor is None else f" {self._values.name(read.tensor)}"
        frames = () if read.source is None else (read.source,)
        said = f"reads {read.kind}{of}"
        return self._indent() + _joined(said, f"is {_value(read.value)}", self._at(frames, ()))

    def _step(self, step: Step) -> str:
        frames = () if step.source is None else (step.source,)
        said = f"step {step.kind}", _one_line(step.detail) and f"of {_one_line(step.detail)}"
        ops = step.last_op - step.first_op
        return "  " + _joined(*said, f"{ops} ops", self._at(frames, ()))

    def _failure(self) -> Iterator[str]:
        failure = self._recording.failure
        if failure is not None:
            at = "" if failure.op is None else f"at op {failure.op}"
            frames = () if failure.source is None else (failure.source,)
            yield _joined(f"failed with {_one_line(failure.type)}", at, self._at(frames, ()))


class _Places:
    """The code that ran, in sections, and each frame told within its section."""

    def __init__(self, recording: Recording) -> None:
        used: dict[str, set[int]] = {}
        for source in _frames(recording):
            used.setdefault(source.file, set()).add(source.line)
        names = _unique(map(os.path.basename, used))
        self._files = dict(zip(used, names, strict=True))
        found: list[tuple[str, Section]] = []
        for file, lines in used.items():
            text = recording.sources.get(file)
            none = [Section(self._files[file], 0, ())]
            found += ((file, one) for one in (none if text is None else excerpt(text, lines)))
        self._sections = list(
            zip(_unique(_one_line(one.name) for _, one in found), found, strict=True)
        )
        self._told: dict[Source, str] = {}

    def text(self, source: Source) -> str:
        """As in "Branching.forward+2:11-19"; the columns are those of the expression."""
        known = self._told.get(source)
        if known is None:
            known = self._told[source] = self._text(source)
        return known

    def _text(self, source: Source) -> str:
        label, section = self._around(source)
        line = source.line - section.first
        end = ""
        if source.end_line is not None and source.end_column is not None:
            last = source.end_line - section.first
            end = f"-{source.end_column}" if last == line else f"-{last}:{source.end_column}"
        own = _one_line(source.function)
        function = "" if own == section.name else f"({own.replace(' ', '')})"
        return f"{label}+{line}:{source.column}{end}{function}"

    def _around(self, source: Source) -> tuple[str, Section]:
        return next(
            (label, section)
            for label, (file, section) in self._sections
            if file == source.file
            and (not section.lines or section.first <= source.line <= section.last)
        )

    def lines(self, recording: Recording) -> Iterator[str]:
        for label, (file, section) in self._sections:
            yield _joined(f"code {label}", f"{self._files[file]}, line {section.first}")
            for line in section.lines:
                yield f"    | {line}"
            for one in recording.branches:
                if one.file == file and section.first <= one.line <= section.last:
                    counts = f"{one.taken} in, {one.not_taken} past"
                    yield f"    {one.kind} +{one.line - section.first}: {counts}"


class _Values:
    """A name for each value: for the op that made it, or for what it is."""

    def __init__(self, recording: Recording) -> None:
        self._recording = recording
        self._names: dict[int, str] = {}
        self._count: Counter[str] = Counter()
        self._given: list[str] = []
        names = recording.input_names()
        for number in recording.inputs:
            self._give(number, "input", f"%{names.get(number, 'input')}")

    def name(self, number: int) -> str:
        """The name of a value; one that no op made gets it now."""
        if number not in self._names:
            tensor = self._recording.tensors[number]
            if tensor.name:
                self._give(number, "parameter", f"${tensor.name}")
            else:
                self._give(number, "constant", "%constant")
        return self._names[number]

    def reference(self, number: int) -> str:
        """The name of a value that a text refers to; text that only looks like one stays."""
        return self.name(number) if number in self._recording.tensors else f"%{number}"

    def made(self, op: Op) -> tuple[str, list[str]]:
        """(the op's label, its results), each new one with its type."""
        label = self._unique(re.sub(r"[^\w.]", "_", op.name))
        results = []
        for place, number in enumerate(op.outputs):
            if number in self._names:
                results.append(self._names[number])
                continue
            self._names[number] = f"%{label}" if len(op.outputs) == 1 else f"%{label}[{place}]"
            results.append(_type(self._recording.tensors[number]))
        return label, results

    def lines(self) -> Iterator[str]:
        yield from self._given

    def _give(self, number: int, role: str, name: str) -> None:
        if number not in self._names:
            clean = name[0] + self._unique(re.sub(r"[^\w.]", "_", name[1:]))
            self._names[number] = clean
            self._given.append(f"{role} {clean}  {_type(self._recording.tensors[number])}")

    def _unique(self, name: str) -> str:
        self._count[name] += 1
        return name if self._count[name] == 1 else f"{name}#{self._count[name]}"


def _frames(recording: Recording) -> Iterator[Source]:
    """All places that are written, in order."""
    for op in recording.ops:
        yield from op.stack
    places = [one.source for one in recording.decisions]
    places += [one.source for one in recording.steps]
    if recording.failure is not None:
        places.append(recording.failure.source)
    yield from (place for place in places if place is not None)


def _type(tensor: TensorInfo) -> str:
    grad = " grad" if tensor.requires_grad else ""
    named = f" as {_one_line(tensor.variable).replace(';', ',')}" if tensor.variable else ""
    return f"{tensor.dtype}[{', '.join(map(str, tensor.shape))}]{grad}{named}"


def _value(value: bool | int | float | str) -> str:
    if isinstance(value, float) or value == "float":  # as a golden that was read back has it
        return "float"
    return repr(_one_line(value)) if isinstance(value, str) else repr(value)


def _one_line(text: object) -> str:
    return " ".join(str(text).split())


def _joined(*fields: str) -> str:
    return SEPARATOR.join(field for field in fields if field)


def _unique(names: Iterator[str] | Sequence[str]) -> list[str]:
    count: Counter[str] = Counter()
    found = []
    for name in names:
        count[name] += 1
        found.append(name if count[name] == 1 else f"{name}#{count[name]}")
    return found
