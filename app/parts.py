"""Parts that several pages show: the headline and the failure."""

from __future__ import annotations

import os
import re

import streamlit as st

from inspector.records import Decision, Recording
from inspector.views import words
from inspector.views.boxes import BoxTree
from inspector_app.runs import Run


def headline(title: str, teaches: str, run: Run, previous: Run | None, link: str = "") -> None:
    """What is shown and its numbers, each with its change against the run before.

    Args:
        title, teaches, link: Markdown; the link stands after the numbers.
        run: what is shown.
        previous: the run before.
    """
    st.markdown(f"#### {title}")
    before = _numbers(previous) if previous is not None else {}
    badges = []
    for label, (value, unit) in _numbers(run).items():
        change = value - before[label][0] if label in before else 0
        delta = f" ({change:+d})" if change else ""
        colour = "violet" if change else "gray"
        counted = f"{value}{unit} {label}" if unit else words.plural(value, label)
        badges.append(f":{colour}-badge[{counted}{delta}]")
    st.markdown("&ensp;".join(part for part in (teaches, *badges, link) if part))


def _numbers(run: Run) -> dict[str, tuple[int, str]]:
    recording = run.recording
    found = {
        "op": (len(recording.ops), ""),
        "module call": (len(recording.module_calls), ""),
        "decision": (len(steering_decisions(recording)), ""),
        "autograd node": (len(recording.grad_nodes), ""),
    }
    if run.static is not None and run.overlay is not None and run.overlay.executions:
        counts = run.overlay.executions
        found["of the IR ran"] = (round(100 * sum(map(bool, counts.values())) / len(counts)), " %")
    return found


def escaped(text: str) -> str:
    """Text as Markdown that shows it letter by letter: messages and names are not markup."""
    return re.sub(r"([\\`*_{}\[\]()<>#+\-.!|$~:])", r"\\\1", text)


def steering_decisions(recording: Recording) -> list[Decision]:
    """The decisions outside of optimizer steps, whose reads steer nothing of the model."""
    tree = BoxTree(recording)
    return [found for found in recording.decisions if tree.step_of_decision(found) is None]


BANNER = 120
"""Px that the banner of a failed run takes."""


def failure_banner(recording: Recording) -> None:
    """The exception that ended the run, with its place."""
    failure = recording.failure
    if failure is not None:
        where = ""
        if failure.op is not None:
            where += f" at op [{failure.op}] **{escaped(recording.ops[failure.op].name)}**"
        if failure.source is not None:
            name = os.path.basename(failure.source.file)
            where += f", {escaped(name)} line {failure.source.line}"
        st.error(
            f"The run ended{where}: {escaped(failure.type)}: {escaped(failure.message)}"
            "\n\nEverything before it is shown.",
            icon=":material/error:",
        )
    for note in recording.notes:
        st.caption(escaped(note))
