"""A poet that writes until it says END: the length is up to the model, not to the input.

`build()` teaches it the two lines of `POEMS`. Given a first word it goes on from there, and
each word it chose is the input of its next step.
"""

from __future__ import annotations

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from sample_models._sample import Annotated, Input, Refused, Sample, seeded

POEMS = ("roses are red END", "sugar is sweet and so are you END")
VOCABULARY = tuple(dict.fromkeys(" ".join(POEMS).split()))


class Poet(nn.Module):
    """An LSTM cell that reads its own last word."""

    def __init__(self, vocabulary: int, end: int, width: int = 8, longest: int = 12) -> None:
        super().__init__()
        self.embedding = nn.Embedding(vocabulary, width)
        self.cell = nn.LSTMCell(width, width)
        self.head = nn.Linear(width, vocabulary)
        self.end = end
        self.longest = longest

    def forward(self, word: Tensor) -> tuple[Tensor, Tensor]:
        """word: (1,), not END -> the words that follow, END included, and their log chances"""
        hidden = memory = self.head.weight.new_zeros(1, self.head.in_features)
        poem: list[Tensor] = []
        chances: list[Tensor] = []
        while int(word) != self.end and len(poem) < self.longest:
            hidden, memory = self.cell(self.embedding(word), (hidden, memory))
            chance, word = F.log_softmax(self.head(hidden), dim=-1).max(dim=-1)
            poem.append(word)
            chances.append(chance)
        return torch.cat(poem), torch.cat(chances)


def numbers(text: str) -> Tensor:
    """Each word of the text by its number in the vocabulary."""
    return torch.tensor([VOCABULARY.index(word) for word in text.split()])


def line(words: Tensor) -> str:
    """The way back: numbers to words."""
    return " ".join(VOCABULARY[int(word)] for word in words)


def surprise(output: tuple[Tensor, Tensor]) -> Tensor:
    """How unsure the poet was of its own words, on average."""
    return -output[1].mean()


def taught_poet(lessons: int = 15) -> Poet:
    """A poet that knows both poems by heart, but is not yet too sure to have gradients."""
    poet = Poet(len(VOCABULARY), end=VOCABULARY.index("END"))
    optimizer = torch.optim.Adam(poet.parameters(), lr=0.1)
    with torch.enable_grad():
        for _ in range(lessons):
            optimizer.zero_grad()
            for poem in POEMS:
                read_aloud(poet, numbers(poem)).backward()
            optimizer.step()
    optimizer.zero_grad()
    return poet


def read_aloud(poet: Poet, words: Tensor) -> Tensor:
    """The loss of guessing each word of a poem from the words before it."""
    hidden = memory = torch.zeros(1, poet.head.in_features)
    guesses = []
    for word in poet.embedding(words[:-1]):
        hidden, memory = poet.cell(word.unsqueeze(0), (hidden, memory))
        guesses.append(poet.head(hidden))
    return F.cross_entropy(torch.cat(guesses), words[1:])


def given(
    word: Annotated[
        str, "to go on from, one of: roses, are, red, END, sugar, is, sweet, and, so, you"
    ] = "roses",
) -> tuple[Tensor]:
    known = [one for one in VOCABULARY if one != "END"]
    if word.strip() not in known:
        raise Refused("The poet goes on from one of these words: {words}.", words=", ".join(known))
    return (numbers(word),)


SAMPLE = Sample(
    name="poem_lstm",
    title="A poet that knows when to stop",
    teaches="The loop's exit depends on what the model itself just wrote: follow a word from max"
    " back into the embedding, where the gradient does not follow, for a choice has none.",
    inputs={
        "roses": Input("Writes `are red END`: three steps.", lambda: (numbers("roses"),)),
        "sugar": Input(
            "Writes `is sweet and so are you END`: seven steps.", lambda: (numbers("sugar"),)
        ),
    },
    build=seeded(taught_poet),
    loss=surprise,
    given=given,
    file=__file__,
)
