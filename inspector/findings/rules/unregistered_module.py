"""A module that runs inside of another which does not know it: it sits in a plain list or dict."""

from __future__ import annotations

from collections.abc import Iterator

from inspector.findings.evidence import Evidence
from inspector.findings.rule import Rule
from inspector.found import Finding
from inspector.records import ModuleCall


def check(evidence: Evidence) -> Iterator[Finding]:
    """One finding for each line that calls such modules, if they have parameters that learn."""
    lines: dict[object, list[ModuleCall]] = {}
    for call in evidence.recording.module_calls:
        if _is_stranger(evidence, call):
            place = None if call.source is None else (call.source.file, call.source.line)
            lines.setdefault(place, []).append(call)
    reached = {n.parameter for n in evidence.recording.grad_nodes if n.parameter is not None}
    for calls in lines.values() if lines and reached else ():
        learning = sorted(name for name in reached if any(_is_of(name, c) for c in calls))
        if learning:
            yield from _findings(evidence, calls, learning)


def _is_stranger(evidence: Evidence, call: ModuleCall) -> bool:
    """Whether the call is named after its class alone, though it ran inside of another module."""
    if call.parent is None or not call.path.startswith(call.type) or "." in call.path:
        return False
    rest = call.path[len(call.type) :]
    return not rest or (rest[0] == "_" and rest[1:].isdigit())


def _is_of(parameter: str, call: ModuleCall) -> bool:
    return parameter.startswith(f"{call.path}.")


def _findings(
    evidence: Evidence, calls: list[ModuleCall], learning: list[str]
) -> Iterator[Finding]:
    moved = {name for step in evidence.optimizer_steps for name in step.updated}
    left = [name for name in learning if name not in moved]
    if evidence.optimizer_steps and not left:
        return  # the optimizer was given them by hand
    first = calls[0]
    parent = evidence.recording.module_calls[first.parent or 0]
    owner = parent.path or parent.type
    names = ", ".join(left[:4]) + (f" and {len(left) - 4} more" if len(left) > 4 else "")
    confirmed = bool(moved)
    message = (
        f"{first.type} runs inside of {owner}, which does not know it: {names} get gradients, but "
        f"are not among {owner}'s parameters()."
    )
    if confirmed:
        message += f" The optimizer moved {len(moved)} other parameters, and never these."
    yield Finding(
        "unregistered-module",
        "warning" if confirmed else "note",
        message,
        op=_first_op(evidence, first),
        parameter=left[0],
        source=first.source,
        help="Put the modules into an nn.ModuleList or nn.ModuleDict, or assign each to an "
        "attribute.",
    )


def _first_op(evidence: Evidence, call: ModuleCall) -> int | None:
    """The first op of a call, or of those inside of it."""
    if call.ops:
        return call.ops[0]
    inner = (c for c in evidence.recording.module_calls[call.id + 1 :] if c.parent == call.id)
    return next((op for c in inner if (op := _first_op(evidence, c)) is not None), None)


RULE = Rule(
    name="unregistered-module",
    title="A module in a plain list",
    what="Calls of modules with parameters inside of a module that has them neither as an "
    "attribute nor in a ModuleList, and whose parameters get gradients. A warning if an optimizer "
    "stepped and never moved them, else a note.",
    why="PyTorch says nothing, or `optimizer got an empty parameter list`. parameters(), "
    "state_dict(), to(device), train() and eval() pass over them: they stay as they were drawn.",
    example="self.layers = [nn.Linear(8, 8) for _ in range(3)]",
    instead="self.layers = nn.ModuleList(nn.Linear(8, 8) for _ in range(3))",
    check=check,
)
