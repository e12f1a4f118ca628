"""Why a parameter or tensor got no gradient: where the way from it to the loss ends."""

from __future__ import annotations

from collections import deque
from collections.abc import Iterable, Mapping
from dataclasses import dataclass

from inspector.errors import QuestionError
from inspector.graph import DataFlow
from inspector.language import counted, listed, sentence
from inspector.norms import norm_of
from inspector.records import GradNode, Op, Recording, Source, TensorInfo
from inspector.why_records import Why, WhyStep
from inspector.whys.words import node_words, op_words, short_words, tensor_of

_COPIES = {
    "detach": sentence("detach() hands on the values without their history."),
    "detach_": sentence("detach_() takes the tensor's history away."),
    "data": sentence("`.data` is the values without their history."),
    "tensor": sentence("torch.tensor() copies the values and leaves the history behind."),
    "new_tensor": sentence("new_tensor() copies the values and leaves the history behind."),
    "numpy": sentence("NumPy knows nothing of gradients."),
}
_COPIER = "deepcopy"
"""Is handed all that was copied before: that is not computing with it."""

_READS = frozenset(("item", "tolist", "bool", "int", "float", "complex", "index", "contains"))
_FLOATS = ("float", "bfloat", "complex")


@dataclass(frozen=True, slots=True)
class Boundary:
    """An op that takes something that requires grad and gives something that does not.

    `kind` is "detach", "integer", "no_grad" or "read"; `reason` says it in a sentence.
    """

    op: int
    kind: str
    reason: str


def boundary_at(recording: Recording, op: Op, output: int | None = None) -> Boundary | None:
    """Whether the gradient's way ends at `op`, and why; None where it does not.

    Args:
        recording: what ran.
        op: one of its ops.
        output: the output that is asked about: the indices of a `max` or `topk` have no history,
            its values do. None for all of them.
    """
    tensors = recording.tensors
    if op.name == _COPIER or not any(tensors[number].requires_grad for number in op.inputs):
        return None
    asked = op.outputs if output is None else (output,)
    if any(tensors[number].requires_grad for number in asked):
        return None
    if op.name in _COPIES:
        return Boundary(op.id, "detach", _COPIES[op.name])
    if not op.outputs:
        if op.name not in _READS:
            return None
        reason = sentence("{op} makes a Python number of it, without history.", op=op.name)
        return Boundary(op.id, "read", reason)
    dtypes = {tensors[number].dtype for number in asked}
    if not any(dtype.startswith(_FLOATS) for dtype in dtypes):
        given = listed(sorted(dtypes), "{first} and {then}")
        reason = sentence("{op} gives {dtypes}, which has no derivative.", op=op.name, dtypes=given)
        return Boundary(op.id, "integer", reason)
    if len(asked) < len(op.outputs):
        return None  # a running mean beside what was normalised
    reason = sentence(
        "It ran with gradients switched off (no_grad, inference_mode, set_grad_enabled)."
    )
    return Boundary(op.id, "no_grad", reason)


def index_boundary(recording: Recording, flow: DataFlow, op: Op) -> Boundary | None:
    """The boundary at an op whose indices alone go on: `x.max(dim=1).indices`, `topk`, `sort`."""
    tensors = recording.tensors
    if len(op.outputs) < 2 or any(
        flow.consumers.get(number) for number in op.outputs if tensors[number].requires_grad
    ):
        return None
    used = (number for number in op.outputs if flow.consumers.get(number))
    return next(filter(None, (boundary_at(recording, op, number) for number in used)), None)


def leading_to_backward(recording: Recording, flow: DataFlow) -> frozenset[int]:
    """The ops whose results went into something that a backward pass went through."""
    todo = [node.op for node in recording.grad_nodes if node.op is not None]
    found = set(todo)
    while todo:
        for op in flow.parents(todo.pop()):
            if op not in found:
                found.add(op)
                todo.append(op)
    return frozenset(found)


def why_no_gradient(recording: Recording, what: str | int, flow: DataFlow | None = None) -> Why:
    """Where the way of the gradient to a parameter or tensor ends, or why it brings only zeros.

    Args:
        recording: what ran, with a backward pass.
        what: the path of a parameter ("encoder.weight") or the id of a tensor.
        flow: producers and consumers, where they are known already.

    Returns:
        The answer; its cause is the boundary: the detach, the op under no_grad, the one with
        integer results, the hook or autograd node that turned it into zeros. None where there is
        no op to name: it is frozen, was not used, or there was no backward pass. If it did get a
        gradient, the answer says so.

    Raises:
        QuestionError: there is no such parameter or tensor.
    """
    return _Search(recording, what, flow).answer()


