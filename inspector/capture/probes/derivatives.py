"""Whether the backward of each op fits its forward, by finite differences in double precision.

Each op of the run is taken by itself, with what it was given: a small step along a random
direction must change the result as the op's own backward says (a directional derivative, as in
`torch.autograd.gradcheck` with `fast_mode`). So a wrong backward shows at the op that has it, and
not as a wrong gradient somewhere far above.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor, nn
from torch.autograd.function import Function, _SingleLevelFunction
from torch.overrides import TorchFunctionMode
from torch.utils._pytree import tree_flatten, tree_map_only, tree_unflatten

from inspector.capture.arguments import tensors_in
from inspector.capture.calls import CallKind, CallTable, named_after, plain_name
from inspector.capture.gates import Replaced, Replacement
from inspector.capture.options import CaptureOptions
from inspector.capture.record import record
from inspector.errors import CaptureError
from inspector.found import Finding
from inspector.language import sentence
from inspector.records import Op, Recording
from inspector.torchscript.kept import modules_kept, random_state_kept, reached_modules

RULE_NAME = "wrong-backward"

STEPS = (1e-6, 1e-7)
"""Steps along the direction; a kink (a ReLU at 0) may disturb one of them, hardly both."""

TOLERANCE = 1e-3
"""Relative difference between both derivatives from which on the backward is wrong."""

_OPTIONS = CaptureOptions(values="none", lines=False, backward=False)


@dataclass(frozen=True, slots=True)
class _Call:
    """One outermost call, with copies of what it was given."""

    name: str
    run: Callable[..., Any]
    args: tuple[Any, ...]
    kwargs: dict[str, Any]


@dataclass(frozen=True, slots=True)
class _Slopes:
    """The change of an op's result per step: as its backward says, and as measured."""

    told: float
    measured: float

    @property
    def differ(self) -> bool:
        size = max(abs(self.told), abs(self.measured))
        return not abs(self.told - self.measured) <= TOLERANCE * size + 1e-7


def probe_gradients(fn: Callable[..., Any], *args: Any) -> tuple[Finding, ...]:
    """Compare the backward of each op of a run with finite differences.

    Args:
        fn: a module or function. It runs twice, the second time in float64; its values, gradients
            and dtypes and the random state stay as they were.
        *args: what it is called with; all floating-point tensors count as inputs to vary.

    Returns:
        A warning for each op whose backward does not fit its forward, with both numbers, in the
        order of the run. Its op is the number of the op in a recording of the same call.

    Raises:
        CaptureError: `fn` fails, or does so in float64.
    """
    with ExitStack() as stack:
        modules = list(fn.modules()) if isinstance(fn, nn.Module) else reached_modules(fn)
        stack.enter_context(random_state_kept())
        stack.enter_context(modules_kept(modules))
        recording = _recorded(fn, args)
        stack.enter_context(_in_double(modules))
        calls = _calls(fn, tree_map_only(Tensor, _varying, args))
        found = [(call, op, _checked(call)) for call, op in _paired(calls, recording)]
    return tuple(_finding(call, op, slopes) for call, op, slopes in found if slopes is not None)


def _recorded(fn: Callable[..., Any], args: tuple[Any, ...]) -> Recording:
    with torch.random.fork_rng(devices=[]):
        torch.default_generator.manual_seed(0)
        recording = record(fn, *tree_map_only(Tensor, _plain_copy, args), options=_OPTIONS)
    if recording.failure is not None:
        failure = recording.failure
        raise CaptureError(
            sentence(
                "The probe could not run the function: {type}: {message}",
                type=failure.type,
                message=failure.message,
            )
        )
    return recording


def _plain_copy(value: Tensor) -> Tensor:
    return value.detach().clone()


@contextmanager
def _in_double(modules: Sequence[nn.Module]) -> Iterator[None]:
    """Parameters, buffers and the default dtype in float64, and the very same ones back after."""
    held = {
        id(tensor): tensor
        for module in modules
        for tensor in (*module._parameters.values(), *module._buffers.values())
        if tensor is not None and tensor.is_floating_point()
    }
    before = [(tensor, tensor.data) for tensor in held.values()]
    default = torch.get_default_dtype()
    torch.set_default_dtype(torch.float64)
    try:
        for tensor, data in before:
            tensor.data = data.double()
        yield
    finally:
        torch.set_default_dtype(default)
        for tensor, data in before:
            tensor.data = data


def _varying(value: Tensor) -> Tensor:
    """A copy; of floats one in float64 that requires grad."""
    if not value.is_floating_point():
        return _plain_copy(value)
    # The second clone is no leaf: the function may write into it.
    return value.detach().double().clone().requires_grad_().clone()


