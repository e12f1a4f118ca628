"""What the commands cost to start, and what `record` adds to a script's start.

    python benchmarks/command_line.py [--rounds 5] [--ops 100000] [--kept 1000]

Each command is a process of its own, and all take turns, so that a busy moment hits all alike.
"""

from __future__ import annotations

import argparse
import os
import secrets
import shutil
import socket
import statistics
import subprocess
import sys
import tempfile
import time
import urllib.request
from collections.abc import Iterator
from pathlib import Path

import torch

import inspector
from inspector.library import Library
from inspector.library.entries import as_json, of_json

FORWARD = "import torch\nprint(torch.nn.Linear(3, 2)(torch.ones(1, 3)).sum())\n"
TRAINING = (
    "import torch\nnet = torch.nn.Linear(3, 2)\noptimizer = torch.optim.Adam(net.parameters())\n"
    "net(torch.ones(1, 3)).sum().backward()\noptimizer.step()\n"
)

Row = tuple[str, list[str], str]
"""What is run, its words after `python`, and the row that it is divided by."""


def rows(place: Path) -> list[Row]:
    """The commands; files of theirs are in `place`."""
    ours = ["-m", "inspector"]
    big, forward, training = (
        str(place / name) for name in ("big.inspect", "forward.py", "training.py")
    )
    record = [*ours, "record", "-q", "-o", str(place / "run.inspect")]
    library = [*ours, "library", "--folder", str(place / "kept")]
    pass_, torch_ = "python -c pass", "python -c 'import torch'"
    return [
        (pass_, ["-c", "pass"], pass_),
        ("--version", [*ours, "--version"], pass_),
        ("--help", [*ours, "--help"], pass_),
        *[
            (f"{name} --help", [*ours, name, "--help"], pass_)
            for name in ("record", "check", "census", "export", "library")
        ],
        ("completion bash", [*ours, "completion", "bash"], pass_),
        ("info, many ops", [*ours, "info", big], pass_),
        ("library list", [*library, "list"], pass_),
        ("library list, search", [*library, "list", "relu"], pass_),
        (torch_, ["-c", "import torch"], torch_),
        ("python forward.py", [forward], "python forward.py"),
        ("record forward.py", [*record, forward], "python forward.py"),
        ("python training.py", [training], "python training.py"),
        ("record training.py", [*record, training], "python training.py"),
        ("record --watch training.py", [*record, "--watch", training], "python training.py"),
    ]


def timed(words: list[str]) -> tuple[float, float]:
    """Seconds of one process: wall clock, CPU."""
    before, start = os.times(), time.perf_counter()
    subprocess.run([sys.executable, *words], check=True, capture_output=True)
    after = os.times()
    cpu = after.children_user + after.children_system
    return (
        time.perf_counter() - start,
        cpu - before.children_user - before.children_system,
    )


def view_start() -> float:
    """Seconds until the page of `view` answers."""
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    start = time.perf_counter()
    command = [sys.executable, "-m", "inspector", "view", "--port", str(port)]
    with subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL) as server:
        try:
            while time.perf_counter() - start < 120:
                try:
                    with urllib.request.urlopen(f"http://127.0.0.1:{port}/_stcore/health"):
                        return time.perf_counter() - start
                except OSError:
                    time.sleep(0.05)
        finally:
            server.terminate()
    raise TimeoutError("the page did not answer")


def prepare(place: Path, ops: int, kept: int) -> None:
    """Write the scripts, a recording of so many ops, and a library of so many recordings."""
    (place / "forward.py").write_text(FORWARD)
    (place / "training.py").write_text(TRAINING)

    def many(x: torch.Tensor) -> torch.Tensor:
        for _ in range(ops):
            x = x + 1
        return x

    inspector.record(many, torch.ones(2)).save(place / "big.inspect")
    library = Library(place / "kept")
    first = library.add(inspector.record(torch.nn.ReLU(), torch.ones(2)))
    for number in range(1, kept):
        id = secrets.token_hex(6)
        shutil.copytree(library.folder / first.id, library.folder / id)
        text = as_json(first).replace('"name": "ReLU"', f'"name": "run {number}"')
        (library.folder / id / "about.json").write_text(as_json(of_json(id, text)))


def measured(table: list[Row], rounds: int) -> Iterator[tuple[str, float, float, float]]:
    """(command, seconds, CPU seconds, CPU seconds divided by those of its row), medians."""
    for _, words, _ in table:  # files come into the system's cache, indexes are made
        timed(words)
    taken: dict[str, list[tuple[float, float]]] = {name: [] for name, _, _ in table}
    for _ in range(rounds):
        for name, words, _ in table:
            taken[name].append(timed(words))
    wall = {name: statistics.median(one for one, _ in each) for name, each in taken.items()}
    cpu = {name: statistics.median(one for _, one in each) for name, each in taken.items()}
    for name, _, base in table:
        yield name, wall[name], cpu[name], cpu[name] / cpu[base]


def main() -> None:
    """Measure, and print the table."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--ops", type=int, default=100_000)
    parser.add_argument("--kept", type=int, default=1_000)
    asked = parser.parse_args()
    print(f"load of the machine: {os.getloadavg()[0]:.1f} on {os.cpu_count()} cores")
    with tempfile.TemporaryDirectory() as folder:
        place = Path(folder)
        prepare(place, asked.ops, asked.kept)
        print(f"{asked.ops:,} ops in the recording, {asked.kept:,} recordings in the library\n")
        print("| command | wall s | CPU s | × |\n|---|--:|--:|--:|")
        for name, wall, cpu, ratio in measured(rows(place), asked.rounds):
            print(f"| {name} | {wall:.2f} | {cpu:.2f} | {ratio:.1f} |")
    print(f"\n`view` answers after {view_start():.1f} s")


if __name__ == "__main__":
    main()
