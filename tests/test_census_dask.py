"""A census on a real cluster of two worker processes: the same result, also when they die."""

from __future__ import annotations

import logging
import os
import threading
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
import torch
from census_models import Dying, Halving, TwoWays, two_of
from torch import Tensor

from inspector import Census, InspectorError, census

dask = pytest.importorskip("dask")
distributed = pytest.importorskip("distributed")
pytestmark = [
    pytest.mark.slow,
    pytest.mark.xdist_group("dask"),
    pytest.mark.timeout(300),
    # A worker that is killed leaves its half of a connection behind.
    pytest.mark.filterwarnings("ignore::ResourceWarning"),
    pytest.mark.filterwarnings("ignore::pytest.PytestUnraisableExceptionWarning"),
]


@pytest.fixture(scope="module")
def cluster() -> Iterator[str]:
    """Two worker processes of one thread each; its address. A task may kill one worker, not two."""
    with (
        dask.config.set({"distributed.scheduler.allowed-failures": 1}),
        distributed.LocalCluster(
            n_workers=2,
            threads_per_worker=1,
            dashboard_address="127.0.0.1:0",
            silence_logs=logging.CRITICAL,
        ) as made,
    ):
        yield made.scheduler_address


def same(one: Census, other: Census) -> None:
    assert str(one) == str(other)
    assert one.tree == other.tree
    for a, b in zip(one.variants, other.variants, strict=True):
        assert (a.fingerprint, a.count, a.example, a.label) == (
            b.fingerprint, b.count, b.example, b.label,
        )  # fmt: skip
        assert a.recording.to_text() == b.recording.to_text()
    told = [[(p.position, p.label, p.variant, p.swept) for p in c.points] for c in (one, other)]
    assert told[0] == told[1]


def test_the_census_is_the_one_that_this_process_takes(cluster: str) -> None:
    inputs: list[Any] = [torch.tensor([2.0 ** (n % 5)]) for n in range(60)]
    inputs[7], inputs[40] = "text", None  # fail
    swept = [float(n) for n in range(60)]
    here = census(Halving(), inputs, swept=swept)
    there = census(Halving(), inputs, cluster, swept=swept)
    same(here, there)
    assert there.engine == cluster
    assert sum(v.count for v in there.variants) == 60
    assert [v.count for v in there.variants if v.failure is not None] == [2]


def by_chance(x: Tensor) -> Tensor:
    if torch.rand(()) > 0.5:
        return x.sin()
    if torch.is_grad_enabled():
        return x.cos()
    return x.tan()


def test_workers_have_the_random_state_and_grad_mode_of_the_caller(cluster: str) -> None:
    ran = set()
    for seed in range(4):
        torch.manual_seed(seed)
        with torch.set_grad_enabled(seed > 1):
            here = census(by_chance, two_of(4), static=None)
            there = census(by_chance, two_of(4), cluster, static=None)
        same(here, there)
        ran.add(there.variants[0].fingerprint)
    assert len(ran) > 1


def test_a_worker_killed_on_the_way_is_replaced_and_nothing_is_counted_twice(
    cluster: str, tmp_path: Path
) -> None:
    values = [float(n % 8) for n in range(80)]
    values[33] = -1.0
    inputs = [torch.tensor(value) for value in values]
    found = census(Dying(tmp_path, times=1), inputs, cluster, static=None)
    (death,) = [path.name for path in tmp_path.iterdir()]
    assert int(death.split()[1]) != os.getpid()
    assert not found.problems
    assert [p.position for p in found.points] == list(range(80))
    above = sum(value > 4 for value in values)
    # The example of "cos" is the first input, that of "sin" the first above 4.
    assert {v.example: v.count for v in found.variants} == {0: 80 - above, 5: above}


def test_an_input_that_kills_every_worker_is_a_problem_and_the_others_are_counted(
    cluster: str, tmp_path: Path
) -> None:
    inputs = [torch.tensor(-1.0 if n == 9 else float(n % 8)) for n in range(24)]
    found = census(Dying(tmp_path, times=1000), inputs, cluster, static=None)
    (problem,) = found.problems
    assert problem.position == 9
    assert "died each time" in problem.message
    assert [p.position for p in found.points] == [n for n in range(24) if n != 9]


def test_what_cannot_be_sent_is_said(cluster: str) -> None:
    lock = threading.Lock()

    def locked(x: Tensor) -> Tensor:
        with lock:
            return x + 1

    with pytest.raises(InspectorError, match="cannot be pickled"):
        census(locked, two_of(2), cluster, static=None)
    odd: list[Any] = [*two_of(2), (torch.ones(2, 4), threading.Lock())]
    found = census(TwoWays(), odd, cluster, static=None)
    assert [p.position for p in found.points] == [0, 1]
    assert "cannot be sent" in found.problems[0].message


class Unloadable:
    """Can be pickled; says no when it is loaded."""

    def __reduce__(self) -> tuple[Callable[..., Any], tuple[Any, ...]]:
        return _refuse, ()

    def __call__(self, x: Tensor) -> Tensor:
        return x


def _refuse() -> None:
    raise ImportError("no such package here")


def test_a_model_that_workers_cannot_load_is_said(cluster: str) -> None:
    with pytest.raises(InspectorError, match="no such package here"):
        census(Unloadable(), two_of(2), cluster, static=None)


def test_dask_starts_a_cluster_of_its_own_and_ends_it() -> None:
    inputs = two_of(10)
    found = census(TwoWays(), iter(inputs), "dask")
    same(census(TwoWays(), inputs), found)
    assert found.engine == "dask"


@pytest.mark.parametrize(
    ("engine", "said"),
    [("ray", "no engine 'ray'"), ("tcp://127.0.0.1:9", "cannot be reached")],
)
def test_an_engine_that_is_not_there_is_said(engine: str, said: str) -> None:
    with pytest.raises(InspectorError, match=said):
        census(TwoWays(), two_of(2), engine)
