"""Operands that differ in device or dtype, or do not suit their op: which is the odd one, and
where it got that.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Literal

from inspector.findings.evidence import Evidence
from inspector.findings.failing import error_at, origin, torch_says
from inspector.found import Finding
from inspector.language import listed, sentence, sentences
from inspector.records import Op


@dataclass(frozen=True, slots=True)
class Operands:
    """The inputs of a failed op, looked at for one property.

    Args:
        evidence: of the recording.
        op: the failed op.
        what: the property.
    """

    evidence: Evidence
    op: Op
    what: Literal["device", "dtype"]

    def mismatch(self, rule: str, help_: str) -> Iterator[Finding]:
        """The finding that the inputs differ, if they do. Its cause is the op in which the odd
        one got its device or dtype.
        """
        if len({self._of(number) for number in self.op.inputs}) > 1:
            op, told = self.evidence.words(self.op), self._told()
            if self.what == "device":
                message = sentence(
                    "{op} was given tensors of more than one device: {told}.", op=op, told=told
                )
            else:
                message = sentence(
                    "{op} was given tensors of more than one dtype: {told}.", op=op, told=told
                )
            yield self._finding(rule, self._odd(), message, help_)

    def unfit(self, rule: str, help_: str) -> Iterator[Finding]:
        """The finding that the inputs agree, but not with what the op asks for. The odd one is
        the last that is no parameter: the targets of a loss, the indices of a table.
        """
        if len({self._of(number) for number in self.op.inputs}) == 1:
            tensors = self.evidence.recording.tensors
            given = [number for number in self.op.inputs if tensors[number].name is None]
            op = self.evidence.words(self.op)
            if self.what == "device":
                asks = sentence("{op} asks for another device.", op=op)
            else:
                asks = sentence("{op} asks for another dtype.", op=op)
            it_was = sentence("It was given: {told}.", told=self._told())
            message = sentences(asks, torch_says(self.evidence), it_was)
            yield self._finding(rule, (given or self.op.inputs)[-1], message, help_)

    def _finding(self, rule: str, odd: int, message: str, help_: str) -> Finding:
        makers = [self._origin(number) for number in self.op.inputs]
        cause = self._origin(odd) or self.op
        related = [self.op.id, *(maker.id for maker in makers if maker is not None)]
        return error_at(rule, cause, message, help_, tensor=odd, related=related)

    def _told(self) -> str:
        """Each input with its device or dtype, and since which op it has that."""
        told = []
        for number in dict.fromkeys(self.op.inputs):
            maker = self._origin(number)
            if maker is not None:
                place = sentence("since {op}", op=self.evidence.words(maker))
            elif self.evidence.recording.tensors[number].name is not None:
                place = sentence("a parameter")
            else:
                place = sentence("came so from outside")
            told.append(self._has(self.evidence.tensor_words(number), self._of(number), place))
        return listed(told)

    def _has(self, name: str, value: str, place: str) -> str:
        if self.what == "device":
            return sentence(
                "{tensor} has device {device} ({place})", tensor=name, device=value, place=place
            )
        return sentence(
            "{tensor} has dtype {dtype} ({place})", tensor=name, dtype=value, place=place
        )

    def _of(self, number: int) -> str:
        info = self.evidence.recording.tensors[number]
        return info.device if self.what == "device" else info.dtype

    def _origin(self, number: int) -> Op | None:
        if self.evidence.recording.tensors[number].name is not None:
            return None  # how a parameter was initialised is nothing to know here
        value = self._of(number)
        return origin(self.evidence, number, lambda other: self._of(other) == value)

    def _odd(self) -> int:
        """The operand that is not as the model's parameters are, else the first that differs."""
        recording = self.evidence.recording
        usual = Counter(
            self._of(info.tensor)
            for info in recording.parameters
            if info.kind == "parameter" and info.tensor is not None
        ).most_common(1)
        expected = usual[0][0] if usual else self._of(self.op.inputs[0])
        others = [number for number in self.op.inputs if self._of(number) != expected]
        given = [number for number in others if recording.tensors[number].name is None]
        return (given or others or list(self.op.inputs))[0]
