"""What a rule is: a check over a recording, with its own page of documentation."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable
from dataclasses import dataclass

from inspector.findings.evidence import Evidence
from inspector.found import Finding

Check = Callable[[Evidence], Iterable[Finding]]

_NAME = re.compile(r"[a-z][a-z0-9]*(-[a-z0-9]+)*")


@dataclass(frozen=True, slots=True)
class Rule:
    """A rule, documented as linters document theirs.

    Args:
        name: in kebab-case ("saved-tensor-overwritten"); selects and silences the rule.
        title: what it finds, in a few words.
        what: what it looks at and when it speaks up.
        why: why that is bad, with torch's own message where there is one.
        example: a few lines of code that it finds.
        instead: the same lines put right, or what to do.
        check: gives the findings of one recording. It may not change the evidence, and should
            ask it for what it needs by name: a loop of its own over all ops is slow.

    Raises:
        ValueError: the name is not in kebab-case.
    """

    name: str
    title: str
    what: str
    why: str
    example: str
    instead: str
    check: Check

    def __post_init__(self) -> None:
        if not _NAME.fullmatch(self.name):
            raise ValueError(f"A rule's name is in kebab-case, as in unused-op: {self.name!r}")
