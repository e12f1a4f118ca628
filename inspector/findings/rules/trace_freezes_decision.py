"""A trace that keeps only what the program decided for the example input."""

from __future__ import annotations

from collections.abc import Iterator

from inspector.findings.evidence import Evidence
from inspector.findings.rule import Rule
from inspector.found import Finding
from inspector.language import counted, sentence, sentences
from inspector.records import Decision, ProgramWarning, Source

NAME = "trace-freezes-decision"

_CATEGORY = "TracerWarning"
_MESSAGES = ("Converting a tensor to a", "Iterating over a tensor", "Using len to get tensor shape")


def check(evidence: Evidence) -> Iterator[Finding]:
    """Looks for the tracer's warnings, once per line."""
    told: set[tuple[str, int]] = set()
    for warning in evidence.recording.warnings:
        source = warning.source
        if warning.category != _CATEGORY or source is None:
            continue
        if warning.message.startswith(_MESSAGES) and (source.file, source.line) not in told:
            told.add((source.file, source.line))
            yield _finding(evidence, warning, source)


def _finding(evidence: Evidence, warning: ProgramWarning, source: Source) -> Finding:
    calls = [op.id for op in evidence.recording.ops[warning.before_op :] if _is_script(op.name)]
    decisions = [one for one in evidence.recording.decisions if _is_at(one, source)]
    told: list[str] = [
        sentence(
            "While tracing, the program decided by a tensor's value at line {line}. The trace "
            "keeps what was decided for the example input, for every input.",
            line=source.line,
        )
    ]
    if calls:
        told.append(
            counted(
                "TorchScript graphs were called once afterwards.",
                "TorchScript graphs were called {count} times afterwards.",
                len(calls),
            )
        )
    if decisions:
        values = ", ".join(dict.fromkeys(str(one.value) for one in decisions[:20]))
        told.append(
            sentence("Outside of the trace this run decided here: {values}.", values=values)
        )
    help_ = sentence(
        "Choose with an op (torch.where), so that the choice is part of the graph; or use "
        "torch.jit.script, which keeps if, while and for."
    )
    ops = [one.op for one in decisions if one.op is not None]
    return Finding(
        NAME, "warning", sentences(*told), op=ops[0] if ops else None, source=source,
        related=tuple(sorted({*ops[1:], *calls})), help=help_,
    )  # fmt: skip


def _is_script(name: str) -> bool:
    return name.startswith(("ScriptFunction", "ScriptModule"))


def _is_at(decision: Decision, source: Source) -> bool:
    place = decision.source
    return place is not None and (place.file, place.line) == (source.file, source.line)


RULE = Rule(
    name=NAME,
    title=sentence("A trace freezes a decision"),
    what=sentence(
        "torch.jit.trace ran code in which a tensor became a Python value: an if, a while, a "
        "for. Names the line, what other runs of it decided, and the calls of the traced graph."
    ),
    why=sentence(
        "The traced graph computes something else for other inputs. torch warns ('Converting a "
        "tensor to a Python boolean might cause the trace to be incorrect'), and goes on."
    ),
    example="def f(x):\n    if x.sum() > 0:\n        return x * 2\n    return x\n"
    "torch.jit.trace(f, example)",
    instead="def f(x):\n    return torch.where(x.sum() > 0, x * 2, x)\ntorch.jit.trace(f, example)",
    check=check,
)
