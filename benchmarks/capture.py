"""What recording costs: time and memory per op, side by side with eager, a floor and peers.

    python benchmarks/capture.py                    # the four models, ours only
    python benchmarks/capture.py --peers            # with torchview and TorchLens
    python benchmarks/capture.py --scaling          # ours at 1,000 to 100,000 ops
    python benchmarks/capture.py --depths           # the floor and ours by depth of the stack
    python benchmarks/capture.py --model rnn --repetitions 3

Prints Markdown. Each model runs in a process of its own. See README.md beside this file.
"""

from __future__ import annotations

import argparse
import gc
import os
import platform
import statistics
import subprocess
import sys
import time
from collections.abc import Sequence
from typing import NamedTuple

import depths
import scaling
import torch
from contenders import OURS, PEERS, Contender, floor, installed, op_count
from memory import peak_mib
from models import PLANS, Case, Plan


class Row(NamedTuple):
    """One contender's figures: CPU seconds of each repetition, peak MiB."""

    name: str
    seconds: list[float]
    peak: float | None


def main(arguments: Sequence[str] | None = None) -> int:
    """Run what is asked for and print tables."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--model", choices=list(PLANS), help="this one only, in this process")
    parser.add_argument("--peers", action="store_true", help="measure torchview and TorchLens too")
    parser.add_argument("--scaling", action="store_true", help="ours by number of ops instead")
    parser.add_argument("--depths", action="store_true", help="floor and ours by depth instead")
    parser.add_argument("--repetitions", type=int, help="of eager, floor and ours")
    options = parser.parse_args(arguments)
    torch.set_num_threads(1)
    torch.manual_seed(0)
    if options.scaling or options.depths:
        (scaling if options.scaling else depths).main()
        return 0
    if options.model:
        plan = PLANS[options.model]
        if options.repetitions:
            plan = plan._replace(repetitions=options.repetitions)
        measure(plan, options.peers)
        return 0
    print(machine())
    given = sys.argv[1:] if arguments is None else list(arguments)
    for name in PLANS:  # a fresh process: no peer's patches, no warm caches of another model
        command = [sys.executable, __file__, "--model", name, *given]
        code = subprocess.run(command, check=False).returncode
        if code:
            return code
    depths.main()
    return 0


def machine() -> str:
    """What the figures were taken on."""
    load = ", ".join(f"{value:.1f}" for value in os.getloadavg())
    return (
        f"torch {torch.__version__}, Python {platform.python_version()}, {os.cpu_count()} cores, "
        f"load {load} at the start; CPU time on one thread, medians.\n"
    )


def measure(plan: Plan, peers: bool) -> None:
    """Print the tables of one model: forward, then forward and backward."""
    case, small = plan.build(plan.steps), plan.build(plan.warm_up)
    ops = op_count(case)
    depth = max(map(len, floor(small, False).chains))
    for backward in (False, True):
        able = [peer for peer in PEERS if peer.backward or not backward]
        present = [peer for peer in able if installed(peer)] if peers else []
        rows = interleaved(OURS, case, small, backward, plan.repetitions)
        rows += interleaved(present, case, small, backward, plan.peer_repetitions)
        missing = [peer.name for peer in able if peers and peer not in present]
        what = "forward and backward" if backward else "forward"
        print(f"### {plan.title}: {what} ({ops:,} ops forward, {depth} frames deep)\n")
        print(table(rows, missing, ops), flush=True)


def interleaved(
    contenders: Sequence[Contender], case: Case, small: Case, backward: bool, repetitions: int
) -> list[Row]:
    """Measure in rounds, so that a busy moment of the machine hits everyone alike."""
    seconds: dict[str, list[float]] = {contender.name: [] for contender in contenders}
    for contender in contenders:
        timed(contender, small, backward)
    for turn in range(repetitions):
        start = turn % len(contenders) if contenders else 0
        for contender in (*contenders[start:], *contenders[:start]):
            seconds[contender.name].append(timed(contender, case, backward))
    rows = []
    for contender in contenders:
        last: list[float] = []
        peak = peak_mib(lambda who=contender, into=last: into.append(timed(who, case, backward)))
        # Memory fresh from the system is slower: this run's time counts if it is the only one.
        rows.append(Row(contender.name, seconds[contender.name] or last, peak))
    return rows


def timed(contender: Contender, case: Case, backward: bool) -> float:
    """CPU seconds of one run, its result alive until the clock has stopped."""
    case.model.zero_grad()
    gc.collect()
    start = time.process_time()
    kept = contender.run(case, backward)
    seconds = time.process_time() - start
    del kept
    return seconds


HEADER = (
    "| | µs per op | × eager | extra ÷ floor's extra | peak MiB | runs |\n|---|--:|--:|--:|--:|--:|"
)


def table(rows: Sequence[Row], missing: Sequence[str], ops: int) -> str:
    """Markdown: medians per op, and ratios of medians."""
    medians = {row.name: statistics.median(row.seconds) for row in rows}
    alone, floor = (medians[contender.name] for contender in OURS[:2])
    lines = [HEADER]
    for row in rows:
        median = medians[row.name]
        # On few, heavy ops the floor drowns in noise: no ratio to it then.
        telling = floor > 1.1 * alone and row.name != OURS[0].name
        extra = f"{(median - alone) / (floor - alone):.1f}" if telling else ""
        peak = "?" if row.peak is None else f"{row.peak:.0f}"
        lines.append(
            f"| {row.name} | {median / ops * 1e6:,.1f} | {median / alone:.2f} | {extra} | {peak} "
            f"| {len(row.seconds)} |"
        )
    lines += [f"| {name} | not installed | | | | |" for name in missing]
    lens = medians.get("TorchLens")
    if lens is not None:
        share = lens / medians["ours, default"]
        lines.append(f"\nTorchLens takes {share:.1f} times as long as ours with default options.")
    return "\n".join([*lines, ""])


if __name__ == "__main__":
    raise SystemExit(main())
