"""What each way of recording a training adds to a step of it.

    python benchmarks/watching.py [--rounds 3]

Each way is a process of its own, as `record` is; all take turns, so that a busy moment hits all
alike. Printed are ms of a step, the median of the rounds' medians, and the ratio to the training
alone.
"""

from __future__ import annotations

import argparse
import statistics
import subprocess
import sys
import tempfile
from pathlib import Path

TRAINING = """\
import statistics, sys, time
import torch
from torch import nn

torch.manual_seed(0)
torch.set_num_threads(1)
if sys.argv[1] == "small":
    net = nn.Sequential(*(nn.Linear(16, 16) for _ in range(10)))
    x, steps = torch.randn(8, 16), 60
else:
    layer = nn.TransformerEncoderLayer(256, 4, 1024, batch_first=True)
    net, x, steps = nn.TransformerEncoder(layer, 4), torch.randn(8, 64, 256), 12
optimizer = torch.optim.Adam(net.parameters())
took = []
for _ in range(steps):
    start = time.perf_counter()
    optimizer.zero_grad()
    net(x).square().mean().backward()
    optimizer.step()
    took.append(time.perf_counter() - start)
print("median", 1000 * statistics.median(took[steps // 3 :]))
"""

MODELS = {"small": "10 small linear layers", "encoder": "4 encoder layers of width 256"}

WAYS: dict[str, list[str] | None] = {
    "alone": None,
    "--watch": ["--watch"],
    "--start-at-step, before K": ["--start-at-step", "1000"],
    "all recorded": [],
    "--when-nonfinite": ["--when-nonfinite"],
}


def main() -> None:
    """Print the table."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--rounds", type=int, default=3)
    rounds = parser.parse_args().rounds
    print(f"| | {' | '.join(WAYS)} |")
    print(f"|---|{'--:|' * len(WAYS)}")
    with tempfile.TemporaryDirectory() as folder:
        place = Path(folder)
        script = place / "training.py"
        script.write_text(TRAINING, encoding="utf-8")
        for model, title in MODELS.items():
            times: dict[str, list[float]] = {way: [] for way in WAYS}
            for _ in range(rounds):
                for way, options in WAYS.items():
                    times[way].append(_step(script, model, options, place))
            alone = statistics.median(times["alone"])
            middle = [statistics.median(found) for found in times.values()]
            cells = [f"{one:.3g} ms, {one / alone:.2f} ×" for one in middle]
            print(f"| {title} | {' | '.join(cells)} |", flush=True)


def _step(script: Path, model: str, options: list[str] | None, place: Path) -> float:
    """ms of one training step."""
    before = []
    if options is not None:
        before = ["-m", "inspector", "record", "-q", "-o", str(place / "run.inspect"), *options]
    command = [sys.executable, *before, str(script), model]
    done = subprocess.run(command, capture_output=True, text=True, check=True)
    return float(done.stdout.split()[-1])


if __name__ == "__main__":
    main()
