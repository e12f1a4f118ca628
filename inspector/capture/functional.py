"""Functional collectives (`torch.distributed._functional_collectives`, which DTensor is made of).

They return a tensor at once that is filled later: `wait_tensor` waits for it. Its values are not
read before.
"""

from __future__ import annotations

import sys
from collections.abc import Callable
from types import FrameType
from typing import Any

import torch

from inspector.capture.arguments import tensors_in
from inspector.capture.collectives import CollectiveRecorder
from inspector.capture.messages import RawMessage, storages
from inspector.capture.ops import Begun

_METHODS = {
    "all_reduce": "allreduce",
    "all_gather_into_tensor": "_allgather_base",
    "reduce_scatter_tensor": "_reduce_scatter_base",
    "all_to_all_single": "alltoall_base",
    "broadcast": "broadcast",
}
"""The method of a process group that each one comes down to."""


class FunctionalRecorder:
    """Notes functional collectives, and the wait for each, on the tape."""

    def __init__(self, collectives: CollectiveRecorder) -> None:
        self._collectives = collectives
        self._tape = collectives.tape
        self._sent: dict[int, RawMessage] = {}  # by the storage of what it will be in

    def run(
        self,
        func: Callable[..., Any],
        args: tuple[Any, ...],
        kwargs: dict[str, Any],
        frame: FrameType | None,
    ) -> Any:
        """Call `func` as an op of its own."""
        ops = self._collectives.ops
        if func.__name__ == "wait_tensor":
            return ops.run(func, func, args, kwargs, frame, end=self._waited)

        def send(*args: Any, **kwargs: Any) -> Any:
            self._send(func.__name__.removesuffix("_"), args)
            return func(*args, **kwargs)

        return ops.run(func, send, args, kwargs, frame, end=self._begun)

    def _send(self, name: str, args: tuple[Any, ...]) -> None:
        names = [part for part in args if isinstance(part, str)]
        home = sys.modules.get("torch.distributed.distributed_c10d")
        if name not in _METHODS or not names or home is None:
            return
        try:
            group = home._resolve_process_group(names[-1])
            numbers = tuple(part for part in args[1:] if type(part) is int)
            given = (args[0], args[0], *numbers) if name != "broadcast" else (args[0], *numbers)
            with torch._C.DisableTorchFunction():
                noted = self._tape.messages.note(len(self._tape.ops), _METHODS[name], group, given)
            noted.reduction = names[0] if len(names) > 1 else ""
        except Exception as error:  # ours; see `OpRecorder`
            self._tape.broken(error)

    def _begun(self, begun: Begun, result: Any, duration: int) -> None:
        number = len(self._tape.ops)
        with torch._C.DisableTorchFunction():
            filled = storages(list(tensors_in(result)))
        for message in self._tape.messages.of_op(number):
            message.written = filled
            self._sent.update(dict.fromkeys(filled, message))
        with self._tape.tensors.unread():
            self._collectives.ops.end(begun, result, duration)

    def _waited(self, begun: Begun, result: Any, duration: int) -> None:
        with torch._C.DisableTorchFunction():
            keys = storages(begun[0])
        found = [self._sent.pop(key) for key in keys if key in self._sent]
        self._collectives.noted(begun, set(keys), found, duration)