class _Search:
    def __init__(self, recording: Recording, what: str | int, flow: DataFlow | None) -> None:
        self.recording = recording
        self.flow = DataFlow(recording) if flow is None else flow
        if isinstance(what, str):
            info = next((one for one in recording.parameters if what in one.names), None)
            if info is None:
                raise QuestionError(
                    sentence("The recording has no parameter {name}.", name=repr(what))
                )
            names = set(info.names)
            self.name, self.requires_grad, self.is_leaf = what, info.requires_grad, True
        else:
            tensor = tensor_of(recording, what)
            names = {tensor.name} if tensor.is_leaf and tensor.name else set()
            self.name = short_words(recording, what)
            self.requires_grad, self.is_leaf = tensor.requires_grad, tensor.is_leaf
        self.values = {one.id for one in recording.tensors.values() if one.name in names}
        if isinstance(what, int):
            self.values.add(what)

    def answer(self) -> Why:
        arrived = [node for node in self.recording.grad_nodes if node.tensor in self.values]
        if arrived:
            return self._arrived(arrived)
        if not self.requires_grad:
            return self._needs_none()
        if not self.recording.grad_nodes:
            text = sentence(
                "{tensor} has no gradient: no backward pass ran in the recording.",
                tensor=self.name,
            )
            help_ = sentence("Call backward() on the loss, inside of what is recorded.")
            return Why((text,), help=help_)
        if not any(self.flow.consumers.get(value) for value in self.values):
            text = sentence("{tensor} was not used: no op took it.", tensor=self.name)
            help_ = sentence(
                "Look whether forward() calls the module it belongs to, for this input."
            )
            return Why((text,), help=help_)
        return self._cut_off()

    # -- it arrived --------------------------------------------------------------------------

    def _arrived(self, nodes: list[GradNode]) -> Why:
        known = [grad for node in nodes for grad in node.grad_outputs if grad is not None]
        if not known or any(grad.zero_fraction < 1 for grad in known):
            norm = None if not known else norm_of(known[-1])
            passes = len({node.pass_index for node in nodes})
            return Why((_got(self.name, passes, norm),))
        return self._zeros(nodes[-1])

    def _zeros(self, leaf: GradNode) -> Why:
        """From a leaf up to the node into which something came that was not zero."""
        nodes = self.recording.grad_nodes
        before: dict[int, list[int]] = {}
        for node in nodes:
            for number in node.next:
                before.setdefault(number, []).append(node.id)
        queue, seen, way = deque([leaf.id]), {leaf.id}, []
        while queue:
            node = nodes[queue.popleft()]
            way.append(node)
            for number in before.get(node.id, ()):
                other = nodes[number]
                if _sent_something(other, node.id) and not _got_something(node):
                    return self._zeroed(other, node, way)
                if number not in seen:
                    seen.add(number)
                    queue.append(number)
            if _got_something(node):
                return self._zeroed(node, None, way)
        start = way[-1]
        text = sentence(
            "{tensor} got a gradient of zeros: that of the loss was zero already.",
            tensor=self.name,
        )
        return Why((text,), self._steps(way), start.op, self._source(start.op), start.id)

    def _zeroed(self, node: GradNode, after: GradNode | None, way: list[GradNode]) -> Why:
        """`node` turned it into zeros, or a hook did between `node` and the one `after`."""
        where = node_words(self.recording, node)
        if after is None:
            text = sentence(
                "{tensor} got a gradient of zeros: {node} made zeros of it.",
                tensor=self.name,
                node=where,
            )
            help_ = sentence("Look at what the op got in the forward: a ReLU below 0 has no slope.")
        else:
            text = sentence(
                "{tensor} got a gradient of zeros: {node} still sent on something else, "
                "a hook then returned zeros.",
                tensor=self.name,
                node=where,
            )
            help_ = sentence("Look for register_hook, or a backward hook of a module, on the way.")
        steps = self._steps([*way, node])
        return Why((text,), steps, node.op, self._source(node.op), node.id, help_)

    def _steps(self, way: Iterable[GradNode]) -> tuple[WhyStep, ...]:
        """In the order of the backward pass."""
        found = dict.fromkeys(node.id for node in way)
        nodes = [self.recording.grad_nodes[number] for number in sorted(found)]
        return tuple(
            WhyStep(
                node.op,
                sentence("{name}: {words}", name=node.name, words=_flow_words(node)),
                node.id,
            )
            for node in nodes
        )

    # -- it did not --------------------------------------------------------------------------

    def _needs_none(self) -> Why:
        known = [self.recording.tensors[value] for value in sorted(self.values)]
        maker = next(
            (t.producer for t in known if t.producer is not None and not self.is_leaf), None
        )
        first: TensorInfo | None = known[0] if known else None
        if first is not None and not first.dtype.startswith(_FLOATS):
            text = sentence(
                "{tensor} holds {dtype}: only floating-point tensors have gradients.",
                tensor=self.name,
                dtype=first.dtype,
            )
            return Why((text,), cause=first.producer, source=self._source(first.producer))
        for value in known:
            op = None if value.producer is None else self.recording.ops[value.producer]
            cut = None if op is None else boundary_at(self.recording, op)
            if cut is not None:
                return self._told([cut], set())
        text = sentence("{tensor} is frozen: it does not require a gradient.", tensor=self.name)
        help_ = sentence("Call requires_grad_(True) on it before the forward, if it should learn.")
        return Why((text,), cause=maker, source=self._source(maker), help=help_)

    def _cut_off(self) -> Why:
        """Forward from the tensor, as far as the values require grad."""
        tensors, ops = self.recording.tensors, self.recording.ops
        queue, seen = deque(sorted(self.values)), set(self.values)
        cuts: list[Boundary] = []
        visited: set[int] = set()
        while queue:
            for number in self.flow.consumers.get(queue.popleft(), ()):
                op = ops[number]
                if number in visited or _is_own_write(tensors, op):
                    continue
                visited.add(number)
                cut = boundary_at(self.recording, op)
                cut = cut or index_boundary(self.recording, self.flow, op)
                if cut is not None:
                    cuts.append(cut)
                for output in op.outputs:
                    if output not in seen and tensors[output].requires_grad:
                        seen.add(output)
                        queue.append(output)
        ran = {node.op: node for node in self.recording.grad_nodes if node.op in visited}
        if ran:
            return self._not_sent(list(ran.values()), visited)
        return self._told(cuts, visited)

    def _not_sent(self, ran: list[GradNode], visited: set[int]) -> Why:
        """The backward pass came near, and then nothing was sent on."""
        last = max(ran, key=lambda node: node.id)
        where = node_words(self.recording, last)
        text = sentence(
            "The backward pass came as far as {node} and sent nothing on to {tensor}: "
            "its backward returned None for it, or only other gradients were asked for.",
            node=where,
            tensor=self.name,
        )
        help_ = sentence(
            "Look at torch.autograd.grad(inputs=…), backward(inputs=…), or the custom backward."
        )
        end = WhyStep(last.op, sentence("{node} ran", node=last.name), last.id)
        steps = (*self._forward(visited, last.op), end)
        return Why((text,), steps, last.op, self._source(last.op), last.id, help_)

    def _told(self, cuts: list[Boundary], visited: set[int]) -> Why:
        leading = leading_to_backward(self.recording, self.flow) if cuts else frozenset()
        on_the_way = [cut for cut in cuts if cut.op in leading] or cuts
        if not on_the_way:
            text = sentence(
                "{tensor} was used, but no loss was computed from the result.", tensor=self.name
            )
            last = max(visited, default=None)
            help_ = sentence(
                "Look whether the result takes part in the loss that backward() is called on."
            )
            return Why((text,), self._forward(visited, last), last, self._source(last), help=help_)
        cut = on_the_way[0]
        op = self.recording.ops[cut.op]
        text = sentence(
            "The way to {tensor} ends at {op}: what it gives has no history.",
            tensor=self.name,
            op=op_words(self.recording, op),
        )
        end = WhyStep(cut.op, sentence("{op} ends the way", op=op.name))
        steps = (*self._forward(visited, cut.op), end)
        return Why((text, cut.reason), steps, cut.op, op.source, help=_HELP[cut.kind])

    def _forward(self, visited: set[int], last: int | None) -> tuple[WhyStep, ...]:
        if last is None:
            return ()
        above = self.flow.ancestors(last) & visited
        names = ((number, self.recording.ops[number].name) for number in sorted(above)[-20:])
        return tuple(
            WhyStep(number, sentence("{op} computes with it", op=name)) for number, name in names
        )

    def _source(self, op: int | None) -> Source | None:
        return None if op is None else self.recording.ops[op].source


