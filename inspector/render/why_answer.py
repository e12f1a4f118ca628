"""Questions that begin with why: which of them a tensor's card offers, and their answers."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping
from functools import cached_property
from typing import Any

from inspector.errors import QuestionError
from inspector.graph import DataFlow
from inspector.language import sentence
from inspector.norms import nonfinite_count
from inspector.records import GradNode, Recording, TensorInfo, TensorSummary
from inspector.render.asked import Asked, text_of, whole_of
from inspector.render.findings_answer import place_json
from inspector.why_records import Why, WhyStep
from inspector.whys import who_overwrote, why_no_gradient, why_nonfinite, why_this_shape
from inspector.whys.words import short_words

Json = dict[str, Any]

MOST_NODES = 20_000
"""Of a backward pass with this many autograd nodes only the first were recorded."""


class Offers:
    """What can be asked about a tensor, decided from what its card knows anyway.

    An offer is a `label` with the question to send (`ask`). That of a dimension's size can
    always be asked, and is not among them.

    Args:
        recording: what ran.
    """

    def __init__(self, recording: Recording) -> None:
        self._recording = recording

    def of_value(self, tensor: TensorInfo) -> list[Json]:
        """Questions about a tensor's value."""
        found = [*self.of_summary(tensor.summary, {"tensor": tensor.id})]
        if self._lacks_gradient(tensor):
            found.append(
                self._offer(sentence("Why no gradient?"), "gradient", {"tensor": tensor.id})
            )
        written = self._last_writes.get(-1 if tensor.storage is None else tensor.storage, -1)
        if written > (-1 if tensor.producer is None else tensor.producer):
            found.append(
                self._offer(sentence("Who overwrote it?"), "overwritten", {"tensor": tensor.id})
            )
        return found

    def of_gradient(self, tensor: TensorInfo) -> list[Json]:
        """Questions about the gradient that came to a tensor."""
        found = self.of_summary(tensor.grad, {"tensor": tensor.id, "of": "gradient"})
        if tensor.grad is not None and tensor.grad.numel and tensor.grad.zero_fraction == 1:
            found.append(
                self._offer(sentence("Why only zeros?"), "gradient", {"tensor": tensor.id})
            )
        return found

    def of_summary(self, summary: TensorSummary | None, about: Json) -> list[Json]:
        """The question where values come from that are not finite, if there are any."""
        if summary is None or not nonfinite_count(summary):
            return []
        is_nan = sentence("Why is it NaN?")
        label = is_nan if summary.nan_count else sentence("Why is it infinite?")
        return [self._offer(label, "nonfinite", about)]

    def _offer(self, label: str, why: str, about: Json) -> Json:
        return {"label": label, "ask": {"why": why, **about}}

    def _lacks_gradient(self, tensor: TensorInfo) -> bool:
        if not tensor.requires_grad or tensor.grad is not None or not self._knows_gradients:
            return False
        return tensor.id not in self._reached and tensor.name not in self._named

    @cached_property
    def _knows_gradients(self) -> bool:
        """Whether a backward pass ran to its end, and all its autograd nodes are known."""
        nodes = self._recording.grad_nodes
        if not nodes or self._recording.failure is not None:
            return False
        return max(Counter(node.pass_index for node in nodes).values()) < MOST_NODES

    @cached_property
    def _reached(self) -> frozenset[int | None]:
        """Leaves that got a gradient."""
        return frozenset(node.tensor for node in self._recording.grad_nodes)

    @cached_property
    def _named(self) -> frozenset[str]:
        """Names of parameters of which any value got a gradient."""
        tensors = self._recording.tensors
        known = {node.tensor for node in self._recording.grad_nodes if node.tensor is not None}
        names = {tensors[number].name for number in known}
        also = {node.parameter for node in self._recording.grad_nodes}
        return frozenset(name for name in names | also if name is not None)

    @cached_property
    def _last_writes(self) -> Mapping[int, int]:
        """Storage -> the last op that wrote into it."""
        tensors = self._recording.tensors
        found: dict[int, int] = {}
        for op in self._recording.ops:
            for old in op.overwrites:
                storage = tensors[old].storage
                if storage is not None:
                    found[storage] = op.id
        return found


