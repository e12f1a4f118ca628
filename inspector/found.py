"""What a rule says about a recording."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

from inspector.records import Source

Severity = Literal["error", "warning", "note"]

SEVERITIES: tuple[Severity, ...] = ("error", "warning", "note")
"""The worst first."""


@dataclass(frozen=True, slots=True)
class Finding:
    """One thing that is wrong, or worth a look, in a recording.

    `rule` names the rule ("saved-tensor-overwritten"). An "error" ended the run, a "warning" is
    confirmed by what the run or its backward pass computed, a "note" may be meant so. `message`
    says what, where and with which values, `help` what to do about it.

    `op` is the cause (an op id), `source` its line in the user's code; `related` are other ops
    that belong to it, in the order of the run. `tensor` (an id), `parameter` (a path) and
    `grad_node` (an id) are there where it is about one.
    """

    rule: str
    severity: Severity
    message: str
    op: int | None = None
    tensor: int | None = None
    parameter: str | None = None
    source: Source | None = None
    related: tuple[int, ...] = ()
    help: str = ""
    grad_node: int | None = None
