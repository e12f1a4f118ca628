"""Boxes by themselves in runs of many training steps: each step has its own backward pass."""

from __future__ import annotations

import functools

import torch
from torch import nn

import inspector
from inspector.records import Recording
from inspector.render.answers import Book, answer
from inspector.render.archive import Limits, archive
from inspector.render.closeups import closeups
from inspector.views.closeup import MOST_PASSES, base_id

STEPS = 12


@functools.cache
def training() -> Recording:
    torch.manual_seed(0)
    model = nn.Sequential(nn.Linear(2, 2), nn.ReLU(), nn.Linear(2, 1))
    optimizer = torch.optim.SGD(model.parameters(), 0.1)
    with inspector.recording() as session:
        for _ in range(STEPS):
            optimizer.zero_grad()
            model(torch.ones(3, 2)).pow(2).sum().backward()
            optimizer.step()
    return session.recording


def test_of_very_many_backward_passes_the_first_are_drawn_and_the_others_counted() -> None:
    book = Book(training())
    loop = next(one for one in closeups(book, 20, ("twins",)) if one.box.startswith("loop:"))
    view = loop.views["backward"]
    copies = [box.id for box in view.boxes if base_id(box.id) == loop.box]
    assert len(copies) == MOST_PASSES
    told = {str(what): count for what, count in view.hidden.items()}
    assert told == {"more backward passes": STEPS - MOST_PASSES}


def test_the_copies_of_an_item_keep_and_share_the_same() -> None:
    book = Book(training())
    drawn = answer(book, "picture", {})["items"]
    for one in {one for items in drawn.values() for one in items}:
        assert answer(book, "relations", {"id": one}) == answer(
            book, "relations", {"id": base_id(one)}
        )


def test_a_run_that_is_too_long_to_be_searched_takes_no_time_for_it() -> None:
    book = Book(training())
    assert "find" in archive(book).answers
    assert "find" not in archive(book, Limits(searched=len(book.recording.ops))).answers
