"""Warnings of the compiler, the tracer and the exporters, each once and with a remedy."""

from __future__ import annotations

import re
import warnings
from collections.abc import Iterable

from inspector.language import sentence
from inspector.records import StaticWarning

_REMEDIES: tuple[tuple[str, str], ...] = (
    (
        r"to a Python boolean",
        sentence(
            "The graph keeps the way that this input took. Where another input may go another way, "
            "use torch.where or torch.cond, or script the function that decides."
        ),
    ),
    (
        r"to a Python (integer|float|number|index|list|scalar)",
        sentence(
            "The number is built into the graph. Compute with the tensor itself, or script this "
            "function, if it differs from input to input."
        ),
    ),
    (
        r"to a NumPy array|to a NumPy",
        sentence(
            "What NumPy computes is built into the graph as a constant. Use torch functions "
            "instead."
        ),
    ),
    (
        r"Iterating over a tensor",
        sentence(
            "The number of iterations is built into the graph. Script this function, or compute on "
            "the whole tensor at once."
        ),
    ),
    (
        r"Using len to get tensor shape",
        sentence("The length is built into the graph. Use `x.shape[0]` instead of `len(x)`."),
    ),
    (
        r"results are registered as constants",
        sentence(
            "The tensor is built into the graph. That is right for a literal; where it depends on "
            "the input, make it with torch functions from that input (`x.new_zeros`, torch.arange)."
        ),
    ),
    (
        r"live references to the data region being modified in-place|in-place",
        sentence(
            "The graph may not see this write through another view. Write without in-place ops "
            "here."
        ),
    ),
    (
        r"nondeterministic nodes|do not match|not match the corresponding output",
        sentence(
            "Set the model to eval() if dropout is on; otherwise the code does something else from "
            "run to run."
        ),
    ),
    (
        r"in training mode",
        sentence(
            "Call model.eval() first, unless dropout and batch statistics are to be exported as "
            "training uses them."
        ),
    ),
    (
        r"type system doesn't support instance-level annotations on empty",
        sentence("Move the annotation into the class body, or use torch.jit.Annotate."),
    ),
    (
        r"The \.grad attribute of a Tensor that is not a leaf",
        sentence("Read .grad of leaf tensors only, or call .retain_grad() first."),
    ),
)


def static_warnings(caught: Iterable[warnings.WarningMessage]) -> tuple[StaticWarning, ...]:
    """Each warning once, though a loop warns again on every iteration, with its remedy.

    Deprecations are left out, of TorchScript above all: they say nothing about the graph.
    """
    found = (
        StaticWarning(
            category=item.category.__name__,
            message=str(item.message).strip(),
            file=item.filename,
            line=item.lineno,
            remedy=remedy_for(str(item.message)),
        )
        for item in caught
        if not _is_deprecation(item)
    )
    return tuple(dict.fromkeys(found))


def remedy_for(message: str) -> str:
    """What to do about a warning; "" where nothing is known."""
    return next((words for pattern, words in _REMEDIES if re.search(pattern, message)), "")


def _is_deprecation(item: warnings.WarningMessage) -> bool:
    kinds = (DeprecationWarning, PendingDeprecationWarning, FutureWarning)
    return issubclass(item.category, kinds)
