"""What is worked out once for all languages of a book."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, Generic, Protocol, TypeVar, overload

T = TypeVar("T")


class Keeps(Protocol):
    """Something with a place for what was worked out; its copies may share that place."""

    worked_out: dict[str, Any]


class once(Generic[T]):
    """A property that is worked out when it is first read, for an object and all its copies.

    Two threads that come at the same time both work it out, as with `cached_property`.
    """

    def __init__(self, work: Callable[[Any], T]) -> None:
        self._work = work
        self._name = work.__name__
        self.__doc__ = work.__doc__

    @overload
    def __get__(self, owner: None, kind: type) -> once[T]: ...

    @overload
    def __get__(self, owner: Keeps, kind: type) -> T: ...

    def __get__(self, owner: Keeps | None, kind: type) -> once[T] | T:
        if owner is None:
            return self
        known = owner.worked_out
        if self._name not in known:
            known[self._name] = self._work(owner)
        found: T = known[self._name]
        return found
