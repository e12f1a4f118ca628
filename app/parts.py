"""Parts that several pages show: the headline, the failure, tables and downloads."""

from __future__ import annotations

import os
import re
import tempfile
from collections.abc import Iterable
from functools import partial
from pathlib import Path
from typing import Any

import streamlit as st

from inspector.errors import RenderError
from inspector.records import Decision, Overlay, Recording, StaticGraph
from inspector.render import to_bytes
from inspector.render.figures import gradient_figure
from inspector.render.workbench import Shown
from inspector.views import words
from inspector.views.boxes import BoxTree, default_open
from inspector_app.runs import Run

Row = dict[str, Any]


def headline(title: str, teaches: str, run: Run, previous: Run | None) -> None:
    """What is shown and its numbers, each with its change against the run before."""
    st.markdown(f"#### {title}")
    before = _numbers(previous) if previous is not None else {}
    badges = []
    for label, (value, unit) in _numbers(run).items():
        change = value - before[label][0] if label in before else 0
        delta = f" ({change:+d})" if change else ""
        colour = "violet" if change else "gray"
        counted = f"{value}{unit} {label}" if unit else words.plural(value, label)
        badges.append(f":{colour}-badge[{counted}{delta}]")
    st.markdown("&ensp;".join([teaches, *badges] if teaches else badges))


def _numbers(run: Run) -> dict[str, tuple[int, str]]:
    recording = run.recording
    found = {
        "op": (len(recording.ops), ""),
        "module call": (len(recording.module_calls), ""),
        "decision": (len(_decisions(recording)), ""),
        "autograd node": (len(recording.grad_nodes), ""),
    }
    if run.static is not None and run.overlay is not None and run.overlay.executions:
        counts = run.overlay.executions
        found["of the IR ran"] = (round(100 * sum(map(bool, counts.values())) / len(counts)), " %")
    return found


def escaped(text: str) -> str:
    """Text as Markdown that shows it letter by letter: messages and names are not markup."""
    return re.sub(r"([\\`*_{}\[\]()<>#+\-.!|$~:])", r"\\\1", text)


def _decisions(recording: Recording) -> list[Decision]:
    """The decisions outside of optimizer steps, whose reads steer nothing of the model."""
    tree = BoxTree(recording)
    return [found for found in recording.decisions if tree.step_of_decision(found) is None]


def failure_banner(recording: Recording) -> None:
    """The exception that ended the run, with its place."""
    failure = recording.failure
    if failure is not None:
        where = ""
        if failure.op is not None:
            where += f" at op [{failure.op}] **{recording.ops[failure.op].name}**"
        if failure.source is not None:
            name = os.path.basename(failure.source.file)
            where += f", {escaped(name)} line {failure.source.line}"
        st.error(
            f"The run ended{where}: {failure.type}: {escaped(failure.message)}"
            "\n\nEverything before it is shown.",
            icon=":material/error:",
        )
    for note in recording.notes:
        st.caption(escaped(note))


def tables(
    recording: Recording, static: StaticGraph | None, overlay: Overlay | None, name: str
) -> None:
    """The records as tables, the gradient chart, the text form, and what can be saved."""
    titles = ["Decisions", "Ops", "Parameters and gradients", "Steps", "As text", "Save"]
    decisions, ops, parameters, steps, text, save = st.tabs(titles)
    with decisions:
        _table(_decision_rows(recording), "No tensor became a Python value in this run.")
    with ops:
        _table(_op_rows(recording), "No op ran.")
    with parameters:
        _gradients(recording)
        _table(_parameter_rows(recording), "This run used no module with parameters.")
    with steps:
        _table(_step_rows(recording), "No backward pass and no optimizer step ran.")
    with text:
        st.code(recording.to_text(), language="text", height=420)
    with save:
        _downloads(recording, static, overlay, name)


def _table(rows: Iterable[Row], empty: str) -> None:
    found = list(rows)
    if found:
        st.dataframe(found, hide_index=True, width="stretch")
    else:
        st.caption(empty)


def _place(source: Any) -> str:
    return "" if source is None else f"{os.path.basename(source.file)}:{source.line}"


def _decision_rows(recording: Recording) -> Iterable[Row]:
    for decision in _decisions(recording):
        yield {
            "op": decision.op,
            "kind": decision.kind,
            "value": str(decision.value),
            "tensor": "" if decision.tensor is None else f"%{decision.tensor}",
            "line": _place(decision.source),
        }


def _op_rows(recording: Recording) -> Iterable[Row]:
    for op in recording.ops:
        yield {
            "op": op.id,
            "name": op.name,
            "arguments": op.arguments,
            "result": ", ".join(words.shape(recording.tensors[i]) for i in op.outputs),
            "module": words.op_module(recording, op),
            "line": _place(op.source),
            "µs": round(op.duration_us, 1),
        }


def _parameter_rows(recording: Recording) -> Iterable[Row]:
    for info in recording.parameters:
        grad = info.grad
        yield {
            "name": " = ".join(info.names),
            "kind": info.kind,
            "shape": words.dimensions(info.shape),
            "dtype": info.dtype,
            "used": info.tensor is not None,
            "requires grad": info.requires_grad,
            "gradient min": None if grad is None else grad.min,
            "gradient max": None if grad is None else grad.max,
            "gradient std": None if grad is None else grad.std,
        }


def _step_rows(recording: Recording) -> Iterable[Row]:
    for step in recording.steps:
        yield {
            "step": step.id,
            "kind": step.kind.replace("_", " "),
            "by": step.detail,
            "before op": step.first_op,
            "op": step.last_op - step.first_op,
            "learning rate": ", ".join(map(str, step.learning_rates)),
            "line": _place(step.source),
        }


def _gradients(recording: Recording) -> None:
    dark = st.context.theme.type == "dark"
    figure = gradient_figure(recording, "dark" if dark else "light")
    if figure is not None:
        st.plotly_chart(figure, width="stretch")


def _downloads(
    recording: Recording, static: StaticGraph | None, overlay: Overlay | None, name: str
) -> None:
    st.download_button(
        "Recording (.inspect)",
        lambda: _saved(recording),
        file_name=f"{name}.inspect",
        help="One file; open it again on the page “Open a recording”, or with inspector.load().",
    )
    shown = Shown(recording, static, overlay, opened=default_open(recording))
    for pane, view in shown.views().items():
        columns = st.columns(5)
        columns[0].markdown(f"**{view.name}**")
        for column, kind in zip(columns[1:], ("svg", "dot", "png", "pdf"), strict=True):
            column.download_button(
                kind.upper(),
                partial(_drawn, view, kind),
                file_name=f"{name}-{pane}.{kind}",
                key=f"save/{pane}/{kind}",
                width="stretch",
            )


def _saved(recording: Recording) -> bytes:
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "recording.inspect"
        recording.save(path)
        return path.read_bytes()


def _drawn(view: Any, kind: str) -> bytes:
    try:
        return to_bytes(view, kind)
    except RenderError as error:
        st.error(str(error))
        return str(error).encode()