class _Watch(TorchFunctionMode):
    """Keeps each outermost call whose result requires grad, with what it was given."""

    def __init__(self) -> None:
        super().__init__()
        self.calls: list[_Call] = []
        self._kind = CallTable().kind

    def __torch_function__(
        self, func: Any, types: Any, args: tuple[Any, ...] = (), kwargs: Any = None
    ) -> Any:
        kwargs = kwargs or {}
        if self._kind(func) is not CallKind.COMPUTE:
            return func(*args, **kwargs)
        return self.run(plain_name(func), func, args, kwargs)

    def run(self, name: str, call: Callable[..., Any], args: Any, kwargs: Any) -> Any:
        given = _kept((args, kwargs))
        result = call(*args, **kwargs)
        if any(t.requires_grad for t in tensors_in(result)):
            self.calls.append(_Call(name, call, *given))
        return result

    def apply(self) -> Any:
        """What stands for `Function.apply`, which no mode sees."""
        watch = self

        def apply(cls: type[Function], *args: Any, **kwargs: Any) -> Any:
            original = super(_SingleLevelFunction, cls).apply  # type: ignore[misc]
            return watch.run(plain_name(named_after(cls)), original, args, kwargs)

        return classmethod(apply)


def _kept(value: Any) -> Any:
    """Copies of the tensors: the program may write into them later."""
    with torch._C.DisableTorchFunction():
        return tree_map_only(
            Tensor, lambda t: t.detach().clone().requires_grad_(t.requires_grad), value
        )


def _calls(fn: Callable[..., Any], args: tuple[Any, ...]) -> list[_Call]:
    watch = _Watch()
    with torch.random.fork_rng(devices=[]), torch.enable_grad():
        torch.default_generator.manual_seed(0)
        try:
            with Replaced((Replacement(_SingleLevelFunction, "apply", watch.apply()),)), watch:
                fn(*args)
        except Exception as error:
            message = sentence(
                "The probe could not run the function in float64: {type}: {error}",
                type=type(error).__name__,
                error=str(error),
            )
            raise CaptureError(message) from error
    return watch.calls


def _paired(calls: list[_Call], recording: Recording) -> Iterator[tuple[_Call, Op | None]]:
    """Each call with its op in the recording: the next one of the same name."""
    place = 0
    for call in calls:
        ops = recording.ops
        found = next((i for i in range(place, len(ops)) if ops[i].name == call.name), None)
        if found is not None:
            place = found + 1
        yield call, None if found is None else ops[found]


def _checked(call: _Call) -> _Slopes | None:
    """Both slopes where they differ, with both step sizes; None where the backward is right."""
    slopes = None
    for seed, step in enumerate(STEPS):
        try:
            slopes = _slopes(call, seed, step)
        except Exception:  # the op cannot be run once more by itself: nothing is said of it
            return None
        if slopes is None or not slopes.differ:
            return None
    return slopes


def _slopes(call: _Call, seed: int, step: float) -> _Slopes | None:
    leaves, structure = tree_flatten((call.args, call.kwargs))
    varied = [i for i, leaf in enumerate(leaves) if isinstance(leaf, Tensor) and leaf.requires_grad]
    chance = torch.Generator().manual_seed(seed)
    ways = [torch.randn(leaves[i].shape, generator=chance).to(leaves[i].dtype) for i in varied]
    starts = [leaves[i].detach().clone().requires_grad_() for i in varied]

    def run(inputs: Sequence[Tensor]) -> list[Tensor]:
        given = [leaf.clone() if isinstance(leaf, Tensor) else leaf for leaf in leaves]
        for i, value in zip(varied, inputs, strict=True):
            given[i] = value.clone()  # no leaf: the op may write into it
        args, kwargs = tree_unflatten(given, structure)
        with torch.random.fork_rng(devices=[]):
            torch.default_generator.manual_seed(seed)
            result = call.run(*args, **kwargs)
        return [t for t in tensors_in(result) if t.is_floating_point()]

    made = [t for t in run(starts) if t.requires_grad]
    heads = [torch.randn(t.shape, generator=chance).to(t.dtype) for t in made]
    if not made or any(t.dtype is not torch.float64 for t in made):
        return None
    grads = torch.autograd.grad(made, starts, heads, allow_unused=True)
    told = sum(
        float((grad * way).sum()) for grad, way in zip(grads, ways, strict=True) if grad is not None
    )
    ends = []
    with torch.no_grad():
        for sign in (step, -step):
            moved = run([start + sign * way for start, way in zip(starts, ways, strict=True)])
            pairs = zip(moved, heads, strict=True)
            ends.append(sum(float((value * head).sum()) for value, head in pairs))
    measured = (ends[0] - ends[1]) / (2 * step)
    if not math.isfinite(told) or not math.isfinite(measured):
        return None
    # Below this a difference of results of that size is rounding, not slope.
    rounding = 1e-15 * max(abs(ends[0]), abs(ends[1]), 1.0) / step
    return None if abs(told - measured) <= 10 * rounding else _Slopes(told, measured)


def _finding(call: _Call, op: Op | None, slopes: _Slopes) -> Finding:
    name: str = call.name
    if op is not None and op.source is not None:
        name = sentence("{op} (line {line})", op=name, line=op.source.line)
    return Finding(
        RULE_NAME,
        "warning",
        sentence(
            "The backward of {op} does not fit its forward: along one random direction it says "
            "that the result changes by {told:.6g} per step, and it changes by {measured:.6g}.",
            op=name,
            told=slopes.told,
            measured=slopes.measured,
        ),
        op=None if op is None else op.id,
        tensor=op.outputs[0] if op is not None and op.outputs else None,
        source=None if op is None else op.source,
        help=sentence(
            "Work the derivative out anew, and check the Function with torch.autograd.gradcheck. "
            "(A straight-through estimator differs on purpose.)"
        ),
    )
