"""Programs of several processes: collectives are ops, and each process has its file.

Oracles: the sums that the ranks' numbers have, and the same program without a recording.
"""

from __future__ import annotations

import gc
import os
import subprocess
import sys
import weakref
from collections.abc import Iterator
from pathlib import Path

import pytest
import torch
import torch.distributed as dist

import inspector
from inspector.check import self_check

ROOT = Path(__file__).resolve().parents[1]

pytestmark = pytest.mark.skipif(not dist.is_available(), reason="torch without distributed")


@pytest.fixture
def alone(tmp_path: Path) -> Iterator[None]:
    """A group of one process."""
    dist.init_process_group("gloo", init_method=f"file://{tmp_path}/group", rank=0, world_size=1)
    try:
        yield
    finally:
        dist.destroy_process_group()


def test_a_collective_is_an_op_that_overwrites_its_tensor(alone: None) -> None:
    real = dist.all_reduce
    with inspector.recording() as session:
        x = torch.ones(2)
        dist.all_reduce(x, op=dist.ReduceOp.SUM)
        y = x + 1
    assert y.tolist() == [2.0, 2.0]
    recording = session.recording
    self_check(recording)
    ones, reduced, added = recording.ops
    assert (reduced.name, reduced.function) == ("all_reduce", "torch.distributed.all_reduce")
    assert reduced.inputs == reduced.overwrites == ones.outputs
    assert added.inputs == reduced.outputs
    assert dist.all_reduce is real


def test_a_collective_that_ends_later_is_written_by_the_wait_for_it(alone: None) -> None:
    with inspector.recording() as session:
        x = torch.ones(2)
        work = dist.all_reduce(x, async_op=True)
        assert type(work) is dist.Work
        work.wait()
        x + 1
    recording = session.recording
    self_check(recording)
    ones, started, waited, added = recording.ops
    assert (started.name, started.inputs, started.outputs) == ("all_reduce", ones.outputs, ())
    assert (waited.name, waited.inputs, waited.overwrites) == ("wait", *[ones.outputs] * 2)
    assert added.inputs == waited.outputs
    (sent,) = recording.collectives
    assert (sent.kind, sent.op, sent.wait, sent.reduction) == ("all_reduce", 1, 2, "sum")
    assert (sent.ranks, sent.number, sent.tensors) == ((0,), 0, ("float32[2]",))


def test_a_tensor_that_is_used_before_the_wait_is_read_anew(alone: None) -> None:
    with inspector.recording() as session:
        x = torch.ones(2)
        work = dist.all_reduce(x, async_op=True)
        while not work.is_completed():
            pass
        x + 1
    ones, _, added = session.recording.ops
    assert added.inputs != ones.outputs
    assert session.recording.tensors[added.inputs[0]].producer is None
    assert session.recording.collectives[0].wait is None


def test_everything_that_torch_distributed_sends_is_noted(alone: None) -> None:
    from torch.distributed import all_reduce, barrier

    parts = [torch.zeros(2)]
    with inspector.recording() as session:
        x = torch.ones(2)
        all_reduce(x, op=dist.ReduceOp.MAX)
        dist.broadcast(x, 0)
        dist.all_gather(parts, x)
        dist.reduce(x, 0)
        dist.all_gather_single(torch.zeros(2), x)
        dist.gather(x, parts)
        dist.scatter(x, parts)
        dist.all_gather_object([None], {"a": 1})
        dist.barrier()
        barrier()
        dist.group.WORLD.allreduce([x]).wait()
    recording = session.recording
    self_check(recording)
    kinds = [one.kind for one in recording.collectives]
    assert kinds == [
        "all_reduce", "broadcast", "all_gather", "reduce", "all_gather_into_tensor", "gather",
        "scatter", "all_gather", "all_gather", "barrier", "barrier", "all_reduce",
    ]  # fmt: skip
    assert [one.number for one in recording.collectives] == list(range(len(kinds)))
    objects = [op.id for op in recording.ops if op.name == "all_gather_object"]
    assert [one.op for one in recording.collectives][7:9] == objects * 2
    assert (recording.meta["rank"], recording.meta["world_size"]) == (0, 1)


