"""A loop that stops at the data's word: it reads tokens until the first padding token."""

from __future__ import annotations

import torch
from torch import Tensor, nn

from sample_models._sample import Annotated, Input, Refused, Sample, seeded

PAD = 0


class TokenReader(nn.Module):
    """A recurrent network over a padded sentence."""

    def __init__(self, vocabulary: int = 10, width: int = 4) -> None:
        super().__init__()
        self.pad = PAD  # TorchScript reads attributes, not the globals of this file
        self.start = nn.Parameter(torch.randn(width))
        self.embedding = nn.Embedding(vocabulary, width)
        self.recurrent = nn.Linear(width, width)
        # Keeps what was read first alive over many trips, and its gradient with it.
        nn.init.orthogonal_(self.recurrent.weight)
        nn.init.uniform_(self.embedding.weight, -0.5, 0.5)
        self.head = nn.Linear(width, 2)

    def forward(self, tokens: Tensor) -> Tensor:
        """tokens: (length,) whole numbers -> (2,)"""
        state: Tensor = self.start
        for token in tokens:
            if int(token) == self.pad:
                break
            state = torch.tanh(self.recurrent(state) + self.embedding(token))
        return self.head(state)


def words(*tokens: int, length: int = 6) -> Tensor:
    return torch.tensor([*tokens, *[PAD] * (length - len(tokens))])


VOCABULARY = ("pad", "the", "a", "cat", "dog", "mat", "sat", "saw", "on", "and")


def numbers(text: str) -> list[int]:
    """Each word of the text by its number in the vocabulary."""
    unknown = [word for word in text.lower().split() if word not in VOCABULARY]
    if unknown:
        raise Refused(
            "The reader does not know “{word}”. It knows: {known}.",
            word=unknown[0][:40],
            known=", ".join(VOCABULARY),
        )
    return [VOCABULARY.index(word) for word in text.lower().split()]


def given(
    text: Annotated[
        str, "of these words: the, a, cat, dog, mat, sat, saw, on, and; `pad` ends the reading"
    ] = "the cat saw a dog",
    length: Annotated[int, range(1, 13), "places; text is cut, or padded behind"] = 6,
) -> tuple[Tensor]:
    return (words(*numbers(text)[:length], length=length),)


SAMPLE = Sample(
    name="variable_length",
    title="Variable length, stopped by a pad token",
    teaches="All inputs have the shape (6,), yet the chain has as many links as there are words:"
    " one decision a trip, and the one that says `pad` ends the loop.",
    inputs={
        "two words": Input("Padding begins at the third place.", lambda: (words(3, 7),)),
        "five words": Input("Padding begins at the last place.", lambda: (words(3, 7, 1, 9, 2),)),
        "no padding": Input(
            "All six places are words: the loop ends on its own.",
            lambda: (words(3, 7, 1, 9, 2, 5),),
        ),
    },
    build=seeded(TokenReader),
    given=given,
    file=__file__,
)
