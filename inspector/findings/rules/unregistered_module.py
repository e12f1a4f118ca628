"""A module that runs inside of another which does not know it: it sits in a plain list or dict."""

from __future__ import annotations

import ast
from collections.abc import Iterator

from inspector.findings.evidence import Evidence, some_of
from inspector.findings.failing import failed_with
from inspector.findings.holders import Holder, holders, makes_a_module, makes_a_parameter
from inspector.findings.rule import Rule
from inspector.found import Finding
from inspector.language import sentence, sentences
from inspector.parsing import parse
from inspector.records import ModuleCall, Op, Recording

_EMPTY = "optimizer got an empty parameter list"


def check(evidence: Evidence) -> Iterator[Finding]:
    """One finding for each line that calls such modules, if they have parameters that learn, and
    one for an optimizer that found none because of them.
    """
    if failed_with(evidence, _EMPTY) is not None:
        yield from _empty(evidence)
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
    others = [name for name in moved if not parent.path or name.startswith(f"{parent.path}.")]
    confirmed = bool(others) and not _is_argument(evidence.recording, first)
    message = sentence(
        "{module} runs inside of {owner}, which does not know it: {names} get gradients, but are "
        "not among {owner}'s parameters().",
        module=first.type,
        owner=owner,
        names=some_of(left),
    )
    if confirmed:
        moved_others = sentence(
            "The optimizer moved {count} other parameters, and never these.", count=len(others)
        )
        message = sentences(message, moved_others)
    yield Finding(
        "unregistered-module",
        "warning" if confirmed else "note",
        message,
        op=_first_op(evidence, first),
        parameter=left[0],
        source=first.source,
        help=sentence(
            "Put the modules into an nn.ModuleList or nn.ModuleDict, or assign each to an "
            "attribute."
        ),
    )


def _is_argument(recording: Recording, call: ModuleCall) -> bool:
    """Whether the module that is called was handed in, by the name of an argument."""
    place = call.source
    tree = None if place is None else parse(recording.sources.get(place.file, ""))
    if tree is None or place is None:
        return False
    around = [
        node
        for node in ast.walk(tree)
        if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef)
        and node.lineno <= place.line <= (node.end_lineno or 0)
    ]
    if not around:
        return False
    inner = max(around, key=lambda node: node.lineno).args
    names = {one.arg for one in (*inner.posonlyargs, *inner.args, *inner.kwonlyargs)}
    return any(
        isinstance(node, ast.Call)
        and (node.lineno, node.col_offset) == (place.line, place.column)
        and isinstance(node.func, ast.Name)
        and node.func.id in names
        for node in ast.walk(tree)
    )


def _empty(evidence: Evidence) -> Iterator[Finding]:
    """Where the program put modules, or parameters, into a plain container, if it did."""
    for file, text in evidence.recording.sources.items():
        for makes in (makes_a_module, makes_a_parameter):
            for holder in holders(file, text, makes):
                made = _made_in(evidence, holder)
                if made is not None:
                    yield _nothing_to_move(holder, made)
                    return


def _made_in(evidence: Evidence, holder: Holder) -> Op | None:
    """The first op that ran below the line of a holder: it filled in a weight."""
    lines = range(holder.source.line, (holder.source.end_line or holder.source.line) + 1)
    return next(
        (
            op
            for op in evidence.recording.ops
            if any(one.file == holder.source.file and one.line in lines for one in op.stack)
        ),
        None,
    )


def _nothing_to_move(holder: Holder, made: Op) -> Finding:
    told = {"attribute": holder.attribute, "owner": holder.owner, "kind": holder.kind}
    if holder.kind == "tensor":
        message = sentence(
            "The optimizer was given no parameters: {attribute} of {owner} is a tensor that "
            "requires grad, but no nn.Parameter, and parameters() does not see it.",
            **told,
        )
    else:
        message = sentence(
            "The optimizer was given no parameters: {attribute} of {owner} is a plain {kind}, and "
            "parameters() does not see what is in it.",
            **told,
        )
    return Finding(
        "unregistered-module",
        "error",
        message,
        op=made.id,
        source=holder.source,
        help=sentence(
            "Use nn.ModuleList, nn.ModuleDict, nn.ParameterList or nn.Parameter: what they hold is "
            "registered."
        ),
    )


def _first_op(evidence: Evidence, call: ModuleCall) -> int | None:
    """The first op of a call, or of those inside of it."""
    if call.ops:
        return call.ops[0]
    inner = (c for c in evidence.recording.module_calls[call.id + 1 :] if c.parent == call.id)
    return next((op for c in inner if (op := _first_op(evidence, c)) is not None), None)


RULE = Rule(
    name="unregistered-module",
    title=sentence("A module in a plain list"),
    what=sentence(
        "Calls of modules with parameters inside of a module that has them neither as an "
        "attribute nor in a ModuleList, and whose parameters get gradients. A warning if an "
        "optimizer moved other parameters of that module and never these, else a note, and so for "
        "a network that is handed in as an argument: it may be fixed on purpose. An error at the "
        "line of the list if the optimizer found no parameters at all."
    ),
    why=sentence(
        "PyTorch says nothing, or `optimizer got an empty parameter list`. parameters(), "
        "state_dict(), to(device), train() and eval() pass over them: they stay as they were drawn."
    ),
    example="self.layers = [nn.Linear(8, 8) for _ in range(3)]",
    instead="self.layers = nn.ModuleList(nn.Linear(8, 8) for _ in range(3))",
    check=check,
)
