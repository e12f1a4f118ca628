"""A golden text back to a recording that holds the structure alone: enough to compare with."""

from __future__ import annotations

import ast
import re
from collections.abc import Iterator
from dataclasses import replace

from inspector.check import self_check
from inspector.errors import FileFormatError, FutureVersionError
from inspector.golden.places import Places, Stack, matched
from inspector.golden.write import LIBRARY, SEPARATOR, VERSION
from inspector.language import sentence
from inspector.records import (
    Decision,
    Failure,
    ModuleCall,
    Op,
    Recording,
    Source,
    Step,
    TensorInfo,
)

_HEAD = re.compile(r"graph of (.*), format (\d+)")
_TYPE = re.compile(r"(\w+)\[([\d, ]*)\]( grad)?(?: as (.*))?")
_CALL = re.compile(r'call "(.*)" (.*), (training|evaluating)')
_VALUE = re.compile(r"[%$][\w.#]+(?:\[\d+\])?")
_OF_AN_OP = {"uses", "is", "->", "in", "by", "@"}
"""Words that the fields of an op begin with."""

_LIBRARY_SITE = Source(LIBRARY, 0, 0, "")
_ITERATING_SITE = Source(LIBRARY, 0, 0, "__iter__")


def read_golden(text: str, name: str) -> Recording:
    """The recording that a golden text tells of: ops, calls, decisions, places and code.

    Args:
        text: as `golden_text` writes it.
        name: of the file, for the messages.

    Raises:
        FileFormatError: the text is no golden, or was edited so that it cannot be read.
        FutureVersionError: it was written by a newer version.
    """
    reader = _Reader()
    try:
        for line in text.split("\n"):
            reader.take(line)
        return reader.recording()
    except FutureVersionError as error:
        raise FutureVersionError(
            sentence("{name}: {error}", name=name, error=error.message)
        ) from None
    except (ValueError, KeyError, IndexError, SyntaxError, TypeError, AttributeError) as error:
        raise FileFormatError(
            sentence(
                "{name} cannot be read as a golden graph, at line {line}: it is of "
                "another kind, or was edited by hand or by a merge. Delete it and make "
                "it anew with `pytest --inspector-update`. [{type}: {error}]",
                name=name,
                line=reader.line,
                type=type(error).__name__,
                error=str(error),
            )
        ) from error


