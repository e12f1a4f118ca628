"""Programs of several processes: collectives are ops, and each process has its file.

Oracles: the sums that the ranks' numbers have, and the same program without a recording.
"""

from __future__ import annotations

import os
import subprocess
import sys
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


def test_a_collective_that_ends_later_is_told_and_not_shown(alone: None) -> None:
    with inspector.recording() as session:
        work = dist.all_reduce(torch.ones(2), async_op=True)
        assert work is not None
        work.wait()
    assert [op.name for op in session.recording.ops] == ["ones"]
    assert any("async_op" in note for note in session.recording.notes)


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
net = DistributedDataParallel(nn.Linear(3, 1))
optimizer = torch.optim.SGD(net.parameters(), lr=0.1)
for _ in range(3):
    loss = net(torch.randn(4, 3)).square().mean()
    optimizer.zero_grad()
    loss.backward()
    told = torch.tensor([rank + 1.0])
    dist.all_reduce(told)
    optimizer.step()
with open(f"rank{rank}.txt", "w") as file:
    print([p.tolist() for p in net.parameters()], told.item(), torch.rand(1).item(), file=file)
dist.destroy_process_group()
"""


def torchrun(folder: Path, *words: str) -> dict[str, str]:
    """Run two processes; returns what each wrote."""
    command = [sys.executable, "-m", "torch.distributed.run", "--nproc-per-node", "2"]
    command += ["--rdzv-backend", "c10d", "--rdzv-endpoint", "127.0.0.1:0", *words]
    environment = {**os.environ, "PYTHONPATH": str(ROOT), "OMP_NUM_THREADS": "1"}
    done = subprocess.run(
        command, cwd=folder, env=environment, capture_output=True, text=True, timeout=200
    )
    assert done.returncode == 0, done.stderr
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
        reduced = [op for op in recording.ops if op.name == "all_reduce"]
        assert len(reduced) == 2
        before, after = (
            recording.tensors[ids[0]].summary for ids in (reduced[0].inputs, reduced[0].outputs)
        )
        assert (before.sample, after.sample) == ((rank + 1.0,), (3.0,))  # 1 + 2
