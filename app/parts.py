"""Parts that several pages show: the headline and the failure."""

from __future__ import annotations

import os

import streamlit as st

from inspector.records import Decision, Recording
from inspector.views.boxes import BoxTree
from inspector_app.phrases import escaped, say, say_count, told
from inspector_app.runs import Run


def headline(title: str, teaches: str, run: Run, previous: Run | None, link: str = "") -> None:
    """What is shown and its numbers, each with its change against the run before.

    Args:
        title, teaches, link: Markdown; the link stands after the numbers.
        run: what is shown.
        previous: the run before.
    """
    st.markdown(f"#### {title}")
    before = {} if previous is None else _numbers(previous)
    badges = []
    for name, value in _numbers(run).items():
        change = value - before.get(name, value)
        delta = f" ({change:+d})" if change else ""
        colour = "violet" if change else "gray"
        badges.append(f":{colour}-badge[{_counted(name, value)}{delta}]")
    st.markdown("&ensp;".join(part for part in (teaches, *badges, link) if part))


def _numbers(run: Run) -> dict[str, int]:
    recording = run.recording
    found = {
        "ops": len(recording.ops),
        "calls": len(recording.module_calls),
        "decisions": len(steering_decisions(recording)),
        "grads": len(recording.grad_nodes),
    }
    if run.static is not None and run.overlay is not None and run.overlay.executions:
        counts = run.overlay.executions
        found["percent"] = round(100 * sum(map(bool, counts.values())) / len(counts))
    return found


def _counted(name: str, value: int) -> str:
    if name == "ops":
        return say_count("1 op", "{count} ops", value)
    if name == "calls":
        return say_count("1 module call", "{count} module calls", value)
    if name == "decisions":
        return say_count("1 decision", "{count} decisions", value)
    if name == "grads":
        return say_count("1 autograd node", "{count} autograd nodes", value)
    return say("{percent} % of the IR ran", percent=value)


def steering_decisions(recording: Recording) -> list[Decision]:
    """The decisions outside of optimizer steps, whose reads steer nothing of the model."""
    tree = BoxTree(recording)
    return [found for found in recording.decisions if tree.step_of_decision(found) is None]


BANNER = 120
"""Px that the banner of a failed run takes."""


def failure_banner(recording: Recording) -> None:
    """The exception that ended the run, with its place."""
    if recording.failure is not None:
        st.error(_ended(recording), icon=":material/error:")
    for note in recording.notes:
        st.caption(escaped(told(note)))


def _ended(recording: Recording) -> str:
    failure = recording.failure
    assert failure is not None
    op = source = ""
    if failure.op is not None:
        op = f"[{failure.op}] **{escaped(recording.ops[failure.op].name)}**"
    if failure.source is not None:
        source = escaped(os.path.basename(failure.source.file))
    values = {
        "op": op,
        "file": source,
        "line": failure.source.line if failure.source is not None else 0,
        "type": escaped(failure.type),
        "message": escaped(failure.message),
    }
    if op and source:
        where = say("The run ended at op {op}, {file} line {line}: {type}: {message}", **values)
    elif op:
        where = say("The run ended at op {op}: {type}: {message}", **values)
    elif source:
        where = say("The run ended, {file} line {line}: {type}: {message}", **values)
    else:
        where = say("The run ended: {type}: {message}", **values)
    return f"{where}\n\n{say('Everything before it is shown.')}"
