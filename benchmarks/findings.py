"""What checking all rules costs, beside the recording itself.

    python benchmarks/findings.py [OPS]

Recordings of about OPS ops (10,000 by default), made with the default options: a loop of small
ops, the same with a backward pass, and training steps of modules with an optimizer. Recording and
checking take turns, and each figure is the shortest of five. Then the rules that cost most, each
with indices of its own, so that their sum is more than what all of them together cost.
"""

from __future__ import annotations

import sys
import time
from collections.abc import Callable

import torch
from torch import nn

import inspector
from inspector.findings import Evidence, all_rules
from inspector.records import Recording

REPEATS = 5
SHOWN = 6
ALLOWED = 0.20


def loop(ops: int, x: torch.Tensor) -> torch.Tensor:
    for _ in range(ops // 4):
        x = torch.tanh(x * 1.01 + 0.5).sin()
    return x.sum()


def forward(ops: int) -> None:
    loop(ops, torch.ones(4))


def backward(ops: int) -> None:
    loop(ops, torch.ones(4, requires_grad=True)).backward()


def training(ops: int) -> None:
    """Steps of a deep perceptron: 33 ops of the forward, and the optimizer's own."""
    torch.manual_seed(0)
    layers = [part for _ in range(16) for part in (nn.Linear(4, 4), nn.ReLU())]
    model = nn.Sequential(*layers)
    optimizer = torch.optim.SGD(model.parameters(), lr=0.01)
    for _ in range(ops // 65):
        optimizer.zero_grad()
        model(torch.ones(2, 4)).pow(2).sum().backward()
        optimizer.step()


def recorded(program: Callable[[int], None], ops: int) -> Recording:
    with inspector.recording() as session:
        program(ops)
    return session.recording


def timed(work: Callable[[], object]) -> float:
    """Seconds."""
    begin = time.perf_counter()
    work()
    return time.perf_counter() - begin


def dearest(recording: Recording) -> str:
    """The rules that take longest alone, with their milliseconds."""
    times = {
        rule.name: min(timed(lambda: list(rule.check(Evidence(recording)))) for _ in range(2))  # noqa: B023
        for rule in all_rules()
    }
    first = sorted(times, key=times.__getitem__, reverse=True)[:SHOWN]
    return ", ".join(f"{name} {times[name] * 1e3:.1f}" for name in first)


def main() -> None:
    """Print the table."""
    ops = int(sys.argv[1]) if len(sys.argv) > 1 else 10_000
    print(f"{'':12}{'ops':>8}{'record':>10}{'findings':>10}{'µs an op':>10}{'ratio':>8}")
    for program in (forward, backward, training):
        recording = recorded(program, ops)
        recording_times, checking_times = [], []
        for _ in range(REPEATS):
            recording_times.append(timed(lambda: recorded(program, ops)))  # noqa: B023
            checking_times.append(timed(lambda: inspector.findings(recording)))  # noqa: B023
        record, check = min(recording_times), min(checking_times)
        count = len(recording.ops)
        verdict = "" if check <= ALLOWED * record else f"  more than {ALLOWED:.0%}"
        print(
            f"{program.__name__:12}{count:>8,}{record:>8.2f} s{check:>8.3f} s"
            f"{check / count * 1e6:>10.1f}{check / record:>8.1%}{verdict}"
        )
        print(f"    ms alone: {dearest(recording)}")


if __name__ == "__main__":
    main()
