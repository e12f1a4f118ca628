"""A gradient of before an optimizer step that is still in at the next one: zero_grad is missing."""

from __future__ import annotations

from collections.abc import Hashable, Iterable, Iterator
from dataclasses import dataclass, field

from inspector.findings.evidence import Evidence
from inspector.findings.rule import Rule
from inspector.found import Finding
from inspector.language import counted, sentence, sentences
from inspector.records import GradNode, Step, TensorInfo

_ZEROING = ("zero_", "_foreach_zero_", "fill_", "copy_", "mul_")
"""Ops that may empty a gradient in place: after one of them nothing is said."""

_ZEROS = ("zeros_like", "zeros", "new_zeros")


@dataclass(slots=True)
class _Watch:
    """What is known of gradients while going through the steps in order."""

    used: set[Hashable] = field(default_factory=set)  # an optimizer step has had them already
    stale: dict[Hashable, GradNode] = field(default_factory=dict)  # ... and they were added to

    def clear(self) -> None:
        self.used.clear()
        self.stale.clear()


def check(evidence: Evidence) -> Iterator[Finding]:
    """One finding for each line that adds onto gradients which a step has used already."""
    if len(evidence.optimizer_steps) < 2:
        return
    watch = _Watch()
    zeroing = iter(_outside_of_steps(evidence))
    zeroed = next(zeroing, None)
    found: dict[Hashable, list[tuple[GradNode, Step]]] = {}
    for step in evidence.recording.steps:
        while zeroed is not None and zeroed < step.first_op:
            watch.clear()
            zeroed = next(zeroing, None)
        if step.kind == "backward" and step.pass_index is not None:
            _backward(evidence, evidence.passes.get(step.pass_index, ()), watch)
        elif step.kind == "optimizer_step":
            for name in [_updated_key(evidence, name) for name in step.updated]:
                if (node := watch.stale.get(name)) is not None:
                    found.setdefault(_line(evidence, node), []).append((node, step))
                watch.used.add(name)
    for nodes in found.values():
        yield _finding(evidence, nodes)


def _outside_of_steps(evidence: Evidence) -> list[int]:
    """Ops that may have emptied gradients, in place or by zeros put there (`p.grad = zeros`)."""
    ops = [op.id for op in evidence.named(*_ZEROING)]
    ops += _zeros_for_optimizers(evidence)
    return sorted(op for op in ops if evidence.step_around(op) is None)


def _zeros_for_optimizers(evidence: Evidence) -> list[int]:
    """Ops that made zeros in memory which an optimizer read as a gradient later on."""
    tensors = evidence.recording.tensors
    found: set[int | None] = set()
    own = {tensors[number].storage for number in evidence.parameter_of}
    for step in evidence.optimizer_steps:
        for op in evidence.recording.ops[step.first_op : step.last_op]:
            found.update(tensors[number].storage for number in op.inputs)
    return [
        info.producer
        for storage in found - own
        if storage is not None
        for info in map(tensors.__getitem__, evidence.by_storage[storage])
        if info.producer is not None and _is_zeros(evidence, info)
    ]


def _is_zeros(evidence: Evidence, info: TensorInfo) -> bool:
    if info.summary is not None:
        return info.summary.zero_fraction == 1.0
    return info.producer is not None and evidence.recording.ops[info.producer].name in _ZEROS


def _backward(evidence: Evidence, nodes: Iterable[GradNode], watch: _Watch) -> None:
    for node in nodes:
        if node.tensor is None:
            continue
        key = _key(evidence, node)
        if not node.accumulated:
            watch.used.discard(key)
            watch.stale.pop(key, None)
        elif key in watch.used:
            watch.stale.setdefault(key, node)


def _key(evidence: Evidence, node: GradNode) -> Hashable:
    return node.parameter or _storage(evidence, node.tensor)


def _updated_key(evidence: Evidence, name: str) -> Hashable:
    """What an optimizer updated: a path, or "%7" where the tensor has none."""
    number = name[1:]
    return _storage(evidence, int(number)) if name[:1] == "%" and number.isdigit() else name


def _storage(evidence: Evidence, tensor: int | None) -> Hashable:
    info = None if tensor is None else evidence.recording.tensors.get(tensor)
    return None if info is None else info.storage


def _backward_step(evidence: Evidence, node: GradNode) -> Step | None:
    return next((s for s in evidence.backwards if s.pass_index == node.pass_index), None)


def _line(evidence: Evidence, node: GradNode) -> Hashable:
    step = _backward_step(evidence, node)
    return None if step is None or step.source is None else (step.source.file, step.source.line)


def _finding(evidence: Evidence, found: list[tuple[GradNode, Step]]) -> Finding:
    node, step = found[0]
    names = list(dict.fromkeys(n.parameter or "" for n, _ in found))
    steps = len({id(s) for _, s in found})
    backward = _backward_step(evidence, node)
    root = None if backward is None or not backward.roots else backward.roots[0]
    maker = None if root is None else evidence.maker(root)
    added = sentence(
        "Backward pass {number} added onto the old gradient of {names}, which an optimizer step "
        "had used already: {optimizer} then moved along both.",
        number=node.pass_index + 1,  # in words passes count from 1
        names=_names(names),
        optimizer=step.detail or sentence("the optimizer"),
    )
    often = counted(
        "So in {count} step of {total}.",
        "So in {count} steps of {total}.",
        steps,
        total=len(evidence.optimizer_steps),
    )
    return Finding(
        "stale-gradient",
        "warning",
        sentences(added, often),
        op=None if maker is None else maker.id,
        tensor=root,
        parameter=node.parameter,
        source=None if backward is None else backward.source,
        help=sentence("Call optimizer.zero_grad() before backward(), once for each step."),
        grad_node=node.id,
    )


def _names(paths: list[str]) -> str:
    """Parameters by their paths, which are "" for leaves that have none."""
    first, *others = [path or sentence("a leaf") for path in paths]
    if not others:
        return first
    if len(others) == 1:
        return sentence("{name} and {other}", name=first, other=others[0])
    return sentence("{first} and {count} more parameters", first=first, count=len(others))


RULE = Rule(
    name="stale-gradient",
    title=sentence("Gradients of an earlier step are still in"),
    what=sentence(
        "Parameters to whose gradient a backward pass adds though an optimizer step has used that "
        "gradient, and which are then updated again. Several backward passes before one step "
        "(accumulation on purpose) are fine, and so is anything after a zero_grad."
    ),
    why=sentence(
        "PyTorch says nothing: backward() adds to .grad. Each step goes along all gradients since "
        "the beginning, which is like a momentum of 1: the loss swings and may grow."
    ),
    example="loss.backward(); optimizer.step()  # in a loop, without zero_grad",
    instead="optimizer.zero_grad(); loss.backward(); optimizer.step()",
    check=check,
)
