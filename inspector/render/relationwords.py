"""The relations of an item as a workbench takes them, and as a card says them."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

from inspector.language import sentence
from inspector.records import Recording, TensorInfo
from inspector.render.asked import Asked, text_of
from inspector.render.cardparts import bytes_text
from inspector.views import words
from inspector.views.index import ViewIndex
from inspector.views.relations import Relation, relations, saved_bytes

Json = dict[str, Any]

NAMED = 8
"""Tensors that a card names."""


def relations_answer(recording: Recording, index: ViewIndex, asked: Asked) -> Json:
    """What the item `id` keeps for its backward, and shares.

    Returns:
        `relations`: of each its `kind`, the `name`, `shape` and `bytes` (a text) of the tensor, the
        `maker` and the `op` at its ends (op ids or None), the autograd node `grad`, and ids under
        which a tensor from outside may be drawn (`outside`). `more` counts those that are left out,
        `bytes` says how much the item's autograd nodes keep ("" for none).
    """
    found = relations(recording, index, text_of(asked, "id"))
    return {
        "relations": [_relation(recording, one) for one in found.found],
        "more": found.count - len(found.found),
        "bytes": bytes_text(found.saved_bytes) if found.saved_bytes else "",
    }


def _relation(recording: Recording, one: Relation) -> Json:
    tensor = recording.tensors[one.tensor]
    outside: list[str] = []
    if one.maker is None:
        beside = [f"tensor:{tensor.id}@op:{one.op}", f"parameters:{one.op}"]
        outside = beside if one.op is not None else []
        outside.append(f"tensor:{tensor.id}")
    return {
        "kind": one.kind,
        "name": name_of(tensor),
        "shape": words.shape(tensor),
        "bytes": bytes_text(tensor.nbytes),
        "maker": one.maker,
        "op": one.op,
        "grad": one.grad,
        "outside": outside,
    }


def name_of(tensor: TensorInfo) -> str:
    """As in "h", "weight", "%4"."""
    return tensor.variable or (tensor.name or "").rpartition(".")[2] or f"%{tensor.id}"


def saved_text(recording: Recording, tensors: Iterable[int]) -> str:
    """As in "%4 h 2×3, %7 weight 4×3; 1.2 kB"."""
    known = [recording.tensors[number] for number in tensors]
    parts = []
    for tensor in known[:NAMED]:
        name = name_of(tensor)
        own = f"%{tensor.id}"
        parts.append(words.spaced((own, name if name != own else "", words.shape(tensor))))
    if len(known) > NAMED:
        parts.append(f"+{len(known) - NAMED:,}")
    total = bytes_text(saved_bytes(recording, [tensor.id for tensor in known]))
    return sentence("{tensors}; {size}", tensors=words.commas(parts), size=total)
