"""Lists and dicts: TorchScript shares them by reference, so Python's own objects are changed.

torch's operators would get copies of them. Errors have the words of TorchScript.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import torch


def container_function(name: str, arguments: Sequence[Any]) -> Callable[..., Any] | None:
    """The function of an operator on a list or dict; None where it is something else.

    Args:
        name: of the operator ("aten::append").
        arguments: of its schema.
    """
    if not arguments:
        return _MAKERS.get(name)
    kind = arguments[0].type.kind()
    if kind == "ListType":
        # Only of lists of anything: `aten::cat(Tensor[] tensors)` is an op on tensors.
        return _LIST.get(name)
    if kind == "DictType":
        return _DICT.get(name)
    return None


def _checked(values: Sequence[Any], place: int) -> int:
    if not -len(values) <= place < len(values):
        raise IndexError("list index out of range")
    return place


def _get_item(values: list[Any], place: int) -> Any:
    return values[_checked(values, place)]


def _set_item(values: list[Any], place: int, value: Any) -> list[Any]:
    values[_checked(values, place)] = value
    return values


def _delete_item(values: list[Any], place: int) -> None:
    del values[_checked(values, place)]


def _append(values: list[Any], value: Any) -> list[Any]:
    values.append(value)
    return values


def _extend(values: list[Any], more: list[Any]) -> None:
    values.extend(more)


def _added(values: list[Any], more: list[Any]) -> list[Any]:
    values.extend(more)
    return values


def _pop(values: list[Any], place: int = -1) -> Any:
    if not values:
        raise IndexError("pop from empty list")
    return values.pop(_checked(values, place))


def _insert(values: list[Any], place: int, value: Any) -> None:
    values.insert(place, value)


def _equal(left: Any, right: Any) -> bool:
    same = left == right
    return bool(same.all()) if isinstance(same, torch.Tensor) else bool(same)


def _remove(values: list[Any], value: Any) -> None:
    for place, each in enumerate(values):
        if _equal(each, value):
            del values[place]
            return
    raise RuntimeError("list.remove(x): x not in list")


def _sort(values: list[Any], reverse: bool = False) -> None:
    values.sort(reverse=reverse)


def _reverse(values: list[Any]) -> None:
    values.reverse()


def _clear(values: Any) -> None:
    values.clear()


def _slice(values: list[Any], start: Any = None, end: Any = None, step: int = 1) -> list[Any]:
    return values[slice(start, end, step)]


def _repeat(values: list[Any], times: int) -> list[Any]:
    return values * times


_LIST: dict[str, Callable[..., Any]] = {
    "aten::__getitem__": _get_item,
    "aten::select": _get_item,
    "aten::_set_item": _set_item,
    "aten::Delete": _delete_item,
    "aten::append": _append,
    "aten::extend": _extend,
    "aten::add_": _added,
    "aten::add": lambda left, right: left + right,
    "aten::mul": _repeat,
    "aten::pop": _pop,
    "aten::insert": _insert,
    "aten::remove": _remove,
    "aten::sort": _sort,
    "aten::reverse": _reverse,
    "aten::clear": _clear,
    "aten::copy": list,
    "aten::list": list,
    "aten::dict": dict,
    "aten::len": len,
    "aten::slice": _slice,
}


def _key(values: dict[Any, Any], key: Any) -> Any:
    try:
        return values[key]
    except KeyError:
        raise RuntimeError(f"KeyError: {key}") from None


def _set_key(values: dict[Any, Any], key: Any, value: Any) -> None:
    values[key] = value


def _delete_key(values: dict[Any, Any], key: Any) -> None:
    _key(values, key)
    del values[key]


def _pop_key(values: dict[Any, Any], key: Any, *default: Any) -> Any:
    if not default:
        _key(values, key)
    return values.pop(key, *default)


def _pop_item(values: dict[Any, Any]) -> Any:
    if not values:
        raise RuntimeError("popitem(): dictionary is empty")
    return values.popitem()


def _update(values: dict[Any, Any], more: dict[Any, Any]) -> None:
    values.update(more)


_DICT: dict[str, Callable[..., Any]] = {
    "aten::__getitem__": _key,
    "aten::_set_item": _set_key,
    "aten::Delete": _delete_key,
    "aten::__contains__": lambda values, key: key in values,
    "aten::get": lambda values, key, default=None: values.get(key, default),
    "aten::setdefault": lambda values, key, default: values.setdefault(key, default),
    "aten::pop": _pop_key,
    "aten::popitem": _pop_item,
    "aten::clear": _clear,
    "aten::update": _update,
    "aten::keys": list,
    "aten::values": lambda values: list(values.values()),
    "aten::items": lambda values: list(values.items()),
    "aten::copy": dict,
    "aten::dict": dict,
    "aten::len": len,
}

_MAKERS: dict[str, Callable[..., Any]] = {"aten::dict": dict}
