"""A mixture of experts: each token is sent to one expert, and unasked experts do not run.

The router starts as the identity, so a token's largest feature names its expert.
"""

from __future__ import annotations

import torch
from torch import Tensor, nn

from sample_models._sample import Annotated, Input, Literal, Sample, seeded


class MixtureOfExperts(nn.Module):
    """A router and the experts it sends tokens to."""

    def __init__(self, experts: int = 3) -> None:
        super().__init__()
        self.router = nn.Linear(experts, experts)
        nn.init.eye_(self.router.weight)
        nn.init.zeros_(self.router.bias)
        self.experts = nn.ModuleList(
            nn.Sequential(nn.Linear(experts, 4), nn.Tanh(), nn.Linear(4, experts))
            for _ in range(experts)
        )

    def forward(self, tokens: Tensor) -> Tensor:
        """tokens: (tokens, experts) -> the same shape"""
        trust, choice = torch.softmax(self.router(tokens), dim=-1).max(dim=-1)
        out = torch.zeros_like(tokens)
        for index, expert in enumerate(self.experts):
            chosen = choice == index
            if chosen.any():
                answer = expert(tokens[chosen]) * trust[chosen].unsqueeze(1)
                out = out.masked_scatter(chosen.unsqueeze(1), answer)
        return out


def tokens_for(*experts: int) -> Tensor:
    """One token a number; each is largest in the feature of its expert, no two are alike."""
    tokens = torch.tensor([[0.1, -0.2, 0.3]]).repeat(len(experts), 1)
    for row, expert in enumerate(experts):
        tokens[row, expert] = 1.0 + row / 4
    return tokens


def given(
    tokens: Annotated[int, range(1, 13), "sent to experts"] = 4,
    expert: Annotated[
        Literal["drawn", "0", "1", "2"], "that all tokens go to, or drawn for each"
    ] = "drawn",
    seed: Annotated[int, range(100), "of the draw"] = 0,
) -> tuple[Tensor]:
    if expert != "drawn":
        return (tokens_for(*[int(expert)] * tokens),)
    drawn = torch.randint(3, (tokens,), generator=torch.Generator().manual_seed(seed))
    return (tokens_for(*drawn.tolist()),)


SAMPLE = Sample(
    name="mixture_of_experts",
    title="A mixture of experts",
    teaches="Three decisions, one an expert: an expert that no token chose is absent from the"
    " graph and gets no gradient, and the shapes inside show how many tokens the others got.",
    inputs={
        "all experts busy": Input(
            "Four tokens: two for expert 0, one each for experts 1 and 2.",
            lambda: (tokens_for(0, 2, 1, 0),),
        ),
        "one expert idle": Input(
            "Four tokens shared by experts 0 and 2.", lambda: (tokens_for(0, 2, 2, 0),)
        ),
        "one expert does it all": Input(
            "All four tokens go to expert 1.", lambda: (tokens_for(1, 1, 1, 1),)
        ),
    },
    build=seeded(MixtureOfExperts),
    given=given,
    file=__file__,
)
