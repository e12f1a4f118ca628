"""Where a NaN or an infinity comes from: the first op, or autograd node, that made one."""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Iterable, Iterator

from inspector.errors import QuestionError
from inspector.language import counted, listed, sentence
from inspector.norms import nonfinite_count
from inspector.records import GradNode, Op, Recording, Step, TensorSummary
from inspector.why_records import Why, WhyStep
from inspector.whys.origins import is_deliberate, reason_backward, reason_forward
from inspector.whys.words import (
    bad_words,
    counts_words,
    node_words,
    op_words,
    range_words,
    short_words,
    tensor_of,
    tensor_words,
)

MOST_STEPS = 40
"""Stations of a way; of a longer one those at the beginning and the end are told."""

_HELP = sentence(
    "Keep what goes into it in range: clamp(min=eps), add eps before a log or a division, or use "
    "the version that works on logits (log_softmax, binary_cross_entropy_with_logits)."
)
_HELP_BACKWARD = sentence(
    "Keep the op itself away from that point: put a safe value in *before* it "
    "(torch.where(ok, x, 1)), since a where() after it still multiplies by its derivative."
)


def why_nonfinite(
    recording: Recording, tensor: int | None = None, *, grad_node: int | None = None
) -> Why:
    """Where the NaN or infinity in a tensor, or in what an autograd node handled, comes from.

    A parameter that an optimizer step made NaN is followed to the gradient that did it, and a
    gradient to the forward op whose value was not finite.

    Args:
        recording: what ran, with the statistics of its values.
        tensor: id of a tensor value that is not finite.
        grad_node: or the id of an autograd node whose gradients are not finite. With neither, the
            first loss, else the first leaf's gradient, that is not finite.

    Raises:
        QuestionError: there is no such tensor or node, or nothing is not finite in it.
    """
    if tensor is None and grad_node is None:
        tensor, grad_node = _most_interesting(recording)
    if tensor is not None:
        if not nonfinite_count(tensor_of(recording, tensor).summary):
            words = tensor_words(recording, tensor)
            raise QuestionError(
                sentence(
                    "{tensor} has no NaN and no infinity, as far as its values were recorded.",
                    tensor=words,
                )
            )
        return _Search(recording).of_tensor(tensor)
    if grad_node is None or not 0 <= grad_node < len(recording.grad_nodes):
        raise QuestionError(sentence("The recording has no autograd node {node}.", node=grad_node))
    if not _is_bad(recording.grad_nodes[grad_node]):
        raise QuestionError(
            sentence("The gradients of autograd node {node} are finite.", node=grad_node)
        )
    return _Search(recording).of_node(grad_node)


def _most_interesting(recording: Recording) -> tuple[int | None, int | None]:
    seen: set[int] = set()
    for node in recording.grad_nodes:
        if node.pass_index not in seen:
            seen.add(node.pass_index)
            for number in () if node.op is None else recording.ops[node.op].outputs:
                if nonfinite_count(recording.tensors[number].summary):
                    return number, None
    for node in recording.grad_nodes:
        if node.tensor is not None and _is_bad(node):
            return None, node.id
    for number in sorted(recording.tensors):
        if nonfinite_count(recording.tensors[number].summary):
            return number, None
    raise QuestionError(sentence("No recorded value and no gradient is NaN or infinite."))


