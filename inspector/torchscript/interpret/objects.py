"""Instances of TorchScript classes, and the attributes of modules.

A module gives out its lists, dicts and instances as copies. While a run lasts each is read
once, so that all parts of the program change the same one; what was changed is put back.
"""

from __future__ import annotations

from typing import Any

import torch

_PLAIN = (
    torch.Tensor,
    torch.nn.Parameter,
    torch._C.ScriptModule,
    int,
    float,
    bool,
    str,
    type(None),
    torch.device,
)


class Instance:
    """An instance of a TorchScript class: its attributes are this object's."""

    def __init__(self, type_name: str) -> None:
        self._type_name = type_name

    def __repr__(self) -> str:
        shown = ", ".join(f"{name}={value!r}" for name, value in fields_of(self).items())
        return f"{self._type_name.rpartition('.')[2]}({shown})"


def fields_of(value: Any) -> dict[str, Any]:
    """The attributes of an instance by name."""
    known = vars(value) if hasattr(value, "__dict__") else {}
    return {name: each for name, each in known.items() if name != "_type_name"}


class Attributes:
    """The attributes of the modules of one run."""

    def __init__(self) -> None:
        self._read: dict[tuple[Any, str], tuple[Any, Any]] = {}

    def get(self, owner: Any, name: str) -> Any:
        """An attribute of a `torch._C.ScriptModule` or of an instance."""
        if type(owner) is not torch._C.ScriptModule:
            return getattr(owner, name)
        module: Any = owner
        value = module.getattr(name)
        if type(value) in _PLAIN:
            return value
        key = (owner, name)
        if key not in self._read:
            self._read[key] = (value, _snapshot(value))
        return self._read[key][0]

    def set(self, owner: Any, name: str, value: Any) -> None:
        """Assign an attribute of a module or of an instance."""
        if type(owner) is not torch._C.ScriptModule:
            setattr(owner, name, value)
            return
        self._read.pop((owner, name), None)
        owner.setattr(name, value)
        if type(value) not in _PLAIN:
            self._read[owner, name] = (value, _snapshot(value))

    def put_back(self) -> None:
        """Give the modules what was changed inside of lists, dicts and instances."""
        for (owner, name), (value, before) in list(self._read.items()):
            now = _snapshot(value)
            if now != before:
                owner.setattr(name, value)
                self._read[owner, name] = (value, now)


class _Same:
    """A value that is compared by identity."""

    __slots__ = ("value",)

    def __init__(self, value: Any) -> None:
        self.value = value

    def __eq__(self, other: object) -> bool:
        return isinstance(other, _Same) and other.value is self.value

    def __hash__(self) -> int:
        return id(self.value)


def _snapshot(value: Any) -> Any:
    """The structure of a value, its tensors compared by identity."""
    if isinstance(value, list | tuple):
        return [type(value), *map(_snapshot, value)]
    if isinstance(value, dict):
        return [dict, *((_snapshot(key), _snapshot(each)) for key, each in value.items())]
    if value is None or isinstance(value, int | float | str):
        return (type(value), value)
    inner = fields_of(value) if not isinstance(value, torch.Tensor) else {}
    if inner:
        return [_Same(value), *((name, _snapshot(each)) for name, each in inner.items())]
    return _Same(value)
