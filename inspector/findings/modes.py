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


def is_training(op: Op) -> bool:
    """Whether a dropout or batch norm ran as in training.

    Read from the arguments in the recording; a dropout of probability 0 does nothing.
    """
    arguments = split_arguments(op.arguments)
    named = dict(text.split("=", 1) for text in arguments if "=" in text)
    plain = [text for text in arguments if "=" not in text]
    place = _PLACES.get(op.name, 2)
    flag = named.get("training", plain[place] if place < len(plain) else "")
    if op.name in DROPOUTS:
        rate = named.get("p", plain[_RATE] if len(plain) > _RATE else "")
        if rate in ("0", "0.0"):
            return False
    return flag == "True"