class _Search:
    """One search, which may go from a parameter to a gradient and on to the forward."""

    def __init__(self, recording: Recording) -> None:
        self.recording = recording

    def of_tensor(self, tensor: int) -> Why:
        recording = self.recording
        nan = bool((summary := recording.tensors[tensor].summary) and summary.nan_count)
        start, way = _first(tensor, lambda t: self._above(t, nan))
        made_by = recording.tensors[start].producer
        if made_by is None:
            return self._outside(start, way)
        op = recording.ops[made_by]
        if (by_gradient := self._gradient_of_step(op)) is not None:
            return by_gradient
        infinite = [t for t in op.inputs if nonfinite_count(recording.tensors[t].summary)]
        if nan and infinite:  # NaN made of infinities: who made those?
            origin, more = _first(infinite[0], lambda t: self._above(t, False))
            maker = recording.tensors[origin].producer
            if maker is not None and not is_deliberate(recording.ops[maker]):
                return self._made(recording.ops[maker], (*more, *way))
        return self._made(op, way)

    def _above(self, tensor: int, nan: bool) -> Iterator[int]:
        """Inputs of the op that made a tensor that are NaN (or infinite) as it is."""
        maker = self.recording.tensors[tensor].producer
        if maker is None or self._step_around(maker) is not None:
            return  # an optimizer's op was given a gradient, which no op made
        for number in self.recording.ops[maker].inputs:
            summary = self.recording.tensors[number].summary
            if summary is not None and (summary.nan_count if nan else nonfinite_count(summary)):
                yield number

    def _made(self, op: Op, way: Iterable[int]) -> Why:
        recording = self.recording
        steps = [step for tensor in way if (step := self._step(tensor)) is not None]
        if not steps or steps[0].op != op.id:
            first = sentence("{op} makes the first one", op=op.name)
            steps.insert(0, WhyStep(op.id, first))
        reason = reason_forward(recording, op)
        made = [word for t in op.outputs for word in bad_words(recording.tensors[t].summary)]
        given = [
            sentence("{tensor} was {values}", tensor=short_words(recording, t), values=words)
            for t in dict.fromkeys(op.inputs)
            if (words := range_words(recording.tensors[t].summary))
        ]
        told: list[str] = [_made_first(op_words(recording, op), listed(made))]
        if given:
            parts = listed(given[:3], "{first}; {then}")
            told.append(sentence("What it was given: {parts}.", parts=parts))
        if reason:
            told.append(reason)
        spread = len({step.op for step in steps}) - 1
        if spread:
            told.append(counted("{count} op handed it on.", "{count} ops handed it on.", spread))
        return Why(tuple(told), _shortened(steps), op.id, op.source, help=_HELP)

    def _step(self, tensor: int) -> WhyStep | None:
        info = self.recording.tensors[tensor]
        if info.producer is None:
            return None
        name = self.recording.ops[info.producer].name
        words = listed(bad_words(info.summary), "{first} and {then}")
        return WhyStep(info.producer, sentence("{op} gives {values}", op=name, values=words))

    def _outside(self, tensor: int, way: Iterable[int]) -> Why:
        steps = [step for number in way if (step := self._step(number)) is not None]
        text = sentence(
            "{tensor} came in from outside of the recording with {values}: no recorded op made it.",
            tensor=tensor_words(self.recording, tensor),
            values=listed(bad_words(self.recording.tensors[tensor].summary)),
        )
        first = steps[0].op if steps else None
        source = None if first is None else self.recording.ops[first].source
        help_ = sentence(
            "Look at the data, or at the weights that were loaded, before the model runs."
        )
        return Why((text,), _shortened(steps), first, source, help=help_)

    def _step_around(self, op: int) -> Step | None:
        steps = (one for one in self.recording.steps if one.kind == "optimizer_step")
        return next((one for one in steps if one.first_op <= op < one.last_op), None)

    def _gradient_of_step(self, op: Op) -> Why | None:
        """The gradient by which an optimizer step wrote NaN into a parameter."""
        recording = self.recording
        step = self._step_around(op.id)
        if step is None:
            return None
        tensors = recording.tensors
        written = {tensors[t].storage for t in op.overwrites}
        before = {
            other.pass_index
            for other in recording.steps
            if other.kind == "backward" and other.id < step.id
        }
        for node in recording.grad_nodes:
            leaf = None if node.tensor is None else tensors[node.tensor].storage
            if leaf in written and node.pass_index in before and _is_bad(node):
                why = self.of_node(node.id)
                name = node.parameter or sentence("the leaf")
                told = sentence(
                    "{op} wrote the gradient into {leaf}.", op=op_words(recording, op), leaf=name
                )
                phrase = sentence("{op} writes it into {leaf}", op=op.name, leaf=name)
                return Why(
                    (*why.sentences, told),
                    (*why.steps, WhyStep(op.id, phrase)),
                    why.cause,
                    why.source,
                    why.grad_node,
                    why.help,
                )
        return None

    def of_node(self, number: int) -> Why:
        recording = self.recording
        nodes = recording.grad_nodes
        before: dict[int, list[int]] = {}
        for node in nodes:
            if node.pass_index == nodes[number].pass_index:
                for other in node.next:
                    before.setdefault(other, []).append(node.id)
        first, way = _first(
            number, lambda n: (p for p in before.get(n, ()) if _sends_bad(nodes[p]))
        )
        origin = nodes[first]
        forward = self._bad_forward(origin)
        if forward is not None:
            why = self.of_tensor(forward)
            op = recording.ops[origin.op or 0]
            told = sentence(
                "{node} of {op} computes with it, and so the gradient is not finite.",
                node=origin.name,
                op=op.name,
            )
            steps = (*why.steps, *self._node_steps(way))
            return Why((*why.sentences, told), steps, why.cause, why.source, first, why.help)
        return self._born(origin, way)

    def _bad_forward(self, node: GradNode) -> int | None:
        """A value of the node's op that is not finite, unless it was meant to be."""
        op = None if node.op is None else self.recording.ops[node.op]
        if op is None:
            return None
        for tensor in (*op.inputs, *op.outputs):
            info = self.recording.tensors[tensor]
            if info.summary is None or not nonfinite_count(info.summary):
                continue
            maker = None if info.producer is None else self.recording.ops[info.producer]
            if info.summary.nan_count or (maker is not None and not is_deliberate(maker)):
                return tensor
        return None

    def _born(self, node: GradNode, way: tuple[int, ...]) -> Why:
        recording = self.recording
        op = None if node.op is None else recording.ops[node.op]
        words = _all_bad(node.grad_inputs)
        arrived = range_words(next((g for g in node.grad_outputs if g is not None), None))
        told: list[str] = [_made_first(node_words(recording, node), words or sentence("one"))]
        if arrived:
            told.append(sentence("The gradient that arrived there was {values}.", values=arrived))
        for tensor in () if op is None else tuple(dict.fromkeys(op.inputs))[:2]:
            if values := range_words(recording.tensors[tensor].summary):
                name = short_words(recording, tensor)
                told.append(
                    sentence("In the forward {tensor} was {values}.", tensor=name, values=values)
                )
        if op is not None and (reason := reason_backward(recording, op)):
            told.append(reason)
        source = None if op is None else op.source
        return Why(
            tuple(told), self._node_steps(way), node.op, source, node.id, help=_HELP_BACKWARD
        )

    def _node_steps(self, way: Iterable[int]) -> tuple[WhyStep, ...]:
        nodes = self.recording.grad_nodes
        steps = []
        for number in way:
            node = nodes[number]
            name: str = node.name
            if node.parameter:
                name = sentence("{node} of {op}", node=name, op=node.parameter)
            words = _all_bad(node.grad_inputs or node.grad_outputs)
            phrase = sentence("{name}: {words}", name=name, words=words)
            steps.append(WhyStep(node.op, phrase, node.id))
        return _shortened(steps)


