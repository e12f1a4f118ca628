"""What the workbench's server does until a picture is there: views, layout, SVG, memory.

    python benchmarks/view.py                    # 1,000, 10,000 and 100,000 ops
    python benchmarks/view.py --ops 10000        # one size, in this process
    python benchmarks/view.py --slow             # whole-graph dot where it needs minutes too

Prints Markdown. Recordings are real ones: of a tree of modules (blocks of ten ops), and of
elementwise ops in one loop, saved and loaded again. Each size runs in a process of its own.
See README.md beside this file.
"""

from __future__ import annotations

import argparse
import gc
import os
import platform
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import NamedTuple, TypeVar

import torch
from memory import resident_mib
from models import elementwise, tree

import inspector
from inspector.errors import GraphvizTimeout
from inspector.render.drawer import MEMORY
from inspector.render.export import to_bytes
from inspector.render.layout import layout
from inspector.render.process import run_graphviz
from inspector.render.svg import to_svg
from inspector.views import GraphView, ViewIndex, default_open, dynamic_view

T = TypeVar("T")

SIZES = (1_000, 10_000, 100_000)
MODELS = {"modules": tree, "elementwise": elementwise}
REPETITIONS = 5
BOXES = 8
"""So many boxes are opened, one after the other, each with all that was opened before."""
MOST_NODES = 15_000
"""Nobody looks at a fully opened picture of more."""
PATIENCE = 10.0
"""Seconds after which whole-graph dot is given up; with --slow 300."""

HEADER = (
    "| picture | nodes | boxes | index, s | view, s | layout, s | again, s | SVG, s | all, s "
    "| whole-graph dot, s | ratio |\n|---|--:|--:|--:|--:|--:|--:|--:|--:|--:|--:|"
)


def main(arguments: Sequence[str] | None = None) -> int:
    """Run what is asked for and print tables."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--ops", type=int, help="this size only, in this process")
    parser.add_argument("--model", choices=list(MODELS), help="with --ops: this model only")
    parser.add_argument("--slow", action="store_true", help="wait 5 minutes for whole-graph dot")
    parser.add_argument("--save", metavar="FILE", help="only record --ops of --model")
    options = parser.parse_args(arguments)
    torch.set_num_threads(1)
    if options.save:
        _save(options.model, options.ops, options.save)
        return 0
    patience = 300.0 if options.slow else PATIENCE
    if options.ops:
        for model in [options.model] if options.model else MODELS:
            measure(model, options.ops, patience)
        return 0
    print(machine())
    for ops in SIZES:
        for model in MODELS:  # a fresh process: memory is that of one recording
            command = [sys.executable, __file__, "--ops", str(ops), "--model", model]
            command += ["--slow"] * options.slow
            code = subprocess.run(command, check=False).returncode
            if code:
                return code
    return 0


def machine() -> str:
    """What the figures were taken on."""
    load = ", ".join(f"{value:.1f}" for value in os.getloadavg())
    return (
        f"torch {torch.__version__}, Python {platform.python_version()}, {os.cpu_count()} cores, "
        f"load {load} at the start; wall-clock time, medians.\n"
    )


class Timed(NamedTuple):
    """One picture's seconds by stage, and the picture."""

    view: GraphView
    seconds: dict[str, float]


def measure(model: str, ops: int, patience: float) -> None:
    """Print the tables of one recording."""
    before = resident_mib()
    recording, loading = _loaded(model, ops)
    print(f"### {model}, {len(recording.ops):,} ops (loaded in {loading:.2f} s)\n")
    index = ViewIndex(recording)
    opened, opening = _clock(lambda: default_open(recording, index=index))
    rows = [("first", picture(recording, opened))]
    print(f"Deciding what is open at first: {opening:.2f} s.\n")
    print(HEADER)
    everything = _everything(recording, index, opened)
    if everything is not None and everything != opened:
        rows.append(("all open", picture(recording, everything)))
    for name, timed in rows:
        print(row(name, timed, patience), flush=True)
    seconds = _opening(recording, index, opened)
    if seconds:
        print(
            f"\nOpening a box (view, layout, SVG; {len(seconds)} boxes): median "
            f"{statistics.median(seconds):.3f} s, longest {max(seconds):.3f} s."
        )
    grown = resident_mib() - before
    print(f"\nThe process has grown by {grown:,.0f} MiB, recording included.\n", flush=True)


