"""Sentences about the losses and the path of the largest gradient."""

from __future__ import annotations

import math
from collections.abc import Sequence
from itertools import pairwise

from inspector.gradients import GradientReport, PathStep
from inspector.records import Recording, Source
from inspector.render.cardparts import number_text
from inspector.views.backward import short_name
from inspector_app.phrases import escaped, say, together
from inspector_app.screens.gradients_words import node_place, times


def path_sentence(path: Sequence[PathStep], recording: Recording) -> str:
    """Where the largest gradient goes, and where it changes most."""
    end = path[-1]
    goal = f"`{end.parameter}`" if end.parameter else node_place(recording, end.node)
    changes = [
        (after.arriving / before.arriving, before)
        for before, after in pairwise(path)
        if before.arriving and after.arriving
    ]
    if any(one.nonfinite for one in path):
        first = next(one for one in path if one.nonfinite)
        return say(
            "It ends at {goal}. From {node} on it is not finite.",
            goal=goal,
            node=node_place(recording, first.node),
        )
    if not changes:
        return say("It ends at {goal}.", goal=goal)
    factor, at = max(changes, key=lambda change: max(change[0], 1 / change[0]))
    place = node_place(recording, at.node)
    if factor >= 1:
        return say(
            "It ends at {goal}. It grows most at {node}: by a factor of {times}.",
            goal=goal, node=place, times=times(factor),
        )  # fmt: skip
    return say(
        "It ends at {goal}. It shrinks most at {node}: by a factor of {times}.",
        goal=goal, node=place, times=times(1 / factor),
    )  # fmt: skip


def loss_sentence(report: GradientReport) -> str:
    """How the loss went, by the line that computed it."""
    curves: dict[Source | None, list[float]] = {}
    for one in report.rounds:
        for loss, source in zip(one.losses, one.loss_sources, strict=True):
            if loss is not None:
                curves.setdefault(source, []).append(loss)
    return together(_loss_words(source, losses) for source, losses in curves.items())


def _loss_words(source: Source | None, losses: list[float]) -> str:
    first, last = losses[0], losses[-1]
    name = (
        say("The loss")
        if source is None
        else say("The loss (computed in line {line})", line=source.line)
    )
    numbers = {"loss": name, "first": number_text(first), "last": number_text(last)}
    bad = next((i + 1 for i, loss in enumerate(losses) if not math.isfinite(loss)), None)
    if bad is not None:
        return say("{loss} is not finite from the {bad}. pass on.", loss=name, bad=bad)
    if len(losses) == 1:
        return say("{loss} is {first}.", **numbers)
    if last < first:
        return say("{loss} falls from {first} to {last}.", **numbers)
    if last > first:
        return say("{loss} **rises** from {first} to {last}.", **numbers)
    return say("{loss} stays at {first}.", **numbers)


def step_label(path: PathStep, recording: Recording) -> str:
    """What an autograd node belongs to: a parameter, or an op with its module."""
    if path.parameter:
        return path.parameter
    if path.op is None:
        return say("leaf") if path.name == "AccumulateGrad" else short_name(path.name)
    op = recording.ops[path.op]
    module = "" if op.module_call is None else recording.module_calls[op.module_call].path
    return f"{module} · {op.name}" if module else op.name


def loss_badge(report: GradientReport) -> str:
    """As in "loss 0.65 → 0.02"; "" where no loss is known, or there are several kinds."""
    known = [loss for one in report.rounds for loss in one.losses if loss is not None]
    lines = {source for one in report.rounds for source in one.loss_sources}
    if not known or len(lines) != 1:
        return ""
    if len(known) == 1:
        return say("loss {loss}", loss=escaped(number_text(known[0])))
    return say(
        "loss {first} → {last}",
        first=escaped(number_text(known[0])),
        last=escaped(number_text(known[-1])),
    )
