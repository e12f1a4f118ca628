"""A tensor of a module that learns, but is none of its parameters: in a list, or no Parameter."""

from __future__ import annotations

from collections.abc import Iterator

from inspector.findings.evidence import Evidence
from inspector.findings.holders import Holder, holders, makes_a_parameter
from inspector.findings.rule import Rule
from inspector.found import Finding
from inspector.language import sentence, sentences
from inspector.records import ModuleCall, Op

NAME = "unregistered-parameter"

_PUT_RIGHT = {
    "tensor": sentence("Make it an nn.Parameter and assign that to the attribute."),
    "dict": sentence("Put the parameters into an nn.ParameterDict."),
}
_IN_A_LIST = sentence("Put the parameters into an nn.ParameterList.")


def check(evidence: Evidence) -> Iterator[Finding]:
    """One finding for each attribute that holds leaves which got gradients and no path."""
    told: set[Holder] = set()
    known: dict[str, list[Holder]] = {}
    for leaf in _nameless_leaves(evidence):
        used = _use(evidence, leaf)
        if used is None:
            continue
        op, call = used
        holder = _holder(evidence, op, call, known)
        if holder is not None and holder not in told:
            told.add(holder)
            yield _finding(evidence, leaf, op, call, holder)


def _nameless_leaves(evidence: Evidence) -> list[int]:
    """Leaves without a path that got gradients, and that no optimizer moved."""
    moved = {name for step in evidence.optimizer_steps for name in step.updated}
    tensors = evidence.recording.tensors
    memory = {
        tensors[int(name[1:])].storage
        for name in moved
        if name[:1] == "%" and name[1:].isdigit() and int(name[1:]) in tensors
    }
    leaves = dict.fromkeys(
        node.tensor
        for node in evidence.recording.grad_nodes
        if node.tensor is not None and node.parameter is None
    )
    return [leaf for leaf in leaves if tensors[leaf].storage not in memory]


def _use(evidence: Evidence, leaf: int) -> tuple[Op, ModuleCall] | None:
    """The first op that a module's own code ran on the leaf, with the module's call."""
    for number in evidence.consumers.get(leaf, ()):
        op = evidence.recording.ops[number]
        call = evidence.call_of(op)
        if call is not None and op.source is not None:
            return op, call
    return None


def _holder(
    evidence: Evidence, op: Op, call: ModuleCall, known: dict[str, list[Holder]]
) -> Holder | None:
    """The attribute that hides it: the only one of the class, as the text of its file tells.

    `known` are the holders of the files that were read already.
    """
    if op.source is None:
        return None
    file = op.source.file
    if file not in known:
        text = evidence.recording.sources.get(file, "")
        known[file] = list(holders(file, text, makes_a_parameter))
    own = [one for one in known[file] if one.owner == call.type]
    return own[0] if len({one.attribute for one in own}) == 1 else None


def _finding(evidence: Evidence, leaf: int, op: Op, call: ModuleCall, holder: Holder) -> Finding:
    owner = call.path or call.type
    others = [
        name
        for step in evidence.optimizer_steps
        for name in step.updated
        if not call.path or name.startswith(f"{call.path}.")
    ]
    told = {
        "attribute": holder.attribute,
        "line": holder.source.line,
        "owner": owner,
        "kind": holder.kind,
    }
    if holder.kind == "tensor":
        message = sentence(
            "{attribute} (line {line}) is a tensor that requires grad, but no nn.Parameter: it "
            "gets gradients, and is not among {owner}'s parameters().",
            **told,
        )
    else:
        message = sentence(
            "{attribute} (line {line}) is a plain {kind}: what is in it gets gradients, but is not "
            "among {owner}'s parameters().",
            **told,
        )
    if others:
        moved = sentence(
            "The optimizer moved {count} other parameters, and never these.",
            count=len(set(others)),
        )
        message = sentences(message, moved)
    return Finding(
        NAME,
        "warning" if others else "note",
        message,
        op=op.id,
        tensor=leaf,
        source=op.source,
        help=_PUT_RIGHT.get(holder.kind, _IN_A_LIST),
    )


RULE = Rule(
    name=NAME,
    title=sentence("A parameter that its module does not know"),
    what=sentence(
        "Leaves that a module computes with and that get gradients, but have no path: they sit in "
        "a plain list, or were made with requires_grad=True and never became an nn.Parameter. A "
        "warning if an optimizer moved other parameters of the module and never these, else a note."
    ),
    why=sentence(
        "PyTorch says nothing. parameters(), state_dict() and to(device) pass over them: they stay "
        "as they were drawn."
    ),
    example="self.scales = [nn.Parameter(torch.ones(3)) for _ in range(2)]",
    instead="self.scales = nn.ParameterList(nn.Parameter(torch.ones(3)) for _ in range(2))",
    check=check,
)
