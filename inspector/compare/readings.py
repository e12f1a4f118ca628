"""What a decision read, in words: the expression as it is written, and the numbers behind it."""

from __future__ import annotations

import re
from functools import cached_property

from inspector.language import sentence
from inspector.records import Decision, Recording, Source, TensorInfo
from inspector.text import split_lines

LONGEST = 60
"""Characters of an expression; what is longer, or goes over several lines, is named."""

_LENGTHS = ("iter", "len")
_TEST = re.compile(r"(?:if|elif|while)\s+(.*?)\s*:\s*(?:#.*)?$")
_COMPARING = frozenset({"gt", "lt", "ge", "le", "eq", "ne", "greater", "less"})


class Readings:
    """The decisions of one run in words.

    Args:
        recording: the run.
    """

    def __init__(self, recording: Recording) -> None:
        self._recording = recording
        self._lines: dict[str, list[str]] = {}

    def what(self, decision: Decision, begins: bool = False) -> str:
        """What was read: "`int(token)`", or "the length of tokens" where there is no such text;
        with a capital letter where a sentence `begins` with it.
        """
        if decision.kind != "iter" and (text := self.text(decision.source)):
            is_one_size = decision.kind in ("shape", "size") and isinstance(decision.value, int)
            if not is_one_size:
                return f"`{text}`"
            if begins:
                return sentence("A size in `{text}`", text=text)
            return sentence("a size in `{text}`", text=text)
        is_length = decision.kind in _LENGTHS
        if decision.tensor is None:
            return _kind(decision.kind, is_length, begins)
        name = self._name(self._recording.tensors[decision.tensor])
        return _kind_of(decision.kind, is_length, begins, name)

    def value(self, decision: Decision) -> str:
        """What came out, with the number that was compared: "True (0.517)"."""
        number = self._compared(decision)
        return str(decision.value) if number is None else f"{decision.value} ({number:.3g})"

    def text(self, source: Source | None) -> str:
        """The expression at a place as it is written, of an `if` its test; "" for a long one."""
        if source is None or source.end_column is None:
            return ""
        line = self._line(source).encode()  # columns count bytes of UTF-8, as those of `ast` do
        if source.end_line == source.line:
            text = line[source.column : source.end_column].decode(errors="replace").strip()
        else:
            test = _TEST.match(line[source.column :].decode(errors="replace"))
            text = "" if test is None else test[1]
        return text if 0 < len(text) <= LONGEST and "`" not in text else ""

    def _line(self, source: Source) -> str:
        lines = self._lines.get(source.file)
        if lines is None:
            text = self._recording.sources.get(source.file, "")
            lines = self._lines[source.file] = split_lines(text)
        return lines[source.line - 1] if 0 < source.line <= len(lines) else ""

    def _name(self, tensor: TensorInfo) -> str:
        named = self._inputs.get(tensor.id) or tensor.variable or tensor.name
        if named:
            return named
        if tensor.producer is not None:
            return f"`{self._recording.ops[tensor.producer].name}`"
        return sentence("an input")

    @cached_property
    def _inputs(self) -> dict[int, str]:
        return self._recording.input_names()

    def _compared(self, decision: Decision) -> float | None:
        """The one number that a bool comes from, where an op compared it."""
        tensors = self._recording.tensors
        tensor = None if decision.tensor is None else tensors[decision.tensor]
        if decision.kind != "bool" or tensor is None or tensor.producer is None:
            return None
        op = self._recording.ops[tensor.producer]
        summary = tensors[op.inputs[0]].summary if op.inputs else None
        if op.name not in _COMPARING or summary is None or summary.numel != 1:
            return None
        return summary.sample[0] if summary.sample else summary.mean


def _kind(kind: str, is_length: bool, begins: bool) -> str:
    """A reading that is of no tensor that is known."""
    if is_length:
        return sentence("The length") if begins else sentence("the length")
    return sentence("The {kind}", kind=kind) if begins else sentence("the {kind}", kind=kind)


def _kind_of(kind: str, is_length: bool, begins: bool, name: str) -> str:
    if is_length and begins:
        return sentence("The length of {name}", name=name)
    if is_length:
        return sentence("the length of {name}", name=name)
    if begins:
        return sentence("The {kind} of {name}", kind=kind, name=name)
    return sentence("the {kind} of {name}", kind=kind, name=name)
