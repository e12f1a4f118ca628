"""The graph of an uploaded TorchScript archive shows what its calls ran."""

from __future__ import annotations

import io
import warnings

import pytest
import torch

from inspector_app import ownstarts
from inspector_app.programs import _graphs
from inspector_app.sandbox import Outcome, Program, run

pytestmark = pytest.mark.xdist_group("sandbox")


class Steps(torch.nn.Module):
    """Doubles what is positive and adds one to the rest, some times; eval mode does nothing."""

    def forward(self, x: torch.Tensor, times: int = 3) -> torch.Tensor:
        if self.training:
            for _ in range(times):
                x = x * 2 if bool(x.sum() > 0) else x + 1
        return x


@pytest.fixture(scope="module")
def archive() -> bytes:
    file = io.BytesIO()
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", DeprecationWarning)
        warnings.simplefilter("ignore", FutureWarning)
        torch.jit.save(torch.jit.script(Steps()), file)
    return file.getvalue()


def called(archive: bytes, calls: str) -> Outcome:
    start = ownstarts.of_archive("steps.pt", archive)
    return run(
        Program(
            f"{start.source}\n{calls}\n", start.name, start.before, start.script, attached=archive
        )
    )


def ran(found: Outcome, kind: str) -> dict[str, list[object]]:
    """What nodes of a kind ran: their counts, and what each visit gave."""
    assert found.static is not None
    assert found.overlay is not None
    ids = [node.id for node in found.static.nodes if node.kind == kind]
    lit = found.overlay
    return {
        "executions": [lit.executions[n] for n in ids],
        "taken": [lit.taken[n] for n in ids if n in lit.taken],
        "trips": [lit.trips[n] for n in ids if n in lit.trips],
    }


def test_branches_and_trips_are_those_of_the_calls_with_their_own_inputs(archive: bytes) -> None:
    # -1.5: add, add, then 0.5: mul, mul. Of the second call: mul, mul.
    found = called(archive, "model(torch.tensor([-1.5]), times=4)\nmodel(torch.ones(1), 2)")
    assert (found.ended, found.static_reason) == ("done", "")
    assert ran(found, "prim::Loop")["trips"] == [(4, 2)]
    assert ran(found, "aten::add")["executions"] == [2]
    assert ran(found, "aten::mul")["executions"] == [4]
    assert found.recording is not None
    assert [op.name for op in found.recording.ops if "Script" in op.name] == [
        "ScriptModule.forward"
    ] * 2
    run_ = _graphs(found)
    assert run_ is not None
    assert run_.overlay == found.overlay, "the page lights it up"


def test_the_state_of_the_programs_module_counts_and_not_that_of_the_file(archive: bytes) -> None:
    found = called(archive, "model.eval()\nmodel(torch.ones(1))")
    assert ran(found, "prim::Loop") == {"executions": [0], "taken": [], "trips": [()]}
    outermost = ran(found, "prim::If")["taken"][0]
    assert outermost == (1,), "the block for eval mode"


def test_an_archive_that_is_not_called_shows_its_graph_alone(archive: bytes) -> None:
    found = called(archive, "")
    assert found.static is not None
    assert (found.overlay, found.static_reason) == (None, "")


def test_what_is_left_out_is_said(archive: bytes) -> None:
    found = called(archive, "for _ in range(70): model(torch.ones(1))")
    assert found.static_reason == (
        "In the TorchScript, only what the first 64 of 70 calls ran is shown."
    )
    assert ran(found, "prim::Loop")["trips"] == [(3,) * 64]


def test_a_call_that_does_not_fit_is_said(archive: bytes) -> None:
    found = called(archive, "try:\n    model('text')\nexcept RuntimeError:\n    pass")
    assert found.ended == "done"
    assert found.overlay is None
    assert found.static_reason.startswith("What ran of the TorchScript is not shown: Steps takes")


def test_a_long_loop_is_followed_up_to_a_limit(archive: bytes) -> None:
    found = called(archive, "with torch.no_grad():\n    model(torch.zeros(1), times=60_000)")
    assert found.ended == "done", found.reason
    assert found.static_reason == "In the TorchScript, only the first 200,000 steps are shown."
    assert found.overlay is not None
    assert sum(found.overlay.executions.values()) <= 200_000
