"""A stack of RNN cells, unrolled over as many time steps as the input has."""

from __future__ import annotations

from torch import Tensor, nn

from sample_models._sample import Annotated, Input, Sample, noise, seeded


class DynamicRNN(nn.Module):
    """RNN cells on top of each other; the uppermost's last state is read out."""

    def __init__(self, features: int = 3, width: int = 4, depth: int = 2) -> None:
        super().__init__()
        self.cells = nn.ModuleList(
            nn.RNNCell(features if level == 0 else width, width) for level in range(depth)
        )
        self.head = nn.Linear(width, 2)

    def forward(self, sequence: Tensor) -> Tensor:
        """sequence: (time, batch, features) -> (batch, 2)"""
        start = sequence.new_zeros(sequence.shape[1], self.head.in_features)
        states = [start for _ in range(len(self.cells))]
        for x in sequence:
            for level, cell in enumerate(self.cells):
                x = cell(x, states[level])
                states[level] = x
        return self.head(states[-1])


def given(
    length: Annotated[int, range(13), "time steps; each cell runs as often"] = 3,
    batch: Annotated[int, range(1, 9), "sequences at once"] = 2,
) -> tuple[Tensor]:
    return (noise(length, batch, 3, seed=1),)


SAMPLE = Sample(
    name="dynamic_rnn",
    title="A dynamic RNN",
    teaches="Two loops, two fates: the one over time follows the input's shape, the one over the"
    " cells is fixed by the model, so the IR keeps the first as a loop and unrolls the second.",
    inputs={
        "two time steps": Input("Each cell runs twice.", lambda: (noise(2, 2, 3, seed=1),)),
        "five time steps": Input("Each cell runs five times.", lambda: (noise(5, 2, 3, seed=1),)),
    },
    build=seeded(DynamicRNN),
    given=given,
    file=__file__,
)
