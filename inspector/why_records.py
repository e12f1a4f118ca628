"""The answer to a question that begins with why: its sentences, and the way to the cause."""

from __future__ import annotations

from dataclasses import dataclass

from inspector.language import sentences as in_a_row
from inspector.records import Source


@dataclass(frozen=True, slots=True)
class WhyStep:
    """One station on the way from the cause to what was asked about.

    `op` and `grad_node` are ids in the recording (None where there is none), `phrase` says what
    happened there: "log gives 2 infinite values".
    """

    op: int | None
    phrase: str
    grad_node: int | None = None


@dataclass(frozen=True, slots=True)
class Why:
    """An answer.

    Args:
        sentences: the answer in plain words, the most important first.
        steps: the way from the cause to what was asked about, in the order of the run.
        cause: id of the op at which it began; None where no op did it.
        source: the user's line of the cause.
        grad_node: the autograd node at which it began, where it began in a backward pass.
        help: what to do about it.
    """

    sentences: tuple[str, ...]
    steps: tuple[WhyStep, ...] = ()
    cause: int | None = None
    source: Source | None = None
    grad_node: int | None = None
    help: str = ""

    def __str__(self) -> str:
        return in_a_row(*self.sentences)