def test_nothing_of_a_recording_stays_at_torch_distributed(alone: None) -> None:
    def looked_at() -> list[object]:
        owners = (dist, dist.ProcessGroup, dist.Work, dist.Reducer)
        return [dict(vars(owner)) for owner in owners]

    before = looked_at()
    with inspector.recording():
        dist.barrier()
        inside = looked_at()
    assert looked_at() == before
    assert inside != before


def test_version_counters_move_as_without_a_recording(alone: None) -> None:
    def versions() -> list[int]:
        x, y = torch.ones(2), torch.zeros(2)
        dist.all_gather([y], x)
        dist.broadcast(x, 0)
        weight = torch.ones(2, requires_grad=True)
        weight.register_hook(lambda grad: dist.all_gather([y], grad))
        (weight * 2).sum().backward()
        return [x._version, y._version]

    plain = versions()
    with inspector.recording():
        assert versions() == plain


def test_a_functional_collective_is_read_when_it_was_waited_for(alone: None) -> None:
    from torch.distributed import _functional_collectives as functional

    with inspector.recording() as session:
        x = torch.ones(2)
        y = torch.ops._c10d_functional.all_reduce(x, "sum", dist.group.WORLD.group_name)
        torch.ops._c10d_functional.wait_tensor(y)
        z = functional.all_reduce(x, "max", dist.group.WORLD) + 1
    assert z.tolist() == [2.0, 2.0]
    recording = session.recording
    self_check(recording)
    ones, started, waited = recording.ops[:3]
    assert (started.name, started.inputs, started.overwrites) == ("all_reduce", ones.outputs, ())
    assert recording.tensors[started.outputs[0]].summary is None
    assert (waited.name, waited.overwrites) == ("wait_tensor", started.outputs)
    assert recording.tensors[waited.outputs[0]].summary.sample == (1.0, 1.0)
    sent = [(one.kind, one.reduction, one.op, one.wait) for one in recording.collectives]
    assert sent[0] == ("all_reduce", "sum", started.id, waited.id)
    assert sent[1][:2] == ("all_reduce", "max")


def test_no_tensor_is_kept_alive_by_a_collective_that_nobody_waits_for(alone: None) -> None:
    with inspector.recording() as session:
        x = torch.ones(2)
        work = dist.all_reduce(x, async_op=True)
        gone = weakref.ref(x)
        work.wait()
        del x, work
        gc.collect()
        assert gone() is None
    assert len(session.recording.collectives) == 1


def test_a_wrong_call_raises_what_torch_raises(alone: None) -> None:
    with pytest.raises(TypeError) as plain:
        dist.all_reduce()
    with inspector.recording(), pytest.raises(TypeError) as recorded:
        dist.all_reduce()
    assert str(recorded.value) == str(plain.value)


TRAIN = """
import torch, torch.distributed as dist
from torch import nn
from torch.nn.parallel import DistributedDataParallel
dist.init_process_group("gloo")
rank = dist.get_rank()
torch.manual_seed(rank)
net = nn.Sequential(nn.Linear(3, 4), nn.BatchNorm1d(4), nn.Linear(4, 1))
net = DistributedDataParallel(net, bucket_cap_mb=0.00001)
optimizer = torch.optim.SGD(net.parameters(), lr=0.1)
seen = []
for _ in range(3):
    loss = net(torch.randn(4, 3)).square().mean()
    optimizer.zero_grad()
    loss.backward()
    seen.append([p.grad.tolist() for p in net.parameters()])
    told = torch.tensor([rank + 1.0])
    work = dist.all_reduce(told, async_op=True)
    work.wait()
    optimizer.step()
there = torch.tensor([rank])
if rank == 0:
    dist.send(there, 1)
else:
    dist.recv(there, 0)
with open(f"rank{rank}.txt", "w") as file:
    kept = [t.tolist() for t in net.state_dict().values()]
    print(seen, kept, told.item(), there.item(), torch.rand(1).item(), file=file)
dist.destroy_process_group()
"""


def torchrun(folder: Path, *words: str, fails: bool = False) -> dict[str, str]:
    """Run two processes; returns what each wrote."""
    command = [sys.executable, "-m", "torch.distributed.run", "--nproc-per-node", "2"]
    command += ["--rdzv-backend", "c10d", "--rdzv-endpoint", "127.0.0.1:0", *words]
    environment = {**os.environ, "PYTHONPATH": str(ROOT), "OMP_NUM_THREADS": "1"}
    done = subprocess.run(
        command, cwd=folder, env=environment, capture_output=True, text=True, timeout=200
    )
    assert (done.returncode != 0) is fails, done.stderr
    return {path.name: path.read_text() for path in folder.glob("*.txt")}


