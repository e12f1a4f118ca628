"""What a sample is: a tiny model, the inputs worth comparing, and how to build both afresh."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Annotated as Annotated
from typing import Any, TypeVar
from typing import Literal as Literal

import torch
from torch import Tensor

T = TypeVar("T")


def unchanged(value: T) -> T:
    """Return what it is given: the default for everything a sample leaves as it is."""
    return value


class Refused(ValueError):
    """A value that a sample's `given` refuses, said to the viewer.

    `template` has places for the `values`, so that the sentence can be told in another language.
    """

    def __init__(self, template: str, **values: str) -> None:
        super().__init__(template.format(**values))
        self.template = template
        self.values = values


@dataclass(frozen=True, slots=True)
class Input:
    """One named input of a sample.

    `description` says in one sentence what differs from the other inputs. `make` gives the
    positional arguments, equal on every call, without drawing from the global RNG.
    """

    description: str
    make: Callable[[], tuple[Any, ...]]


@dataclass(frozen=True, slots=True, eq=False)
class Sample:
    """One model to look at.

    `build` gives the model afresh, equal on every call, and leaves the global RNG as it was.
    `loss` turns the output into the scalar that backward starts from; None where the sample
    runs backward itself. `static(model)` is what to hand to TorchScript, and `static_inputs`
    picks the arguments of that from an input's. Where `scriptable` is False, `teaches` or the
    file's docstring says why. `file` is the path of the source.

    `given` makes the arguments from values that a viewer may change: its signature says which
    and between which bounds, its defaults are where they start. It refuses a value by a
    ValueError whose message is for the viewer, say `Refused`.
    """

    name: str
    title: str
    teaches: str
    inputs: Mapping[str, Input]
    build: Callable[[], Callable[..., Any]]
    file: str
    loss: Literal["sum", "mean"] | Callable[[Any], Tensor] | None = "mean"
    static: Callable[[Any], Callable[..., Any]] = unchanged
    static_inputs: Callable[[tuple[Any, ...]], tuple[Any, ...]] = unchanged
    scriptable: bool = True
    given: Callable[..., tuple[Any, ...]] | None = None


def first_argument(arguments: tuple[Any, ...]) -> tuple[Any, ...]:
    """`static_inputs` of a training loop whose network takes the loop's first argument."""
    return arguments[:1]


def seeded(build: Callable[[], T], seed: int = 0) -> Callable[[], T]:
    """Wrap `build` so that its parameters are drawn from `seed`, not from the global RNG."""

    def build_afresh() -> T:
        with torch.random.fork_rng(devices=[]):
            # torch.manual_seed would also reseed the accelerators, which are not forked here.
            torch.default_generator.manual_seed(seed)
            return build()

    return build_afresh


def noise(*shape: int, seed: int) -> Tensor:
    """Normal numbers of the given shape, equal for equal seeds."""
    return torch.randn(shape, generator=torch.Generator().manual_seed(seed))
