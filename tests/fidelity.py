"""Runs a program with and without recording and compares everything a user could notice."""

from __future__ import annotations

import _thread
import concurrent.futures.thread
import contextlib
import dataclasses
import sys
import threading
from collections.abc import Callable, Iterator, Mapping
from typing import Any

import torch
import torch._dynamo  # optimizers import it in passing: here, so that it is no difference
from torch import nn
from torch.autograd.function import _SingleLevelFunction
from torch.nn.modules import module as module_hooks
from torch.nn.parameter import is_lazy
from torch.optim import optimizer as optimizer_hooks

import inspector

Program = Callable[[], Any]

QUICK = inspector.CaptureOptions(values="none", lines=False)
ALL = inspector.CaptureOptions(values="full", kernels=True)


def tensors_of(value: Any) -> Iterator[torch.Tensor]:
    """All tensors in a result, whatever it is made of."""
    if isinstance(value, torch.Tensor):
        yield value
    elif isinstance(value, Mapping):
        for item in value.values():
            yield from tensors_of(item)
    elif isinstance(value, (tuple, list)):
        for item in value:
            yield from tensors_of(item)
    elif dataclasses.is_dataclass(value):
        yield from tensors_of([getattr(value, f.name) for f in dataclasses.fields(value)])


def same_bits(a: torch.Tensor | None, b: torch.Tensor | None) -> bool:
    """Equal in type, shape, flags and every bit; two NaNs of one place are equal."""
    if a is None or b is None:
        return a is b
    facts = [(t.dtype, t.layout, t.is_nested, t.requires_grad, type(t)) for t in (a, b)]
    if facts[0] != facts[1]:
        return False
    if a.is_nested:
        return all(map(same_bits, a.unbind(), b.unbind()))
    if a.is_sparse:
        a, b = a.coalesce(), b.coalesce()
        return same_bits(a.indices(), b.indices()) and same_bits(a.values(), b.values())
    if a.is_quantized:
        return bool(torch.equal(a.int_repr(), b.int_repr()))
    if a.shape != b.shape or a.stride() != b.stride():
        return False
    if a.device.type == "meta":
        return True
    return bool(torch.equal(torch.nan_to_num(a.detach()), torch.nan_to_num(b.detach()))) and bool(
        torch.equal(a.detach().isnan(), b.detach().isnan())
    )


@dataclasses.dataclass
class Outcome:
    """What one run left behind."""

    outputs: list[torch.Tensor]
    state: list[torch.Tensor | None]
    gradients: list[torch.Tensor | None]
    rng: torch.Tensor
    error: tuple[type[BaseException], str] | None

    def differences(self, other: Outcome) -> list[str]:
        """What differs from `other`, in words."""
        found = []
        for what in ("outputs", "state", "gradients"):
            mine, theirs = getattr(self, what), getattr(other, what)
            if len(mine) != len(theirs):
                found.append(f"{len(mine)} {what}, not {len(theirs)}")
            found += [
                f"{what}[{i}] differs"
                for i, (a, b) in enumerate(zip(mine, theirs, strict=False))
                if not same_bits(a, b)
            ]
        if not torch.equal(self.rng, other.rng):
            found.append("random state differs")
        if self.error != other.error:
            found.append(f"{self.error}, not {other.error}")
        return found


def outcome(
    run: Callable[[], Any],
    held: Callable[[], Mapping[str, torch.Tensor | None]] = dict,
    around: Callable[[], contextlib.AbstractContextManager[Any]] = contextlib.nullcontext,
) -> Outcome:
    """Run `run()` inside `around()` from seed 0; `held` names parameters, buffers and leaves."""
    torch.manual_seed(0)
    error, result = None, None
    try:
        with around():
            result = run()
    except Exception as caught:
        error = (type(caught), str(caught))
    tensors = list(held().values())
    return Outcome(
        outputs=[t.clone() if not t.is_sparse else t for t in map(_kept, tensors_of(result))],
        state=[None if t is None else _kept(t) for t in tensors],
        gradients=[t.grad if t is not None and t.is_leaf else None for t in tensors],
        rng=torch.get_rng_state(),
        error=error,
    )


def _kept(tensor: torch.Tensor) -> torch.Tensor:
    with torch.no_grad():
        return tensor.detach().requires_grad_(tensor.requires_grad)


def module_state(module: nn.Module) -> dict[str, torch.Tensor | None]:
    """All parameters and buffers that hold something (those of lazy modules may not yet)."""
    named = {**dict(module.named_parameters()), **dict(module.named_buffers())}
    return {name: t for name, t in named.items() if not is_lazy(t)}


def global_state() -> dict[str, Any]:
    """Everything global that a recorder could leave changed."""
    hooks = {
        name: tuple(value.items())
        for home in (module_hooks, optimizer_hooks)
        for name, value in vars(home).items()
        if name.startswith("_global") and isinstance(value, dict)
    }
    return {
        **hooks,
        "function modes": [
            torch._C._get_function_stack_at(i) for i in range(torch._C._len_torch_function_stack())
        ],
        "dispatch modes": torch._C._len_torch_dispatch_stack(),
        "trace": sys.gettrace(),
        "profile": sys.getprofile(),
        "thread trace": threading.gettrace(),
        "thread profile": threading.getprofile(),
        "thread start": [
            vars(home).get(name)
            for home in (threading, _thread)
            for name in ("_start_new_thread", "_start_joinable_thread", "start_new_thread")
        ],
        "work item": concurrent.futures.thread._WorkItem.run,
        "engine": torch.autograd.Variable._execution_engine,
        "function apply": dict(vars(_SingleLevelFunction)),
        "script function": vars(torch._C.ScriptFunction)["__call__"],
        "script method": vars(torch._C.ScriptMethod)["__call__"],
        "question": torch.overrides.has_torch_function,
        "dynamo": torch._dynamo.eval_frame._maybe_set_eval_frame,
        "compiled call": vars(torch._dynamo.eval_frame.OptimizedModule)["__call__"],
        "compile": torch.compile,
        "tracing": (torch.jit._trace._trace_impl, torch.jit._trace.trace_module),
        "module call": nn.Module.__call__,
        "grad mode": torch.is_grad_enabled(),
        "saved tensor hooks": torch._C._autograd._top_saved_tensors_default_hooks(True),
        "backward": (torch.Tensor.backward, torch.autograd.backward, torch.autograd.grad),
        "anomaly": torch.is_anomaly_enabled(),
        "autocast": torch.is_autocast_enabled("cpu"),
    }