def _made_first(who: str, what: str) -> str:
    return sentence("{op} made the first of them: {values}.", op=who, values=what)


def _first(start: int, above: Callable[[int], Iterable[int]]) -> tuple[int, tuple[int, ...]]:
    """The lowest id that can be reached from `start` and has nothing above, and the way from it."""
    came: dict[int, int | None] = {start: None}
    queue = deque([start])
    ends: list[int] = []
    while queue:
        number = queue.popleft()
        found = False
        for other in above(number):
            found = True
            if other not in came:
                came[other] = number
                queue.append(other)
        if not found:
            ends.append(number)
    first = min(ends, default=start)
    way = [first]
    while (following := came[way[-1]]) is not None:
        way.append(following)
    return first, tuple(way)


def _sends_bad(node: GradNode) -> bool:
    return any(map(nonfinite_count, node.grad_inputs))


def _is_bad(node: GradNode) -> bool:
    return _sends_bad(node) or any(map(nonfinite_count, node.grad_outputs))


def _all_bad(summaries: Iterable[TensorSummary | None]) -> str:
    """As in "2 NaN and 1 infinite"; "" where all are finite."""
    known = [one for one in summaries if one is not None]
    counts = sum(one.nan_count for one in known), sum(one.inf_count for one in known)
    return listed(counts_words(*counts), "{first} and {then}")


def _shortened(steps: Iterable[WhyStep]) -> tuple[WhyStep, ...]:
    known = tuple(steps)
    if len(known) <= MOST_STEPS:
        return known
    return (*known[: MOST_STEPS // 2], *known[-MOST_STEPS // 2 :])
