"""Below the workbench: the selected tensor, the records as tables, what can be saved."""

from __future__ import annotations

import os
from collections.abc import Iterable
from functools import partial
from typing import Any
from urllib.parse import urlencode

import streamlit as st

from inspector.errors import RenderError
from inspector.language import sentence
from inspector.languages import language
from inspector.records import Recording
from inspector.render import to_bytes
from inspector.render.figures import gradient_figure
from inspector.render.gradient_axes import as_text
from inspector.views import words
from inspector_app.parts import steering_decisions
from inspector_app.phrases import escaped, reason_of, say, spoken, told
from inspector_app.programs import file_of
from inspector_app.runs import Run
from inspector_app.screens.gradients_views import gradient_tabs
from inspector_app.screens.tensor_panel import tensor_panel
from inspector_app.tabbed import Part, tabs

Row = dict[str, Any]

_COLUMNS = {
    "op": sentence("op"),
    "kind": sentence("kind"),
    "value": sentence("value"),
    "tensor": sentence("tensor"),
    "line": sentence("line"),
    "name": sentence("name"),
    "arguments": sentence("arguments"),
    "result": sentence("result"),
    "module": sentence("module"),
    "shape": sentence("shape"),
    "used": sentence("used"),
    "requires grad": sentence("requires grad"),
    "gradient min": sentence("gradient min"),
    "gradient max": sentence("gradient max"),
    "gradient std": sentence("gradient std"),
    "step": sentence("step"),
    "by": sentence("by"),
    "before op": sentence("before op"),
    "learning rate": sentence("learning rate"),
}
_KINDS = {
    "parameter": sentence("parameter"),
    "buffer": sentence("buffer"),
    "backward": sentence("backward"),
    "zero_grad": sentence("zero grad"),
    "optimizer_step": sentence("optimizer step"),
}

TEXT_LINES = 5_000
"""Of the text form on the page; the browser gets slow with more."""


def tables(run: Run, name: str, selected: str | None = None) -> None:
    """The selected tensor, the records as tables, the text form, and what can be saved.

    Args:
        run: what is shown.
        name: of the files that are saved.
        selected: the item selected in the workbench.
    """
    recording, link = run.recording, _address_of
    parts: dict[str, Part] = {
        "decisions": (
            say("Decisions"),
            lambda: _table(
                _decision_rows(recording), say("No tensor became a Python value in this run.")
            ),
        ),
        "tensor": (say("Tensor"), lambda: tensor_panel(run.book, selected, name)),
        "ops": (say("Ops"), lambda: _table(_op_rows(recording), say("No op ran."))),
        "parameters": (say("Parameters and gradients"), lambda: _parameters(recording)),
        "gradients": (
            say("Gradients"),
            lambda: gradient_tabs(recording, key=f"gradients/{name}", link=link),
        ),
        "steps": (
            say("Steps"),
            lambda: _table(
                _step_rows(recording), say("No backward pass and no optimizer step ran.")
            ),
        ),
        "text": (say("As text"), lambda: _text(recording)),
        "save": (say("Save"), lambda: _downloads(run, name)),
    }
    tabs(parts, "tables")


def _parameters(recording: Recording) -> None:
    _gradients(recording)
    _table(_parameter_rows(recording), say("This run used no module with parameters."))


def _text(recording: Recording) -> None:
    lines = recording.to_text().split("\n")
    if len(lines) > TEXT_LINES:
        st.caption(say("The first {count:,} lines of {all:,}.", count=TEXT_LINES, all=len(lines)))
    st.code("\n".join(lines[:TEXT_LINES]), language="text", height=420)


def _address_of(node: int) -> str:
    """This page with an autograd node selected."""
    shown = st.query_params.to_dict() | {"select": f"backward/grad:{node}"}
    return f"?{urlencode(shown)}"


def _table(rows: Iterable[Row], empty: str) -> None:
    found = list(rows)
    if found:
        columns = {name: told(_COLUMNS[name]) for name in found[0] if name in _COLUMNS}
        st.dataframe(found, hide_index=True, width="stretch", column_config=columns)
    else:
        st.caption(empty)


def _place(source: Any) -> str:
    return "" if source is None else f"{os.path.basename(source.file)}:{source.line}"


def _decision_rows(recording: Recording) -> Iterable[Row]:
    for decision in steering_decisions(recording):
        yield {
            "op": decision.op,
            "kind": decision.kind,
            "value": str(decision.value),
            "tensor": "" if decision.tensor is None else f"%{decision.tensor}",
            "line": _place(decision.source),
        }


def _op_rows(recording: Recording) -> Iterable[Row]:
    tell = language(spoken())
    for op in recording.ops:
        yield {
            "op": op.id,
            "name": op.name,
            "arguments": op.arguments,
            "result": ", ".join(tell(words.shape(recording.tensors[i])) for i in op.outputs),
            "module": tell(words.op_module(recording, op)),
            "line": _place(op.source),
            "µs": round(op.duration_us, 1),
        }


def _parameter_rows(recording: Recording) -> Iterable[Row]:
    for info in recording.parameters:
        grad = info.grad
        yield {
            "name": " = ".join(info.names),
            "kind": told(_KINDS.get(info.kind, info.kind)),
            "shape": told(words.dimensions(info.shape)),
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
            "kind": told(_KINDS.get(step.kind, step.kind)),
            "by": step.detail,
            "before op": step.first_op,
            "op": step.last_op - step.first_op,
            "learning rate": ", ".join(map(str, step.learning_rates)),
            "line": _place(step.source),
        }


def _gradients(recording: Recording) -> None:
    dark = st.context.theme.type == "dark"
    figure = gradient_figure(recording, "dark" if dark else "light", translate=told)
    if figure is not None:
        # Plotly reads a little HTML, also in names: links, for one.
        figure.update_traces(x=[as_text(name) for name in figure.data[0].x])
        st.plotly_chart(figure, width="stretch")


def _downloads(run: Run, name: str) -> None:
    st.download_button(
        say("Recording (.inspect)"),
        lambda: file_of(run.recording),
        file_name=f"{name}.inspect",
        help=say("One file; open it again on the page “Recordings”, or with inspector.load()."),
    )
    st.caption(say("Pictures as they are at first; the menu ⋯ of a pane saves what is seen in it."))
    for pane, view in run.book.shown(frozenset()).views().items():
        columns = st.columns(5)
        columns[0].markdown(f"**{told(view.name)}**")
        for column, kind in zip(columns[1:], ("svg", "dot", "png", "pdf"), strict=True):
            column.download_button(
                kind.upper(),
                partial(_drawn, view, kind, spoken()),
                file_name=f"{name}-{pane}.{kind}",
                key=f"save/{pane}/{kind}",
                width="stretch",
            )


def _drawn(view: Any, kind: str, code: str) -> bytes:
    try:
        return to_bytes(view, kind, translate=language(code))
    except RenderError as error:
        reason = told(reason_of(error))
        st.error(escaped(reason))
        return reason.encode()
