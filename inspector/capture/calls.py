"""What kind of call a torch function is, and how it is called in a recording."""

from __future__ import annotations

import enum
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import torch
from torch.overrides import resolve_name


@dataclass(frozen=True)
class Opaque:
    """Stands for a call whose inside is not Python torch code that runs op by op.

    Args:
        name: the op's name, as in "ScriptModule.forward".
        function: the qualified name.
    """

    name: str
    function: str

    @property
    def __name__(self) -> str:
        return self.name

    def __call__(self) -> None:
        """Callable in name only: the real function is not kept."""


def named_after(function: type[torch.autograd.Function]) -> Opaque:
    """The op that a call of a custom `autograd.Function` is."""
    name = function.__name__.removesuffix("Generated")  # the suffix is torch.func's
    return Opaque(name, f"{function.__module__}.{function.__qualname__}.apply")


class CallKind(enum.Enum):
    """How the recorder treats a function."""

    COMPUTE = "compute"  # an op if it makes, writes or reads tensor values
    METADATA = "metadata"  # never an op: shapes, flags, printing, hooks
    BACKWARD = "backward"  # runs the autograd engine, where `gates.py` waits for it
    SET_GRAD = "set grad"  # assigns to Tensor.grad
    SET_DATA = "set data"  # assigns to Tensor.data: a write that autograd cannot see
    CUSTOM = "custom"  # an autograd.Function inside torch.func, the first argument
    COLLECTIVE = "collective"  # writes into its tensors behind autograd's back, perhaps later
    FUNCTIONAL = "functional"  # a collective that returns a tensor which is filled later
    MARKER = "marker"  # the profiler's range markers: tell of Optimizer.zero_grad


_METADATA_METHODS = frozenset(
    (
        "__dir__", "__format__", "__hash__", "__reduce__", "__reduce_ex__", "__repr__",
        "__str__", "_is_view", "_is_zerotensor", "_typed_storage", "backward_hooks", "can_cast",
        "data_ptr", "dense_dim", "dim", "dim_order", "element_size", "get_default_dtype",
        "get_device", "has_names", "is_coalesced", "is_complex", "is_conj", "is_contiguous",
        "is_distributed", "is_floating_point", "is_inference", "is_neg", "is_pinned",
        "is_same_size", "is_set_to", "is_shared", "is_signed", "is_storage", "is_tensor",
        "ndimension", "nelement", "numel", "q_scale", "q_zero_point", "qscheme",
        "register_hook", "register_post_accumulate_grad_hook", "requires_grad_", "result_type",
        "retain_grad", "size", "sparse_dim", "storage", "storage_offset", "storage_type",
        "stride", "type_as_string", "untyped_storage",
    )
)  # fmt: skip

_TENSOR_ATTRIBUTES = frozenset(("H", "T", "data", "imag", "mH", "mT", "real"))
"""Attributes that are tensors made on reading; `grad` hands out one that exists already."""

_BACKWARD = frozenset((torch.Tensor.backward, torch.autograd.backward, torch.autograd.grad))

_COLLECTIVES = "torch.distributed.distributed_c10d"

_READS = {
    "__bool__": "bool",
    "__int__": "int",
    "__float__": "float",
    "__complex__": "complex",
    "__index__": "index",
    "__len__": "len",
    "__contains__": "contains",
}


class CallTable:
    """Classifies functions, remembering the answer per function."""

    def __init__(self) -> None:
        self.kinds: dict[Callable[..., Any], CallKind] = {}  # of those met so far

    def kind(self, func: Callable[..., Any]) -> CallKind:
        """The kind of `func`."""
        known = self.kinds.get(func)
        if known is None:
            known = self.kinds[func] = _classify(func)
        return known


def _classify(func: Callable[..., Any]) -> CallKind:
    name = getattr(func, "__name__", "")
    if getattr(func, "__module__", "") == _COLLECTIVES:
        return CallKind.COLLECTIVE
    if str(getattr(func, "_qualified_op_name", "")).startswith("_c10d_functional::"):
        return CallKind.FUNCTIONAL
    if func in _BACKWARD:
        return CallKind.BACKWARD
    if name == "__set__":
        attribute = qualified_name(func)
        if attribute == "torch.Tensor.grad.__set__":
            return CallKind.SET_GRAD
        return CallKind.SET_DATA if attribute == "torch.Tensor.data.__set__" else CallKind.METADATA
    if name == "__get__":
        attribute = qualified_name(func).split(".")[-2]
        return CallKind.COMPUTE if attribute in _TENSOR_ATTRIBUTES else CallKind.METADATA
    if name == "custom_function_call":
        return CallKind.CUSTOM
    if name == "_record_function_enter_new":
        return CallKind.MARKER
    if name in _METADATA_METHODS or name in ("_record_function_exit", "_set_grad_enabled"):
        return CallKind.METADATA
    return CallKind.COMPUTE


_resolve: Callable[[Any], str | None] = getattr(resolve_name, "__wrapped__", resolve_name)
"""Without its filter of warnings: Python forgets what it has shown when a filter is set, and would
show the program's warnings again."""


def qualified_name(func: Callable[..., Any]) -> str:
    """As in "torch.nn.functional.linear"; functions torch can't name go by module and qualname."""
    if isinstance(func, Opaque):
        return func.function
    name = _resolve(func)
    if name is None:
        module = getattr(func, "__module__", None) or "torch"
        name = f"{module}.{getattr(func, '__qualname__', type(func).__name__)}"
    return str(name)


def plain_name(func: Callable[..., Any]) -> str:
    """The op's name as people say it: "linear", "add", "getitem", "bool", "T"."""
    if isinstance(func, Opaque):
        return func.name
    name = str(getattr(func, "__name__", type(func).__name__))
    if name in ("__get__", "__set__"):  # x.T, x.data = ...: the property's name
        attribute = qualified_name(func).split(".")[-2]
        return attribute if name == "__get__" else f"set_{attribute}"
    if name in _READS:
        return _READS[name]
    if name.startswith("__") and name.endswith("__"):
        return name.strip("_")
    return name