_HELP = {
    "detach": sentence("Take the detach() away, if what is above it should learn."),
    "integer": sentence(
        "Use something smooth in its place (softmax for argmax), or a loss on what is above."
    ),
    "no_grad": sentence("Move the op out of the no_grad block, if what is above it should learn."),
    "read": sentence("Compute with the tensor itself and make a number of it at the very end."),
}


def _got(name: str, passes: int, norm: float | None) -> str:
    if norm is None:
        return counted(
            "{tensor} did get a gradient, in {count} backward pass.",
            "{tensor} did get a gradient, in {count} backward passes.",
            passes,
            tensor=name,
        )
    return counted(
        "{tensor} did get a gradient, in {count} backward pass, the last of norm {norm:.3g}.",
        "{tensor} did get a gradient, in {count} backward passes, the last of norm {norm:.3g}.",
        passes,
        tensor=name,
        norm=norm,
    )


def _is_own_write(tensors: Mapping[int, TensorInfo], op: Op) -> bool:
    """Whether the op only wrote into leaves: an initialisation, an optimizer's step."""
    return bool(op.overwrites) and all(tensors[number].is_leaf for number in op.outputs)


def _sent_something(node: GradNode, to: int | None = None) -> bool:
    """Whether a node sent on more than zeros, to any node, or to the one of this id."""
    sent = [grad for grad in node.grad_inputs if grad is not None]
    if to is not None and len(sent) == len(node.next):  # else it is not known what went where
        sent = [grad for grad, number in zip(sent, node.next, strict=True) if number == to]
    return any(grad.zero_fraction < 1 for grad in sent)


def _got_something(node: GradNode) -> bool:
    return any(grad is not None and grad.zero_fraction < 1 for grad in node.grad_outputs)


def _flow_words(node: GradNode) -> str:
    if _got_something(node):
        if _sent_something(node) or not node.grad_inputs:
            return sentence("passes it on")
        return sentence("makes it zero")
    return sentence("gets zeros")
