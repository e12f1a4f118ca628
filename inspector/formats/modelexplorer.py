"""A recording as graphs for Google's Model Explorer (github.com/google-ai-edge/model-explorer).

Two graphs: what ran, and the autograd nodes. A node's namespace is the way of module calls to it,
which Model Explorer folds into layers.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from typing import Any

from inspector.records import GradNode, ModuleCall, Op, Recording, TensorInfo

Json = dict[str, Any]

INPUTS, PARAMETERS = "inputs", "parameters"


def to_model_explorer(recording: Recording) -> Json:
    """A recording as a collection of graphs, as Model Explorer opens it."""
    graphs = [{"id": "forward", "nodes": list(_Forward(recording).nodes())}]
    if recording.grad_nodes:
        graphs.append({"id": "backward", "nodes": list(_backward(recording))})
    return {"label": str(recording.meta.get("model") or "recording"), "graphs": graphs}


class _Forward:
    def __init__(self, recording: Recording) -> None:
        self._recording = recording
        self._spaces = namespaces(recording.module_calls)
        self._slots: dict[int, tuple[str, str]] = {}  # tensor -> (node, number of its output)

    def nodes(self) -> Iterator[Json]:
        outside = self._outside()
        for tensor in outside:
            self._slots[tensor.id] = (f"tensor:{tensor.id}", "0")
            yield self._leaf(tensor)
        for op in self._recording.ops:
            yield self._op(op)
            for slot, number in enumerate(op.outputs):
                self._slots[number] = (f"op:{op.id}", str(slot))
        if self._recording.output:
            yield _node("output", "output", "", self._edges(self._recording.output))

    def _outside(self) -> list[TensorInfo]:
        """The tensors that no op made, those that are used: inputs, parameters and constants."""
        made = {number for op in self._recording.ops for number in op.outputs}
        used = {number for op in self._recording.ops for number in op.inputs}
        wanted = (used | {*self._recording.inputs, *self._recording.output}) - made
        return [self._recording.tensors[number] for number in sorted(wanted)]

    def _leaf(self, tensor: TensorInfo) -> Json:
        names = self._recording.input_names()
        label = tensor.name or names.get(tensor.id) or tensor.variable or f"%{tensor.id}"
        space = INPUTS if tensor.name is None else PARAMETERS
        return _node(f"tensor:{tensor.id}", str(label), space, [], outputs=[tensor])

    def _op(self, op: Op) -> Json:
        space = "" if op.module_call is None else self._spaces[op.module_call]
        outputs = [self._recording.tensors[number] for number in op.outputs]
        attrs = {
            "function": op.function,
            "arguments": op.arguments,
            "source": "" if op.source is None else str(op.source),
            "duration_us": f"{op.duration_us:g}",
            "phase": op.phase,
        }
        return _node(f"op:{op.id}", op.name, space, self._edges(op.inputs), attrs, outputs)

    def _edges(self, tensors: Iterable[int]) -> list[Json]:
        found = []
        for slot, number in enumerate(tensors):
            if number in self._slots:
                node, output = self._slots[number]
                found.append(_edge(node, output, slot))
        return found


def _backward(recording: Recording) -> Iterator[Json]:
    spaces = namespaces(recording.module_calls)
    incoming: dict[int, list[Json]] = {node.id: [] for node in recording.grad_nodes}
    calls = {node.id: _call_of(recording, node) for node in recording.grad_nodes}
    for node in recording.grad_nodes:
        for slot, target in enumerate(node.next):
            incoming[target].append(_edge(f"grad:{node.id}", str(slot), len(incoming[target])))
            if recording.grad_nodes[target].op is None and calls[target] is None:
                calls[target] = calls[node.id]  # no op made it: it lies with what gives to it
    for node in recording.grad_nodes:
        call = calls[node.id]
        space = "" if call is None else spaces[call]
        yield _node(f"grad:{node.id}", node.name, space, incoming[node.id], _facts(node))


def _call_of(recording: Recording, node: GradNode) -> int | None:
    """The module call whose op made a node."""
    return None if node.op is None else recording.ops[node.op].module_call


def _facts(node: GradNode) -> dict[str, str]:
    norms = [summary for summary in node.grad_outputs if summary is not None]
    return {
        "op": "" if node.op is None else str(node.op),
        "parameter": node.parameter or "",
        "pass": str(node.pass_index),
        "accumulated": str(node.accumulated),
        "nonfinite": str(any(one.nan_count or one.inf_count for one in norms)),
    }


def namespaces(calls: Iterable[ModuleCall]) -> list[str]:
    """For each module call its namespace: the names of the calls around it, and its own.

    A module that is called again in the same call gets a number: "fc", "fc (2)".
    """
    found: list[str] = []
    paths: list[str] = []
    counts: dict[tuple[int | None, str], int] = {}
    for call in calls:
        around = "" if call.parent is None else found[call.parent]
        outer = "" if call.parent is None else paths[call.parent]
        own = call.path.removeprefix(outer + ".") if outer else call.path
        names = [name.replace("/", "∕") for name in own.split(".") if name]
        key = (call.parent, call.path)
        counts[key] = counts.get(key, 0) + 1
        if names and counts[key] > 1:
            names[-1] = f"{names[-1]} ({counts[key]})"
        found.append("/".join([*([around] if around else []), *names]))
        paths.append(call.path)
    return found


def _node(
    number: str,
    label: str,
    space: str,
    edges: list[Json],
    attrs: dict[str, str] | None = None,
    outputs: Iterable[TensorInfo] = (),
) -> Json:
    return {
        "id": number,
        "label": label,
        "namespace": space,
        "incomingEdges": edges,
        "attrs": [{"key": key, "value": text} for key, text in (attrs or {}).items() if text],
        "outputsMetadata": [
            {
                "id": str(slot),
                "attrs": [
                    {"key": "tensor_shape", "value": _shape(tensor)},
                    {"key": "dtype", "value": tensor.dtype},
                    {"key": "device", "value": tensor.device},
                ],
            }
            for slot, tensor in enumerate(outputs)
        ],
    }


def _edge(source: str, output: str, slot: int) -> Json:
    return {"sourceNodeId": source, "sourceNodeOutputId": output, "targetNodeInputId": str(slot)}


def _shape(tensor: TensorInfo) -> str:
    return f"{tensor.dtype}[{','.join(map(str, tensor.shape))}]"
