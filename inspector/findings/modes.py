"""Ops that compute one thing in training and another in evaluation, and which of them ran."""

from __future__ import annotations

from inspector.axes import split_arguments
from inspector.records import Op

DROPOUTS = (
    "dropout", "dropout1d", "dropout2d", "dropout3d", "alpha_dropout", "feature_alpha_dropout",
)  # fmt: skip
BATCH_NORMS = ("batch_norm",)

_PLACES = {"batch_norm": 5}  # of `training` among the arguments; 2 for the dropouts
_RATE = 1  # the place of a dropout's probability
_MOMENTUM = 6  # ... and of a batch norm's momentum


def is_training(op: Op) -> bool:
    """Whether a dropout or batch norm ran as in training.

    Read from the arguments in the recording; a dropout of probability 0 does nothing.
    """
    named, plain = _arguments(op)
    place = _PLACES.get(op.name, 2)
    flag = named.get("training", plain[place] if place < len(plain) else "")
    if op.name in DROPOUTS:
        rate = named.get("p", plain[_RATE] if len(plain) > _RATE else "")
        if rate in ("0", "0.0"):
            return False
    return flag == "True"


def momentum_of(op: Op) -> float | None:
    """The weight of this batch in a batch norm's running statistics; None if it is not told."""
    named, plain = _arguments(op)
    text = named.get("momentum", plain[_MOMENTUM] if len(plain) > _MOMENTUM else "")
    try:
        return float(text)
    except ValueError:
        return None


def _arguments(op: Op) -> tuple[dict[str, str], list[str]]:
    """(those given by name, those given by place)"""
    arguments = split_arguments(op.arguments)
    named = dict(text.split("=", 1) for text in arguments if "=" in text)
    return named, [text for text in arguments if "=" not in text]
