"""Recordings written down by hand, op by op, for tests of what is made from them."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

from inspector.check import self_check
from inspector.records import (
    Decision,
    Failure,
    GradNode,
    ModuleCall,
    Op,
    Recording,
    Source,
    Step,
    TensorInfo,
    TensorSummary,
)
from inspector.views import GraphView

NAN = TensorSummary(2, 1.0, 1.0, 1.0, 0.0, 1, 0, 0.0, (1,), (1.0, float("nan")))


class Program:
    """What a run would have recorded; tensors and calls are known by their ids."""

    def __init__(self) -> None:
        self.ops: list[Op] = []
        self.tensors: dict[int, TensorInfo] = {}
        self.calls: list[ModuleCall] = []
        self.decisions: list[Decision] = []
        self.nodes: list[GradNode] = []
        self.steps: list[Step] = []

    def tensor(self, name: str | None = None, shape: tuple[int, ...] = (2,), **more: Any) -> int:
        number = len(self.tensors)
        about = {"dtype": "float32", "device": "cpu", "requires_grad": False, "is_leaf": True}
        self.tensors[number] = TensorInfo(number, shape, name=name, **{**about, **more})
        return number

    def call(self, path: str, parent: int | None = None, type: str = "Block") -> int:
        self.calls.append(ModuleCall(len(self.calls), path, type, parent, True))
        return len(self.calls) - 1

    def op(self, name: str, *inputs: int, call: int | None = None, **more: Any) -> int:
        """An op with one new tensor, whose id is returned."""
        return self.many(name, *inputs, call=call, results=1, **more)[0]

    def many(
        self,
        name: str,
        *inputs: int,
        call: int | None = None,
        results: int = 2,
        alias_of: int | None = None,
        summary: TensorSummary | None = None,
        shape: tuple[int, ...] = (2,),
        **more: Any,
    ) -> tuple[int, ...]:
        """An op with several new tensors, or none."""
        number = len(self.ops)
        made = tuple(
            self.tensor(shape=shape, producer=number, alias_of=alias_of, summary=summary)
            for _ in range(results)
        )
        self._add(Op(number, name, f"torch.{name}", inputs, made, call, **more))
        return made

    def passes_on(self, name: str, tensor: int) -> None:
        """An op that returns its input itself, like `contiguous` often does."""
        self._add(Op(len(self.ops), name, f"torch.{name}", (tensor,), (tensor,)))

    def read(self, tensor: int, value: Any, kind: str = "bool", call: int | None = None) -> None:
        number = len(self.ops)
        self._add(Op(number, kind, f"torch.Tensor.{kind}", (tensor,), (), call))
        self.decisions.append(Decision(len(self.decisions), number, tensor, value, kind))

    def _add(self, op: Op) -> None:
        if op.source is None:
            op = replace(op, source=Source("model.py", op.id + 1, 0, "forward"))
        self.ops.append(op)
        if op.module_call is not None:
            call = self.calls[op.module_call]
            self.calls[call.id] = replace(call, ops=(*call.ops, op.id))

    def step(self, first: int, last: int, kind: str = "optimizer_step") -> None:
        self.steps.append(Step(len(self.steps), kind, first, last, detail="SGD"))

    def grad(
        self, name: str, op: int | None, *following: int, in_pass: int = 0, **more: Any
    ) -> None:
        """An autograd node; `following` are numbers of nodes that come later."""
        about = {"parameter": None, "grad_inputs": (), "grad_outputs": (), "next": following}
        number = len(self.nodes)
        self.nodes.append(GradNode(number, name, op, pass_index=in_pass, **{**about, **more}))

    def recording(self, **more: Any) -> Recording:
        about: dict[str, Any] = {
            "module_calls": tuple(self.calls),
            "decisions": tuple(self.decisions),
            "grad_nodes": tuple(self.nodes),
            "steps": tuple(self.steps),
        }
        made = Recording(tuple(self.ops), dict(self.tensors), **{**about, **more})
        self_check(made)
        return made


def failed(op: int | None, message: str = "no") -> Failure:
    return Failure("RuntimeError", message, op, None)


def edges(view: GraphView, kind: str | None = None) -> set[tuple[str, str]]:
    """(source, target) of the edges of one kind, or of all."""
    return {(e.source, e.target) for e in view.edges if kind in (None, e.kind)}


def node(view: GraphView, name: str) -> Any:
    (found,) = (n for n in view.nodes if n.id == name)
    return found


def ids(view: GraphView) -> list[str]:
    return [n.id for n in view.nodes]


def boxes(view: GraphView) -> dict[str, str | None]:
    """Open boxes with the box around each."""
    return {box.id: box.parent for box in view.boxes}


def assert_sound(view: GraphView) -> None:
    """Ids are unique, and every edge, box and parent refers to something that is there."""
    names = ids(view)
    open_boxes = boxes(view)
    assert len(names) == len(set(names))
    assert len(view.boxes) == len(open_boxes)
    assert not set(names) & set(open_boxes)
    for edge in view.edges:
        assert edge.source in names, edge
        assert edge.target in names, edge
        assert edge.source != edge.target
    assert len(view.edges) == len({(e.source, e.target, e.kind) for e in view.edges})
    assert {n.box for n in view.nodes} | set(open_boxes.values()) <= {None, *open_boxes}
    for box in open_boxes:
        seen, step = set(), box
        while step is not None:
            assert step not in seen, "a box lies in itself"
            seen.add(step)
            step = open_boxes[step]
