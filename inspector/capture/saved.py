"""Which tensors an autograd node keeps for its backward.

Read before the pass, from `SavedTensor.data`, which hands out what lies there as it is. Asking
for `_saved_self` instead would run the program's unpack hooks (a checkpoint computes anew) and
fails where the tensor was written since.
"""

from __future__ import annotations

from bisect import bisect_left
from collections.abc import Iterable, Sequence
from typing import TYPE_CHECKING, Any

import torch

if TYPE_CHECKING:
    from inspector.capture.tape import RawOp
    from inspector.capture.tensors import RawTensor, TensorTable

_Tensor = torch.Tensor


Saved = int | tuple[int, tuple[int, ...]]
"""What is known of one saved tensor: the number of its tensor object, if that was met, else the
number of its storage, and its shape."""


class SavedReader:
    """Reads nodes. To be called with torch functions disabled."""

    def __init__(self, tensors: TensorTable) -> None:
        self._known = tensors.known
        self._names: dict[type, tuple[str, ...]] = {}  # attributes, by kind of node

    def read(self, node: Any) -> tuple[bool, tuple[Saved, ...]]:
        """Whether `node` holds any tensor, and those of them that the recording may know."""
        kind = type(node)
        names = self._names.get(kind)
        if names is None:
            names = tuple([name for name in dir(kind) if name.startswith("_raw_saved_")])
            self._names[kind] = names
        if not names:
            return False, ()
        holds = False
        known: list[Saved] = []
        for name in names:
            try:
                held = getattr(node, name)
            except RuntimeError:
                continue  # an earlier pass freed them
            for item in held if type(held) is tuple else (held,):
                data = item.data
                if data is None:
                    continue
                holds = True
                if isinstance(data, _Tensor):  # else an unpack hook knows what it is
                    found = self._known(data)
                    if found is not None:
                        known.append(found)
        return holds, tuple(known)


class SavedValues:
    """Finds the recorded values of what nodes saved, after the run.

    Args:
        raws: all tensor values.
    """

    def __init__(self, raws: Sequence[RawTensor]) -> None:
        self._raws = raws
        self._by_object: dict[int, list[int]] = {}

    def ids(self, saved: Iterable[Saved], op: RawOp | None) -> tuple[int, ...]:
        """Ids of the saved values, ascending; those that the recording lacks are left out.

        Args:
            saved: what was read from a node.
            op: the op that made the node, if known: it saves what it was given and what it made.
        """
        found = {self._id(item, op) for item in saved}
        return tuple(sorted(number for number in found if number is not None))

    def _id(self, item: Saved, op: RawOp | None) -> int | None:
        raws = self._raws
        if isinstance(item, int):
            if op is None:
                return self._newest(item, len(raws))
            # What was given, also if the op then wrote into it: that is why inputs come first.
            own = (*op.inputs, *op.outputs)
            found = next((i for i in own if raws[i].object == item), None)
            return self._newest(item, max(own, default=-1) + 1) if found is None else found
        if op is None:
            return None
        # A result is saved as another tensor object, `linear` saves its weight transposed.
        storage, shape = item
        sharing = [i for i in (*op.outputs, *op.inputs) if raws[i].storage == storage]
        equal = [i for i in sharing if raws[i].shape == shape]
        return next(iter(equal or sharing), None)

    def _newest(self, number: int, end: int) -> int | None:
        """The last value of an object among those with an id below `end`."""
        if not self._by_object:
            for i, raw in enumerate(self._raws):
                self._by_object.setdefault(raw.object, []).append(i)
        ids = self._by_object[number]
        place = bisect_left(ids, end)
        return ids[place - 1] if place else None
