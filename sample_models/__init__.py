"""Tiny models to look at, each with named inputs that are worth comparing.

One short file a model, exposing `SAMPLE`. Needs only torch.

    from sample_models import get

    sample = get("branching")
    model = sample.build()
    for name, given in sample.inputs.items():
        print(name, model(*given.make()))
    print("a slider's value", model(*sample.given(shift=-0.25)))
"""

from __future__ import annotations

import difflib

from sample_models import (
    autograd_basics,
    branching,
    cat_dog_cnn,
    detach_no_grad,
    dynamic_rnn,
    dynamic_structure,
    gan,
    grad_accumulation,
    graph_network,
    linear_regression,
    mixture_of_experts,
    poem_lstm,
    style_transfer,
    transformer,
    variable_length,
    while_loop,
)
from sample_models._sample import Input, Refused, Sample

__all__ = ["Input", "Refused", "Sample", "UnknownSample", "catalog", "get"]

_TEACHING_ORDER = (
    autograd_basics,
    detach_no_grad,
    linear_regression,
    grad_accumulation,
    branching,
    while_loop,
    variable_length,
    dynamic_structure,
    dynamic_rnn,
    poem_lstm,
    mixture_of_experts,
    graph_network,
    cat_dog_cnn,
    style_transfer,
    transformer,
    gan,
)
_CATALOG = {module.SAMPLE.name: module.SAMPLE for module in _TEACHING_ORDER}


class UnknownSample(KeyError):
    """No sample has the name asked for; the message lists close matches and all names.

    Attributes:
        name: asked for.
        close: names of samples that are like it.
    """

    def __init__(self, name: str, close: list[str]) -> None:
        hint = f" Did you mean {' or '.join(close)}?" if close else ""
        known = ", ".join(_CATALOG)
        super().__init__(f"No sample is called {name!r}.{hint} There are: {known}.")
        self.name = name
        self.close = close

    def __str__(self) -> str:
        # KeyError shows the repr of its argument, which would put the sentence in quotes.
        return str(self.args[0])


def catalog() -> dict[str, Sample]:
    """All samples by name, in teaching order; the dict is the caller's own to change."""
    return dict(_CATALOG)


def get(name: str) -> Sample:
    """The sample of that name.

    Raises:
        UnknownSample: there is none.
    """
    if name in _CATALOG:
        return _CATALOG[name]
    raise UnknownSample(name, difflib.get_close_matches(name, _CATALOG))
