"""What a decision read, in words: the expression as it is written, and the numbers behind it."""

from __future__ import annotations

import re
from functools import cached_property

from inspector.records import Decision, Recording, Source, TensorInfo
from inspector.text import split_lines

LONGEST = 60
"""Characters of an expression; what is longer, or goes over several lines, is named."""

_NUMBERS = {"iter": "length", "len": "length"}
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

    def what(self, decision: Decision) -> str:
        """What was read: "`int(token)`", or "the length of tokens" where there is no such text."""
        if decision.kind != "iter" and (text := self.text(decision.source)):
            is_one_size = decision.kind in ("shape", "size") and isinstance(decision.value, int)
            return f"a size in `{text}`" if is_one_size else f"`{text}`"
        kind = f"the {_NUMBERS.get(decision.kind, decision.kind)}"
        if decision.tensor is None:
            return kind
        return f"{kind} of {self._name(self._recording.tensors[decision.tensor])}"

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
        return "an input"

    @cached_property
    def _inputs(self) -> dict[int, str]:
        return {
            int(number): str(name) for number, name in self._recording.meta.get("input_names", ())
        }

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
