"""Two runs, aligned, shared by all sessions of the server: inputs of a sample, or files."""

from __future__ import annotations

import hashlib
from dataclasses import dataclass
from functools import cached_property

import streamlit as st

import inspector
from inspector.comparison import Comparison, Drift
from inspector.language import sentence
from inspector.render.pairs import PairBook
from inspector.store import load_bytes
from inspector_app.phrases import named, working
from inspector_app.runs import Run, run_sample
from inspector_app.settings import settings


@dataclass(frozen=True)
class Pair:
    """Two runs, A and B, by the names of their inputs."""

    a: Run
    b: Run
    names: tuple[str, str]

    @cached_property
    def book(self) -> PairBook:
        """What a workbench asks about them; made once for all sessions."""
        return PairBook(self.a.book, self.b.book, self.names)

    @property
    def comparison(self) -> Comparison:
        """What they have in common, and where they part."""
        return self.book.union.comparison

    @cached_property
    def drifts(self) -> tuple[Drift, ...]:
        """How far the results of the ops of both are apart."""
        return inspector.value_drift(self.a.recording, self.b.recording, self.comparison)

    @property
    def first_op(self) -> int | None:
        """Where the runs part, in the numbers of both; None where they do not."""
        first = self.comparison.first_difference
        if first is None:
            return None
        if first.a is not None:
            return self.op_of_a(first.a)
        return None if first.b is None else self.book.union.of_b.index(first.b)

    def op_of_a(self, op: int) -> int:
        """An op of A in the numbers of both."""
        return self.book.union.of_a.index(op)


@working(sentence("Running the model on both inputs …"))
@st.cache_resource(max_entries=24, show_spinner=False)
def run_pair(name: str, a: str, b: str) -> Pair:
    """Record a sample on two inputs and align the runs.

    Args:
        name: of the sample.
        a, b: two of its inputs.
    """
    names = named(a), named(b)
    return Pair(run_sample(name, a, "script"), run_sample(name, b, "script"), names)


@dataclass(frozen=True)
class File:
    """A recording file: its name, and all that is in it."""

    name: str
    data: bytes


def pair_of_files(a: File, b: File) -> Pair:
    """Read two recordings and align them; once for all sessions that give the same bytes.

    Raises:
        FileFormatError: one of them is no recording.
    """
    digests = tuple(hashlib.sha256(one.data).hexdigest() for one in (a, b))
    return _pair_of((*digests, a.name, b.name), a, b)


@working(sentence("Reading the recordings …"))
@st.cache_resource(max_entries=8, show_spinner=False)
def _pair_of(key: tuple[str, ...], _a: File, _b: File) -> Pair:
    """The pair by what tells it from others: the files themselves are no key."""
    most = settings().most_records
    runs = [
        Run(
            load_bytes(one.data, one.name, most), None, None, sentence("A file has no TorchScript.")
        )
        for one in (_a, _b)
    ]
    return Pair(runs[0], runs[1], (_a.name, _b.name))