@pytest.mark.slow
@pytest.mark.timeout(450)
def test_two_processes_of_torchrun_train_the_same_and_have_a_file_each(tmp_path: Path) -> None:
    (tmp_path / "train.py").write_text(TRAIN)
    plain = torchrun(tmp_path, "train.py")
    recorded = torchrun(tmp_path, "-m", "inspector", "record", "--steps", "2", "train.py")
    assert recorded == plain
    assert set(plain) == {"rank0.txt", "rank1.txt"}
    for rank in (0, 1):
        recording = inspector.load(tmp_path / f"run.rank{rank}.inspect")
        self_check(recording)
        assert (recording.meta["rank"], recording.meta["world_size"]) == (rank, 2)
        told = [one for one in recording.collectives if one.tensors == ("float32[1]",)]
        mine = [
            one for one in told if recording.ops[one.op].function == "torch.distributed.all_reduce"
        ]
        assert len(mine) == 2
        before = recording.tensors[recording.ops[mine[0].op].inputs[0]].summary
        after = recording.tensors[recording.ops[mine[0].wait].outputs[0]].summary
        assert (before.sample, after.sample) == ((rank + 1.0,), (3.0,))  # 1 + 2


@pytest.mark.slow
@pytest.mark.timeout(450)
def test_what_data_parallel_training_sends_is_noted_and_fits(tmp_path: Path) -> None:
    (tmp_path / "train.py").write_text(TRAIN)
    torchrun(tmp_path, "-m", "inspector", "record", "train.py")
    both = [inspector.load(tmp_path / f"run.rank{rank}.inspect") for rank in (1, 0)]
    for recording in both:
        gradients = [
            one
            for one in recording.collectives
            if recording.ops[one.op].function == "c10d.allreduce"
        ]
        # The parameters' 12 + 4 + 4 + 4 + 4 + 1 numbers go round once in each of three steps.
        sizes = [int(one.tensors[0].removeprefix("float32[")[:-1]) for one in gradients]
        assert sum(sizes) == 3 * 29
        assert all(recording.ops[one.op].phase == "backward" for one in gradients)
        assert all(recording.ops[one.wait].name == "wait" for one in gradients)
        kinds = {one.kind for one in recording.collectives}
        assert kinds == {"all_reduce", "all_gather", "broadcast", "send", "recv"} - {
            "recv" if recording.meta["rank"] == 0 else "send"
        }
    found = inspector.lanes(both)
    assert (found.ranks, found.absent, found.mismatches) == ((0, 1), (), ())
    assert all(set(meeting.collectives) == {0, 1} for meeting in found.meetings)
    assert len(found.meetings) == len(both[0].collectives)
    # Buckets are all-reduced: what C++ waited for is the mean on both ranks.
    first = next(m for m in found.meetings if found.op(0, m.collectives[0]).phase == "backward")
    sides = [
        found.recordings[lane].tensors[found.recordings[lane].ops[one.wait].outputs[0]].summary
        for lane, one in first.collectives.items()
    ]
    assert sides[0].sample == sides[1].sample


FAILS = """
import torch, torch.distributed as dist
dist.init_process_group("gloo")
for step in range(4):
    x = torch.ones(3)
    if dist.get_rank() == 1 and step == 2:
        raise ValueError("bad batch")
    dist.all_reduce(x)
"""


@pytest.mark.slow
@pytest.mark.timeout(450)
def test_a_rank_that_fails_leaves_all_files_and_is_named(tmp_path: Path) -> None:
    (tmp_path / "train.py").write_text(FAILS)
    torchrun(tmp_path, "-m", "inspector", "record", "train.py", fails=True)
    found = inspector.lanes(inspector.load(tmp_path / f"run.rank{n}.inspect") for n in (0, 1))
    (one,) = found.mismatches
    assert (one.kind, one.meeting, set(one.places)) == ("missing", 2, {0})
    assert "rank 0: all_reduce (train.py:8)" in one.message
    assert "with ValueError: bad batch (train.py:7)" in one.message