class _Reader:
    """Takes one line after the other; `line` is the number of the last one, from 1."""

    def __init__(self) -> None:
        self.line = 0
        self._model: str | None = None
        self._places = Places()
        self._in_code = False
        self._tensors: list[TensorInfo] = []
        self._by_name: dict[str, int] = {}
        self._inputs: list[int] = []
        self._input_names: list[tuple[int, str]] = []
        self._output: tuple[int, ...] = ()
        self._ops: list[Op] = []
        self._calls: list[ModuleCall] = []
        self._decisions: list[Decision] = []
        self._steps: list[Step] = []
        self._failure: Failure | None = None
        self._open: list[tuple[int, int, Stack]] = []  # indent, call, frames

    def take(self, line: str) -> None:
        """Read the next line."""
        self.line += 1
        line = line.rstrip("\r")
        if not line.strip():
            return
        indent = len(line) - len(line.lstrip(" "))
        word = line.split(maxsplit=1)[0]
        if self._model is None:
            self._head(line)
        elif indent == 4 and self._in_code:
            self._places.take(line[indent:])
        elif not indent:
            self._in_code = word == "code"
            self._top(word, line)
        else:
            self._in_run(indent, word, line.strip())

    def recording(self) -> Recording:
        """What was read.

        Raises:
            ValueError: it does not hold together.
        """
        if self._model is None:
            raise ValueError("it is empty")
        calls: dict[int, list[int]] = {}
        for op in self._ops:
            if op.module_call is not None:
                calls.setdefault(op.module_call, []).append(op.id)
        found = Recording(
            ops=tuple(self._ops),
            tensors=dict(enumerate(self._tensors)),
            module_calls=tuple(
                replace(call, ops=tuple(calls.get(call.id, ()))) for call in self._calls
            ),
            decisions=tuple(self._decisions),
            steps=tuple(self._steps),
            branches=tuple(self._places.branches),
            sources=self._places.sources(),
            failure=self._failure,
            meta={"model": self._model, "input_names": self._input_names},
            inputs=tuple(self._inputs),
            output=self._output,
        )
        self_check(found)
        return found

    # -- what stands before and after the run --------------------------------------------------

    def _head(self, line: str) -> None:
        found = matched(_HEAD, line)
        if int(found[2]) > VERSION:
            raise FutureVersionError(
                sentence(
                    "it is of format {found}; this version reads formats up to {version}. "
                    "Update torch-graph-inspector.",
                    found=found[2],
                    version=VERSION,
                )
            )
        self._model = found[1]

    def _top(self, word: str, line: str) -> None:
        fields = line.split(SEPARATOR)
        if word == "code":
            file, _, first = fields[1].rpartition(", line ")
            self._places.open(fields[0].removeprefix("code "), file, int(first))
        elif word in ("input", "parameter", "constant"):
            name = fields[0].split(" ", 1)[1]
            number = self._tensor(name, fields[1], None)
            if word == "parameter":
                path = name[1:].partition("#")[0]
                self._tensors[number] = replace(self._tensors[number], name=path)
            elif word == "input":
                self._inputs.append(number)
                self._input_names.append((number, name[1:]))
        elif word == "returns":
            names = line.removeprefix("returns ").split(", ")
            self._output = tuple(self._by_name[name] for name in names)
        elif word == "failed":
            self._failed(fields)
        elif line != "run":
            raise ValueError(f"nothing begins with {word!r}")

    def _failed(self, fields: list[str]) -> None:
        op: int | None = None
        source: Source | None = None
        for field in fields[1:]:
            if field.startswith("at op "):
                op = int(field.removeprefix("at op "))
            else:
                source = self._places.source(field)
        kind = fields[0].removeprefix("failed with ")
        inputs = () if op is None else self._ops[op].inputs
        self._failure = Failure(kind, "", op, source, inputs)

    # -- the run -------------------------------------------------------------------------------

    def _in_run(self, indent: int, word: str, line: str) -> None:
        if word == "step":
            self._step(line.split(SEPARATOR))
            return
        while self._open and self._open[-1][0] >= indent:
            self._open.pop()
        fields = line.split(SEPARATOR)
        if word == "call":
            self._call(indent, fields)
        elif word == "reads":
            self._read(fields)
        else:
            self._op(fields)

    def _call(self, indent: int, fields: list[str]) -> None:
        path, kind, mode = matched(_CALL, fields[0]).groups()
        parent, outer = self._around()
        stack = self._places.stack(fields[1], outer) if len(fields) > 1 else outer
        number = len(self._calls)
        source = stack[0] if stack else None
        call = ModuleCall(number, path, kind, parent, mode == "training", (), source)
        self._calls.append(call)
        self._open.append((indent, number, stack))

    def _op(self, fields: list[str]) -> None:
        label, called = fields[:2]
        told = {word: rest for word, _, rest in (field.partition(" ") for field in fields[2:])}
        if not told.keys() <= _OF_AN_OP:
            raise ValueError(f"an op has no {', '.join(told.keys() - _OF_AN_OP)}")
        number, (call, outer) = len(self._ops), self._around()
        function, _, arguments = called.partition("(")
        inputs = self._values(told.get("uses", arguments))
        stack = self._places.stack(told["@"], outer) if "@" in told else outer
        source = site = stack[0] if stack else None
        if "by" in told:
            site = _ITERATING_SITE if told["by"].endswith("__iter__") else _LIBRARY_SITE
        if "is" in told:
            kind, value = told["is"].split(" ", 1)
            self._decide(kind, value, number, inputs[0] if inputs else None, source)
        results = told["->"].split("; ") if "->" in told else []
        self._ops.append(
            Op(
                id=number,
                name=label.partition("#")[0],
                function=function,
                inputs=inputs,
                outputs=tuple(self._results(label, results, number)),
                module_call=call,
                source=source,
                stack=stack,
                arguments=self._numbered(arguments.removesuffix(")")),
                call_site=site,
                phase=told.get("in", "forward"),
            )
        )

    def _around(self) -> tuple[int | None, Stack]:
        """The call that is open, and its frames."""
        return self._open[-1][1:] if self._open else (None, ())

    def _results(self, label: str, results: list[str], op: int) -> Iterator[int]:
        for place, result in enumerate(results):
            if result[:1] in "%$":
                yield self._by_name[result]
            else:
                name = f"%{label}" if len(results) == 1 else f"%{label}[{place}]"
                yield self._tensor(name, result, op)

    def _read(self, fields: list[str]) -> None:
        words = fields[0].split(" ")
        tensor = self._by_name[words[2]] if len(words) > 2 else None
        source = self._places.source(fields[2]) if len(fields) > 2 else None
        self._decide(words[1], fields[1].removeprefix("is "), None, tensor, source)

    def _decide(
        self, kind: str, value: str, op: int | None, tensor: int | None, source: Source | None
    ) -> None:
        found = Decision(
            id=len(self._decisions),
            op=op,
            tensor=tensor,
            value=value if value == "float" else ast.literal_eval(value),
            kind=kind,
            source=source,
            before_op=len(self._ops) if op is None else None,
            module_call=self._around()[0] if op is None else None,
        )
        self._decisions.append(found)

    def _step(self, fields: list[str]) -> None:
        detail, count, source = "", 0, None
        for field in fields[1:]:
            if field.startswith("of "):
                detail = field.removeprefix("of ")
            elif field.endswith(" ops"):
                count = int(field.removesuffix(" ops"))
            else:
                source = self._places.source(field)
        first, kind = len(self._ops), fields[0].removeprefix("step ")
        step = Step(len(self._steps), kind, first, first + count, source, detail=detail)
        self._steps.append(step)

    # -- values and places ---------------------------------------------------------------------

    def _tensor(self, name: str, told: str, producer: int | None) -> int:
        dtype, shape, grad, variable = matched(_TYPE, told).groups()
        sizes = tuple(int(size) for size in shape.split(", ")) if shape else ()
        number = self._by_name[name] = len(self._tensors)
        self._tensors.append(
            TensorInfo(
                number, sizes, dtype, "", bool(grad), producer is None,
                producer=producer, variable=variable,
            )
        )  # fmt: skip
        return number

    def _values(self, text: str) -> tuple[int, ...]:
        found = (self._by_name.get(name) for name in _VALUE.findall(text))
        return tuple(number for number in found if number is not None)

    def _numbered(self, arguments: str) -> str:
        """The arguments as a recording has them: tensors by number."""
        return _VALUE.sub(
            lambda found: f"%{self._by_name[found[0]]}" if found[0] in self._by_name else found[0],
            arguments,
        )
