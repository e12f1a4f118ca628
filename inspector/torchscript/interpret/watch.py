"""Keeps what each execution of each node made, within bounds."""

from __future__ import annotations

import weakref
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Literal

import torch

from inspector.records import IRNode
from inspector.static_run import StaticValue
from inspector.torchscript.interpret.describe import describe

_REMEMBERED = 4096


@dataclass(frozen=True, slots=True)
class InterpretOptions:
    """Choices for `interpret`.

    Args:
        values: "none" keeps counts only; "stats" a `StaticValue` of each value that a node
            makes; "live" also the values themselves, within `value_budget_mb`.
        max_values: stop keeping values, not the run, after this many executions (about
            1 kB each).
        max_visits: keep the values of this many executions of one node, so that a long loop
            leaves room for what comes after it.
        max_steps: keep the order of this many executions.
        max_executions: end the run, as a failure, before it starts more executions of nodes
            than this, so that a loop without an end comes to one. They are counted when a
            block of the graph is entered; what a call runs unseen counts too.
        value_budget_mb: memory for live tensors, in units of 2**20 bytes; a tensor beyond it
            is kept without its live value.
    """

    values: Literal["stats", "none", "live"] = "stats"
    max_values: int = 50_000
    max_visits: int = 1_000
    max_steps: int = 200_000
    max_executions: int = 5_000_000
    value_budget_mb: float = 256.0

    def __post_init__(self) -> None:
        if self.values not in ("stats", "none", "live"):
            raise ValueError(f'values must be "stats", "none" or "live", not {self.values!r}')
        for name in (
            "max_values",
            "max_visits",
            "max_steps",
            "max_executions",
            "value_budget_mb",
        ):
            if getattr(self, name) < 0:
                raise ValueError(f"{name} must not be negative, it is {getattr(self, name)}")


class Watch:
    """Collects the values of one run. `dropped` counts executions whose values were not kept."""

    def __init__(self, nodes: Sequence[IRNode], options: InterpretOptions) -> None:
        self.rows: dict[int, list[tuple[StaticValue, ...]]] = {}
        self.dropped = 0
        self.beyond_budget = 0
        self._nodes = nodes
        self._fixed: dict[int, tuple[StaticValue, ...]] = {}
        self._options = options
        self._live = options.values == "live"
        self._room = options.max_values
        self._bytes = int(options.value_budget_mb * 2**20)
        self._storages: set[int] = set()
        self._known: dict[int, tuple[Any, int, StaticValue]] = {}

    def note(self, node: int, places: Sequence[int], slots: Sequence[Any]) -> None:
        """Keep the outputs of an execution that has just completed."""
        rows = self.rows.get(node)
        if rows is None:
            rows = self.rows[node] = []
        if self._room <= 0 or len(rows) >= self._options.max_visits:
            self.dropped += 1
            return
        self._room -= 1
        made = self._fixed.get(node)
        rows.append(self._made(self._nodes[node], places, slots) if made is None else made)

    def _made(
        self, node: IRNode, places: Sequence[int], slots: Sequence[Any]
    ) -> tuple[StaticValue, ...]:
        if "module" in node.attributes:
            path = node.attributes["module"]
            made: tuple[StaticValue, ...] = (
                StaticValue(type=node.types[0], text=f"module {path!r}"),
            )
        else:
            made = tuple(
                [
                    self.value(slots[place], type_)
                    for place, type_ in zip(places, node.types, strict=True)
                ]
            )
        if node.kind == "prim::Constant" or "module" in node.attributes:
            self._fixed[node.id] = made  # always the same
        return made

    def value(self, value: Any, type_: str) -> StaticValue:
        """The record of one value; of a tensor that was seen unchanged before, the same one."""
        if not isinstance(value, torch.Tensor):
            return describe(value, type_, self._live and self._affordable(value))
        version = _version(value)
        known = self._known.get(id(value))
        if known is not None and known[0]() is value and known[1] == version:
            return known[2]
        made = describe(value, type_, self._live and self._affordable(value))
        if version >= 0:
            if len(self._known) >= _REMEMBERED:
                self._known.clear()
            self._known[id(value)] = (weakref.ref(value), version, made)
        return made

    def _affordable(self, value: Any) -> bool:
        """Whether the memory behind a live value is within the budget; views cost nothing."""
        for tensor in _tensors(value):
            try:
                storage = tensor.untyped_storage()
                address, size = storage.data_ptr(), storage.nbytes()
            except (RuntimeError, NotImplementedError):  # sparse and nested tensors have none
                address, size = id(tensor), tensor.numel() * tensor.element_size()
            if address in self._storages:
                continue
            if size > self._bytes:
                self.beyond_budget += 1
                return False
            self._bytes -= size
            self._storages.add(address)
        return True

    def notes(self) -> list[str]:
        """What was left out, in words."""
        notes = []
        if self.dropped:
            notes.append(
                f"The values of {self.dropped:,} executions were not kept: the limits are "
                f"{self._options.max_values:,} in all and {self._options.max_visits:,} of one node."
            )
        if self.beyond_budget:
            notes.append(
                f"{self.beyond_budget:,} live values were not kept: they are beyond "
                f"{self._options.value_budget_mb:g} MiB."
            )
        return notes


def _version(tensor: torch.Tensor) -> int:
    return -1 if tensor.is_inference() else tensor._version


def _tensors(value: Any) -> list[torch.Tensor]:
    if isinstance(value, torch.Tensor):
        return [value]
    if isinstance(value, list | tuple):
        return [tensor for each in value for tensor in _tensors(each)]
    if isinstance(value, dict):
        return [tensor for each in value.values() for tensor in _tensors(each)]
    return []
