"""What must be the same for every input: the model, and the random states."""

from __future__ import annotations

import contextlib
import copy
import functools
import operator
import random
import sys
import types
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor, nn
from torch.nn.parameter import is_lazy

from inspector.torchscript.kept import reached_modules


@dataclass(frozen=True, slots=True)
class RandomState:
    """The states of the generators of Python, NumPy and torch; can be sent to other processes."""

    python: Any
    numpy: Any
    torch: Tensor
    accelerators: tuple[Tensor, ...]

    @classmethod
    def now(cls) -> RandomState:
        """The present states."""
        numpy = sys.modules["numpy"]  # torch has loaded it
        on_gpu = torch.cuda.get_rng_state_all() if torch.cuda.is_initialized() else []
        return cls(
            random.getstate(), numpy.random.get_state(), torch.get_rng_state(), tuple(on_gpu)
        )

    def apply(self) -> None:
        """Make these the present states."""
        random.setstate(self.python)
        sys.modules["numpy"].random.set_state(self.numpy)
        torch.set_rng_state(self.torch)
        if self.accelerators and torch.cuda.is_initialized():
            torch.cuda.set_rng_state_all(list(self.accelerators))


@dataclass(frozen=True, slots=True)
class Start:
    """What each run starts with, besides the model: can be sent to other processes."""

    random: RandomState
    grad: bool

    @classmethod
    def now(cls) -> Start:
        """The present random states, and whether autograd is on in this thread."""
        return cls(RandomState.now(), torch.is_grad_enabled())

    @contextlib.contextmanager
    def applied(self) -> Iterator[None]:
        """Random states and grad mode as at the start; those of before again after the block."""
        before = RandomState.now()
        self.random.apply()
        try:
            with torch.set_grad_enabled(self.grad):
                yield
        finally:
            before.apply()


def needs_copies(model: Any) -> bool:
    """Whether a callable has state that nobody here knows how to put back.

    So has an object that is no module, and a module whose parameters get their shapes, and which
    itself gets another class, in its first run.
    """
    owner = model.__self__ if isinstance(model, types.MethodType) else model
    if isinstance(owner, nn.Module):
        return any(is_lazy(tensor) for tensor in (*owner.parameters(), *owner.buffers()))
    known = (types.FunctionType, types.BuiltinFunctionType, functools.partial, type)
    return not isinstance(owner, known)


def is_torchscript(model: Any) -> bool:
    """Whether a callable is TorchScript already: a run of it is recorded as one op."""
    return isinstance(model, torch.jit.ScriptModule | torch.jit.ScriptFunction)


def copied(model: Callable[..., Any]) -> Callable[..., Any] | None:
    """A deep copy; None where there cannot be one."""
    try:
        return copy.deepcopy(model)
    except Exception:  # whatever a user's class raises
        return None


class ModelState:
    """The modules that a model reaches, as they are now.

    Parameters, buffers, gradients and attributes; of lists, dicts and sets among these also
    what they hold. What a run changes deeper inside of an attribute stays.
    """

    def __init__(self, model: Callable[..., Any]) -> None:
        names = _names(model)
        self._modules = [
            _Attributes(names.get(id(module), type(module).__name__), module)
            for module in reached_modules(model)
            if not isinstance(module, torch.jit.ScriptModule)
        ]
        self._tensors = [
            (name, tensor, _version(tensor), tensor.detach().clone())
            for name, tensor in _held(model)
        ]
        self._grads = [
            (tensor, tensor.grad, None if tensor.grad is None else tensor.grad.detach().clone())
            for _, tensor, _, _ in self._tensors
            if tensor.is_leaf
        ]

    def put_back(self) -> list[str]:
        """Undo what a run has changed; the paths of that."""
        changed: list[str] = []
        for module in self._modules:
            changed += module.put_back()
        for name, tensor, version, value in self._tensors:
            if _differs(tensor, version, value):
                _write(tensor, version, value)
                changed.append(name)
        for tensor, grad, before in self._grads:
            if tensor.grad is not grad:
                tensor.grad = grad
            if grad is not None and before is not None and not _equal(grad, before):
                _write(grad, None, before)
        return changed


def _names(model: Callable[..., Any]) -> dict[int, str]:
    """Paths of the submodules of a module, by id()."""
    if not isinstance(model, nn.Module):
        return {}
    return {id(module): name for name, module in model.named_modules()}


def _joined(path: str, name: str) -> str:
    return f"{path}.{name}" if path else name


def _held(model: Callable[..., Any]) -> Iterator[tuple[str, Tensor]]:
    """Parameters and buffers, each once, by their paths."""
    names, seen = _names(model), set()
    for module in reached_modules(model):
        path = names.get(id(module), type(module).__name__)
        for named in (module.named_parameters(recurse=False), module.named_buffers(recurse=False)):
            for name, tensor in named:
                if id(tensor) not in seen and not is_lazy(tensor):
                    seen.add(id(tensor))
                    yield _joined(path, name), tensor


class _Attributes:
    """The attributes of one module, and what those hold that are plain containers."""

    def __init__(self, path: str, module: nn.Module) -> None:
        self._path, self._own = path, vars(module)
        self._before = dict(self._own)
        self._containers = [
            (name, value, value.copy())
            for name, value in self._own.items()
            if isinstance(value, dict | list | set)
        ]

    def put_back(self) -> list[str]:
        """Set back what is not as before; the paths of that."""
        changed = []
        if not _same(self._own, self._before):
            names = dict.fromkeys((*self._own, *self._before))
            changed = [n for n in names if self._own.get(n, self) is not self._before.get(n, self)]
            _fill(self._own, self._before)
        for name, container, content in self._containers:
            if not _same(container, content):
                _fill(container, content)
                changed.append(name)
        return [_joined(self._path, name) for name in changed]


def _same(container: Any, content: Any) -> bool:
    """Whether a container holds the same objects as before.

    There are some twenty attributes a module, and most dicts among them are empty.
    """
    if len(container) != len(content):
        return False
    if not container:
        return True
    if isinstance(container, dict):
        values = map(operator.is_, container.values(), content.values())
        return container.keys() == content.keys() and all(values)
    if isinstance(container, set):
        return bool(container == content)
    return all(map(operator.is_, container, content))


def _fill(container: Any, content: Any) -> None:
    container.clear()
    if isinstance(container, list):
        container.extend(content)
    else:
        container.update(content)


def _version(tensor: Tensor) -> int | None:
    """How often it was written in place; None for those that do not count (inference mode)."""
    return None if tensor.is_inference() else tensor._version


def _differs(tensor: Tensor, version: int | None, value: Tensor) -> bool:
    # Not by the version alone: batch norm writes its statistics without raising it.
    return _version(tensor) != version or not _equal(tensor, value)


def _equal(tensor: Tensor, value: Tensor) -> bool:
    """Whether all values are the same, NaN too; what cannot be compared counts as unchanged."""
    try:
        if torch.equal(tensor, value):
            return True
        both_nan = (tensor != tensor) & (value != value)
        return bool(((tensor == value) | both_nan).all())
    except (RuntimeError, NotImplementedError):  # meta, some sparse and quantised ones
        return True


def _write(tensor: Tensor, version: int | None, value: Tensor) -> None:
    with torch.no_grad():
        tensor.copy_(value)
    if version is not None:
        # A graph that saved this tensor may still be waiting for its backward pass.
        torch._C._autograd._unsafe_set_version_counter((tensor,), (version,))
