"""Two ways to keep gradients out of a backbone: cut the graph, or never build it.

TorchScript cannot compile this one: it takes `with torch.no_grad():` but not
`with torch.set_grad_enabled(...)`, whose argument is known only at run time.
"""

from __future__ import annotations

import torch
from torch import Tensor, nn

from sample_models._sample import Annotated, Input, Literal, Sample, noise, seeded


class FineTuned(nn.Module):
    """A backbone that may be frozen, and a head that always learns."""

    def __init__(self) -> None:
        super().__init__()
        self.backbone = nn.Linear(3, 4)
        self.head = nn.Linear(4, 1)

    def forward(self, x: Tensor, backbone: str) -> Tensor:
        """x: (batch, 3), backbone: "trained", "detached" or "no_grad" -> (batch, 1)"""
        with torch.set_grad_enabled(backbone != "no_grad"):
            features = torch.tanh(self.backbone(x))
        if backbone == "detached":
            features = features.detach()
        return self.head(features)


def batch(rows: int = 2) -> Tensor:
    return noise(rows, 3, seed=1)


def given(
    backbone: Annotated[
        Literal["trained", "detached", "no_grad"], "how gradients are kept out of the backbone"
    ] = "trained",
    rows: Annotated[int, range(1, 9), "of the batch"] = 2,
) -> tuple[Tensor, str]:
    return batch(rows), backbone


SAMPLE = Sample(
    name="detach_no_grad",
    title="detach and no_grad",
    teaches="The outputs and the head's gradients are equal in all three; look at where the"
    " backward graph ends: at the backbone, at detach, or at ops that have no grad_fn at all.",
    inputs={
        "trained": Input("Gradients reach the backbone.", lambda: (batch(), "trained")),
        "detached": Input(
            "The backbone's ops have a grad_fn, but detach cuts the way to them.",
            lambda: (batch(), "detached"),
        ),
        "no_grad": Input(
            "The backbone's ops run without autograd: no grad_fn, nothing saved.",
            lambda: (batch(), "no_grad"),
        ),
    },
    build=seeded(FineTuned),
    scriptable=False,
    given=given,
    file=__file__,
)