def why_answer(recording: Recording, flow: DataFlow, asked: Asked) -> Json:
    """The answer to the question `why` about a `tensor`, or about the autograd node `grad`.

    Args:
        recording: what ran.
        flow: its producers and consumers.
        asked: `why` is "nonfinite" (with `of`: "gradient", about what came to the tensor),
            "gradient", "overwritten" or "shape" (of the dimension `dim`).

    Returns:
        The `question` in words, `sentences`, the `steps` from the cause on (each a `text` with the
        `op` or `grad` to go to), the `op` or `grad` of the cause, its `place`, and `help`.

    Raises:
        QuestionError: there is no such question, tensor or node, or nothing of that kind in it.
    """
    why, tensor = text_of(asked, "why"), whole_of(asked, "tensor")
    if why == "nonfinite":
        return _nonfinite(recording, asked, tensor)
    if tensor is None or tensor not in recording.tensors:
        raise QuestionError(sentence("There is no such tensor."))
    name = short_words(recording, tensor)
    if why == "gradient":
        question = sentence("Why does {name} have no gradient?", name=name)
        if (grad := recording.tensors[tensor].grad) is not None and grad.zero_fraction == 1:
            question = sentence("Why is the gradient of {name} zero?", name=name)
        return _json(recording, question, why_no_gradient(recording, tensor, flow))
    if why == "overwritten":
        question = sentence("Who overwrote {name}?", name=name)
        return _json(recording, question, who_overwrote(recording, tensor))
    if why == "shape":
        dim = whole_of(asked, "dim") or 0
        found = why_this_shape(recording, tensor, dim)
        size = recording.tensors[tensor].shape[dim]
        question = sentence(
            "Why is dimension {dim} of {name} {size}?", dim=dim, name=name, size=size
        )
        return _json(recording, question, found)
    raise QuestionError(sentence("There is no such question."))


def _nonfinite(recording: Recording, asked: Asked, tensor: int | None) -> Json:
    node = whole_of(asked, "grad")
    of_gradient = text_of(asked, "of") == "gradient"
    if tensor is not None and of_gradient:
        node = _bad_node(recording, tensor)
    if tensor is None and node is None:
        raise QuestionError(sentence("There is no such tensor."))
    if node is not None:
        found = why_nonfinite(recording, grad_node=node)
        name = recording.grad_nodes[node].name
        question = sentence("Why is the gradient at {name} not finite?", name=name)
        if tensor is not None:
            name = short_words(recording, tensor)
            question = sentence("Why is the gradient of {name} not finite?", name=name)
        return _json(recording, question, found)
    found = why_nonfinite(recording, tensor)
    name = short_words(recording, tensor or 0)
    return _json(recording, sentence("Why is {name} not finite?", name=name), found)


def _bad_node(recording: Recording, tensor: int) -> int:
    """The autograd node to which a gradient came that is not finite: the leaf's, or the op's."""
    maker = None if tensor not in recording.tensors else recording.tensors[tensor].producer
    for node in recording.grad_nodes:
        of_it = node.tensor == tensor or (maker is not None and node.op == maker)
        if of_it and _got_nonfinite(node):
            return node.id
    raise QuestionError(sentence("No gradient that came to this tensor is NaN or infinite."))


def _got_nonfinite(node: GradNode) -> bool:
    return any(map(nonfinite_count, node.grad_outputs))


def _json(recording: Recording, question: str, why: Why) -> Json:
    return {
        "question": question,
        "sentences": list(why.sentences),
        "steps": [_step(recording, step) for step in why.steps],
        "op": why.cause,
        "grad": why.grad_node if why.cause is None else None,
        "place": place_json(recording, why.source),
        "help": why.help,
    }


def _step(recording: Recording, step: WhyStep) -> Json:
    source = None if step.op is None else recording.ops[step.op].source
    return {
        "text": step.phrase,
        "op": step.op,
        "grad": step.grad_node,
        "place": place_json(recording, source),
    }
