"""Random small programs: recording changes no bit, is reproducible, and can be replayed."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy
import torch
from fidelity import ALL
from hypothesis import given, settings
from hypothesis import strategies as st

import inspector
from inspector.check import self_check

Step = Callable[[torch.Tensor, torch.Tensor], torch.Tensor]

STEPS: dict[str, Step] = {
    "add": lambda a, b: a + b,
    "mul": lambda a, b: a * b * 0.5,
    "exp": lambda a, b: (-a.abs()).exp(),
    "matmul": lambda a, b: a @ b.mT * 0.1,
    "softmax": lambda a, b: a.softmax(-1),
    "cat and cut": lambda a, b: torch.cat([a, b])[1 : 1 + a.shape[0]],
    "flip": lambda a, b: a.flip(0).mT,
    "in place": lambda a, b: (a * 1).add_(b),
    "through a view": lambda a, b: _written(a, b),
    "without grad": lambda a, b: _frozen(a) + b,
    "detached": lambda a, b: a.detach() + b,
    "decision": lambda a, b: a if a.sum() > b.sum() else b * 2,
    "random": lambda a, b: torch.nn.functional.dropout(a, 0.5),
    "where": lambda a, b: torch.where(a > b, a, b),
    "rows": lambda a, b: torch.stack([row * 2 for row in a]),
}


def _written(a: torch.Tensor, b: torch.Tensor) -> torch.Tensor:
    base = a.clone(memory_format=torch.contiguous_format)
    base[0] += b[-1]
    base.view(-1)[::2].mul_(0.5)
    return base


def _frozen(a: torch.Tensor) -> torch.Tensor:
    with torch.no_grad():
        return a * 2


programs = st.lists(
    st.tuples(st.sampled_from(sorted(STEPS)), st.integers(0, 7), st.integers(0, 7)),
    min_size=1,
    max_size=8,
)


def execute(program: list[tuple[str, int, int]]) -> tuple[list[torch.Tensor], torch.Tensor]:
    """Run on two fresh leaves; returns all results and the leaves' gradients in one tensor."""
    torch.manual_seed(0)
    leaves = [torch.randn(3, 3, requires_grad=True) for _ in range(2)]
    values = list(leaves)
    for name, i, j in program:
        values.append(STEPS[name](values[i % len(values)], values[j % len(values)]))
    total = sum(value.sum() for value in values)
    total.backward()
    gradients = torch.stack([leaf.grad for leaf in leaves])
    return [value.detach().clone() for value in values], gradients


def recorded(program: Any, options: inspector.CaptureOptions) -> Any:
    with inspector.recording(options) as session:
        results = execute(program)
    self_check(session.recording)
    return *results, session.recording


@settings(max_examples=25, deadline=None)
@given(programs)
def test_outputs_gradients_and_random_state_are_bit_equal(program: Any) -> None:
    values, gradients = execute(program)
    state = torch.get_rng_state()
    for options in (inspector.CaptureOptions(), ALL):
        again, gradients_again, recording = recorded(program, options)
        assert recording.notes == ()
        assert all(map(torch.equal, values, again))
        assert torch.equal(gradients, gradients_again)
        assert torch.equal(state, torch.get_rng_state())


@settings(max_examples=8, deadline=None)
@given(programs)
def test_the_text_is_the_same_each_time(program: Any) -> None:
    first, second = (recorded(program, inspector.CaptureOptions())[2] for _ in range(2))
    assert first.to_text() == second.to_text()


REPLAYED: dict[str, Callable[..., Any]] = {
    "add": numpy.add,
    "mul": numpy.multiply,
    "exp": numpy.exp,
    "abs": numpy.abs,
    "neg": numpy.negative,
    "matmul": numpy.matmul,
    "gt": numpy.greater,
    "sum": numpy.sum,
    "where": numpy.where,
    "stack": lambda *parts: numpy.stack(parts),
    "cat": lambda *parts: numpy.concatenate(parts),
    "clone": numpy.array,
}


@settings(max_examples=15, deadline=None)
@given(programs)
def test_each_op_replayed_by_numpy_from_its_recorded_inputs_gives_its_recorded_output(
    program: Any,
) -> None:
    recording = recorded(program, inspector.CaptureOptions(values="full"))[2]
    for op in recording.ops:
        replay = REPLAYED.get(op.name)
        if replay is None or op.phase == "backward" or "=" in op.arguments:
            continue
        given_values = [recording.values[i] for i in op.inputs]
        numbers = [
            float(part) for part in op.arguments.split(", ") if not part.lstrip("[").startswith("%")
        ]
        scale = numbers if op.name in ("add", "mul") else []
        if op.name == "sum" and len(given_values) != 1:
            continue
        expected = replay(*given_values, *scale)
        (output,) = op.outputs
        assert recording.tensors[output].shape == numpy.shape(expected), op
        assert numpy.allclose(recording.values[output], expected, rtol=1e-4, atol=1e-5), op


@settings(max_examples=15, deadline=None)
@given(programs)
def test_every_value_has_one_producer_and_versions_never_fall(program: Any) -> None:
    recording = recorded(program, inspector.CaptureOptions(values="none"))[2]
    made: dict[int, int] = {}
    for op in recording.ops:
        for tensor in op.outputs:
            if recording.tensors[tensor].producer == op.id:
                assert made.setdefault(tensor, op.id) == op.id
        for before in op.overwrites:
            after = [t for t in op.outputs if recording.tensors[t].alias_of == before]
            assert after
            assert all(
                recording.tensors[t].version > recording.tensors[before].version for t in after
            )
    for tensor in recording.tensors.values():
        assert tensor.producer is None or tensor.id in made or tensor.alias_of is not None
