"""What a bug of the gallery is: a program that has it, and one that has not."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any


@dataclass(frozen=True, slots=True, eq=False)
class Bug:
    """One bug that people bring, as a pair of small programs.

    `number` is its place in the gallery and `name` its file's ("inplace_after_relu"). `buggy`
    and `fixed` take no arguments and run the whole thing; either may raise. The line of the
    cause in `buggy` ends with the comment `# cause`. `rules` names the rule that finds it (more
    than one where several do). `teaches` is what to take home, in a sentence or two. `options`
    are what `inspector.CaptureOptions` has to be given to see it, where the defaults do not do.
    """

    number: int
    name: str
    title: str
    buggy: Callable[[], Any]
    fixed: Callable[[], Any]
    rules: tuple[str, ...]
    teaches: str
    options: Mapping[str, Any] = field(default_factory=dict)
