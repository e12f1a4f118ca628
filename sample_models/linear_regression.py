"""Fitting y = 3x - 1 by gradient descent, with an eager or a scripted network.

`build()` makes one network and its TorchScript twin, which share weight and bias. The third
argument chooses which of the two runs inside the same training loop. The numbers agree; the
graphs do not: inside the scripted network Python never sees an op.
"""

from __future__ import annotations

import warnings

import torch
from torch import Tensor, nn

from sample_models._sample import Annotated, Input, Sample, first_argument, seeded


class Line(nn.Module):
    """y = x @ weight + bias, from zero."""

    def __init__(self) -> None:
        super().__init__()
        self.weight = nn.Parameter(torch.zeros(1, 1))
        self.bias = nn.Parameter(torch.zeros(1))

    def forward(self, x: Tensor) -> Tensor:
        return x @ self.weight + self.bias


class LinearRegression:
    """A training loop: calling it goes on training where the last call stopped."""

    def __init__(self, steps: int = 3, learning_rate: float = 0.1) -> None:
        self.eager = Line()
        with warnings.catch_warnings():
            # TorchScript still works in 2.13, but each call of script says it is deprecated.
            warnings.filterwarnings("ignore", message=r"`torch\.jit\.script` is deprecated")
            self.scripted = torch.jit.script(self.eager)
        self.optimizer = torch.optim.SGD(self.eager.parameters(), lr=learning_rate)
        self.steps = steps

    def __call__(self, x: Tensor, y: Tensor, scripted: bool) -> Tensor:
        """Train on `x` and `y`, both (samples, 1); give the loss before each step, (steps,)."""
        net = self.scripted if scripted else self.eager
        losses = []
        for _ in range(self.steps):
            self.optimizer.zero_grad()
            error = net(x) - y
            loss = (error * error).mean()
            loss.backward()
            self.optimizer.step()
            losses.append(loss.detach())
        return torch.stack(losses)


def points(count: int = 4, slope: float = 3.0) -> tuple[Tensor, Tensor]:
    x = torch.arange(-1.0, count - 1).unsqueeze(1)
    return x, slope * x - 1


def given(
    scripted: Annotated[bool, "TorchScript runs the network"] = False,
    count: Annotated[int, range(1, 9), "points to fit"] = 4,
    slope: Annotated[float, (-5.0, 5.0), "of the line that the points lie on"] = 3.0,
) -> tuple[Tensor, Tensor, bool]:
    return *points(count, slope), scripted


SAMPLE = Sample(
    name="linear_regression",
    title="Linear regression, eager and scripted",
    teaches="Three rounds of forward, backward and step: the losses are the same either way, but"
    " the scripted network's matmul and add are missing from the recorded ops.",
    inputs={
        "eager": Input("Python runs the network, op by op.", lambda: (*points(), False)),
        "scripted": Input("TorchScript runs the network as one call.", lambda: (*points(), True)),
    },
    build=seeded(LinearRegression),
    loss=None,
    static=lambda train: train.eager,
    static_inputs=first_argument,
    given=given,
    file=__file__,
)