def _loaded(model: str, ops: int) -> tuple[inspector.Recording, float]:
    """A recording as a viewer opens it: from a file."""
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "run.inspect"
        # In another process: the model and what recording it needed must not count as ours.
        command = [sys.executable, __file__, "--ops", str(ops), "--model", model, "--save"]
        subprocess.run([*command, str(path)], check=True)
        return _clock(lambda: inspector.load(path))


def _save(model: str, ops: int, path: str) -> None:
    case = MODELS[model](ops)
    inspector.record(case.model, *case.inputs, loss="sum").save(path)


def picture(recording: inspector.Recording, opened: frozenset[str]) -> Timed:
    """Draw one picture as if it were the first, several times; and its layout once more."""
    found: dict[str, list[float]] = {}
    view: GraphView | None = None
    for _ in range(REPETITIONS if len(recording.ops) < 50_000 else 3):
        MEMORY.clear()
        gc.collect()
        index, seconds = _clock(lambda: ViewIndex(recording))
        found.setdefault("index", []).append(seconds)
        view, seconds = _clock(lambda made=index: dynamic_view(recording, opened, made))
        found.setdefault("view", []).append(seconds)
        places, seconds = _clock(lambda drawn=view: layout(drawn))
        found.setdefault("layout", []).append(seconds)
        _, seconds = _clock(lambda drawn=view: layout(drawn))
        found.setdefault("again", []).append(seconds)
        _, seconds = _clock(lambda drawn=view, at=places: to_svg(drawn, at))
        found.setdefault("svg", []).append(seconds)
    assert view is not None
    return Timed(view, {stage: statistics.median(values) for stage, values in found.items()})


def row(name: str, timed: Timed, patience: float) -> str:
    """A line of Markdown, with what whole-graph dot takes for the same picture."""
    view, s = timed
    whole = sum(s[stage] for stage in ("index", "view", "layout", "svg"))
    dot = _whole_graph(view, patience)
    ratio = "" if dot is None else f"{dot / s['layout']:,.1f}"
    shown = f"over {patience:.0f}" if dot is None else f"{dot:.2f}"
    return (
        f"| {name} | {len(view.nodes):,} | {len(view.boxes):,} | {s['index']:.3f} | "
        f"{s['view']:.3f} | {s['layout']:.3f} | {s['again']:.3f} | {s['svg']:.3f} | {whole:.3f} | "
        f"{shown} | {ratio} |"
    )


def _whole_graph(view: GraphView, patience: float) -> float | None:
    """Seconds that `dot` takes for all of a picture at once; None if it takes too long."""
    text = to_bytes(view, "dot").decode()
    try:
        return _clock(lambda: run_graphviz(text, "json0", patience))[1]
    except GraphvizTimeout:
        return None


def _everything(
    recording: inspector.Recording, index: ViewIndex, opened: frozenset[str]
) -> frozenset[str] | None:
    """All boxes; None where that is too much to look at."""
    while True:
        view = dynamic_view(recording, opened, index)
        if len(view.nodes) > MOST_NODES:
            return None
        closed = set(_closed(view)) - opened
        if not closed:
            return opened
        opened |= closed


def _closed(view: GraphView) -> list[str]:
    """What can be opened: closed boxes, and loops of which one trip stands for all."""
    folded = [box.id for box in view.boxes if box.is_folded]
    return [*folded, *(node.id for node in view.nodes if node.kind == "box")]


def _opening(
    recording: inspector.Recording, index: ViewIndex, opened: frozenset[str]
) -> list[float]:
    """Seconds to draw anew after each of some boxes was opened."""
    seconds: list[float] = []
    view = dynamic_view(recording, opened, index)
    layout(view)
    for _ in range(BOXES):
        closed = [box for box in _closed(view) if box not in opened]
        if not closed:
            break
        opened |= {closed[len(closed) // 2]}

        def draw(which: frozenset[str] = opened) -> GraphView:
            drawn = dynamic_view(recording, which, index)
            to_svg(drawn, layout(drawn))
            return drawn

        view, passed = _clock(draw)
        seconds.append(passed)
    return seconds


def _clock(run: Callable[[], T]) -> tuple[T, float]:
    start = time.perf_counter()
    result = run()
    return result, time.perf_counter() - start


if __name__ == "__main__":
    raise SystemExit(main())
