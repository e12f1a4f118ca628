"""Messages between processes: what is noted of each one that a process group is asked to send.

A `ProcessGroup` has a method for each kind ("allreduce"), and torch's dispatcher an op that takes
the same arguments in the same order ("c10d::allreduce_").
"""

from __future__ import annotations

import sys
from collections import Counter
from dataclasses import dataclass
from typing import Any

import torch

from inspector.capture.arguments import tensors_in

KINDS: dict[str, tuple[str, int]] = {
    "allreduce": ("all_reduce", 0),
    "allreduce_coalesced": ("all_reduce_coalesced", 0),
    "broadcast": ("broadcast", 0),
    "reduce": ("reduce", 0),
    "allgather": ("all_gather", 1),
    "allgather_coalesced": ("all_gather_coalesced", 1),
    "_allgather_base": ("all_gather_into_tensor", 1),
    "all_gather_single": ("all_gather_into_tensor", 1),
    "allgather_into_tensor_coalesced": ("all_gather_into_tensor", 1),
    "all_gather_single_coalesced": ("all_gather_into_tensor", 1),
    "gather": ("gather", 1),
    "scatter": ("scatter", 0),
    "reduce_scatter": ("reduce_scatter", 0),
    "_reduce_scatter_base": ("reduce_scatter_tensor", 0),
    "reduce_scatter_single": ("reduce_scatter_tensor", 0),
    "reduce_scatter_tensor_coalesced": ("reduce_scatter_tensor", 0),
    "reduce_scatter_single_coalesced": ("reduce_scatter_tensor", 0),
    "alltoall": ("all_to_all", 1),
    "alltoall_base": ("all_to_all_single", 1),
    "all_to_all_single": ("all_to_all_single", 1),
    "send": ("send", 0),
    "recv": ("recv", 0),
    "recv_anysource": ("recv", 0),
    "barrier": ("barrier", -1),
    "monitored_barrier": ("monitored_barrier", -1),
}
"""Of a method: what `torch.distributed` calls it, and which argument has this process's part of the
message, of which all processes give the same size where the kind asks for it."""

ALIASES = {"recv_any_source": "recv_anysource"}
"""Ops of the dispatcher that are not called like the method."""

_WRITES_NOTHING = ("send", "barrier", "monitored_barrier")
_ONE_TO_ONE = ("send", "recv")


@dataclass(slots=True)
class RawMessage:
    """Becomes a `Collective`; `written` are the tensors' storages that it writes into."""

    op: int
    kind: str
    group: str
    ranks: tuple[int, ...]
    number: int
    tensors: tuple[str, ...]
    reduction: str
    peer: int | None
    written: tuple[int, ...]
    wait: int | None = None


class Messages:
    """All messages of one recording, in the order of sending."""

    def __init__(self) -> None:
        self.all: list[RawMessage] = []
        self.process: tuple[int, int] | None = None
        """The rank of this process, and how many there are; known from the first message on."""
        self._counts: Counter[tuple[Any, ...]] = Counter()

    def of_op(self, op: int) -> list[RawMessage]:
        """Those that an op has sent: the last ones, as only the op that runs sends any."""
        found = []
        for message in reversed(self.all):
            if message.op != op:
                break
            found.append(message)
        return found[::-1]

    def note(self, op: int, method: str, group: Any, args: tuple[Any, ...]) -> RawMessage:
        """Note a message before it is sent.

        Args:
            op: number of the op that sends it.
            method: of the process group, a key of `KINDS`.
            group: the `ProcessGroup`.
            args: what the method is called with, without the group.
        """
        home = sys.modules["torch.distributed"]
        self.process = home.get_rank(), home.get_world_size()
        ranks = tuple(home.get_process_group_ranks(group))
        kind, own = KINDS[method]
        peer = _peer(method, args, ranks)
        name = str(group.group_name)
        ends = self._ends(kind, peer)
        number = self._counts[name, ends]
        self._counts[name, ends] += 1
        message = RawMessage(
            op, kind, name, ranks, number,
            tuple(map(_told, tensors_in(args[own]))) if 0 <= own < len(args) else (),
            _reduction(args), peer,
            () if kind in _WRITES_NOTHING or not args else storages(args[0]),
        )  # fmt: skip
        self.all.append(message)
        return message

    def _ends(self, kind: str, peer: int | None) -> tuple[int, int | None] | None:
        """Sender and receiver, where a message has one of each."""
        own = -1 if self.process is None else self.process[0]
        if kind not in _ONE_TO_ONE:
            return None
        return (own, peer) if kind == "send" else (-1 if peer is None else peer, own)


def storages(value: Any) -> tuple[int, ...]:
    """What tells the memory of the tensors in `value` from other memory, as long as it lives."""
    found = []
    for tensor in tensors_in(value):
        try:
            found.append(int(tensor.untyped_storage()._cdata))
        except (RuntimeError, NotImplementedError):
            continue  # sparse: the write is seen where a version counter moves
    return tuple(dict.fromkeys(found))


def _told(tensor: torch.Tensor) -> str:
    """As in "float32[2, 3]"."""
    sizes = ", ".join(str(int(size)) for size in tensor.shape)
    return f"{str(tensor.dtype).removeprefix('torch.')}[{sizes}]"


def _reduction(args: tuple[Any, ...]) -> str:
    """As in "sum": the method's options say so, the dispatcher's ops do not."""
    for option in args:
        op = str(getattr(getattr(option, "reduceOp", option), "op", ""))
        if op.startswith("RedOpType."):
            return op.rpartition(".")[2].lower()
    return ""


def _peer(method: str, args: tuple[Any, ...], ranks: tuple[int, ...]) -> int | None:
    """The other end or the root, as a rank in the whole program; groups count their own."""
    own: Any = None
    if method in ("send", "recv"):
        own = args[1] if len(args) > 1 else None
    elif method in ("broadcast", "reduce", "scatter", "gather"):
        own = next((a.rootRank for a in args if hasattr(a, "rootRank")), None)
        if own is None:  # the dispatcher's op: the first number is the root
            own = next((a for a in args if type(a) is int), None)
    return ranks[own] if type(own) is int and 0 <= own < len(ranks) else None
