"""A message between ranks in words, for cards and for rows of ranks."""

from __future__ import annotations

from inspector.language import sentence, sentences
from inspector.records import Collective, Recording

_MOST = 4
"""Tensors of a message, and messages of an op, that are named."""


def message_text(one: Collective) -> str:
    """As in "all_reduce float32[2], sum: message 3 of group 0 (ranks 0, 1)."."""
    about = [*one.tensors[:_MOST], *([one.reduction] if one.reduction else [])]
    more = ["…"] if len(one.tensors) > _MOST else []
    return sentence(
        "{message}: number {number} of group {group} (ranks {ranks}).",
        message=" ".join(part for part in (one.kind, ", ".join(about + more)) if part),
        number=one.number + 1,
        group=one.group,
        ranks=", ".join(map(str, one.ranks)),
    )


def messages_of_ops(recording: Recording) -> dict[int, str]:
    """Op id -> the messages that it sent, of those that sent any."""
    sent: dict[int, list[str]] = {}
    for one in recording.collectives:
        sent.setdefault(one.op, []).append(message_text(one))
    return {op: _row(texts) for op, texts in sent.items()}


def _row(texts: list[str]) -> str:
    more = (
        sentence("And {count} more messages.", count=len(texts) - _MOST)
        if len(texts) > _MOST
        else ""
    )
    return sentences(*texts[:_MOST], more)
