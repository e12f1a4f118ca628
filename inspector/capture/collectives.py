"""Calls of `torch.distributed`: one op each.

A function mode does not see them: they hand their tensors to a process group in C++, which writes
into them without moving a version counter. `all_gather` and the like are seen anyway.
Not here: what C++ sends by itself, as `DistributedDataParallel` does with gradients.
"""

from __future__ import annotations

import functools
import inspect
import sys
from collections.abc import Callable, Iterator
from typing import Any

from inspector.capture.calls import CallKind, Opaque
from inspector.capture.ops import OpRecorder
from inspector.capture.tape import Tape
from inspector.language import sentence

_INTO_THE_FIRST = (
    "all_gather_into_tensor", "all_reduce", "all_to_all_single", "broadcast", "recv", "reduce",
    "reduce_scatter", "reduce_scatter_tensor", "scatter",
)  # fmt: skip
"""Functions that write into their first argument."""

_HOME = "torch.distributed"
_ASYNC = sentence(
    "A collective was started with async_op=True: it writes when it likes, and is not shown."
)


def collectives(tape: Tape, ops: OpRecorder) -> Iterator[tuple[Any, str, Callable[..., Any]]]:
    """Module, name and what stands there while recording, of each function; see `gates.py`."""
    home = sys.modules.get(_HOME)
    for name in _INTO_THE_FIRST:
        real = getattr(home, name, None)
        if real is not None:
            yield home, name, _shown(tape, ops, real)


def _shown(tape: Tape, ops: OpRecorder, real: Callable[..., Any]) -> Callable[..., Any]:
    func = Opaque(real.__name__, f"{_HOME}.{real.__name__}")
    ops.calls.kinds[func] = CallKind.SET_DATA  # a write that no version counter tells of
    signature = inspect.signature(real)

    @functools.wraps(real)
    def collective(*args: Any, **kwargs: Any) -> Any:
        if not tape.takes(sys._getframe(1)):
            return real(*args, **kwargs)
        try:
            later = signature.bind(*args, **kwargs).arguments.get("async_op", False)
        except TypeError:
            later = True  # called in a wrong way: torch says so
        if later:
            tape.note(_ASYNC)
            return real(*args, **kwargs)
        return ops.run(func, real, args, kwargs, sys._getframe(1))

    return collective
