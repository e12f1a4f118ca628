"""One tensor of what is selected: values and gradient side by side, relatives and history."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

import numpy
import streamlit as st

from inspector.language import sentence
from inspector.records import TensorInfo, TensorSummary
from inspector.render.answers import Book
from inspector.render.cardparts import bytes_text, number_text
from inspector.render.tensorcards import dimensions_text
from inspector.render.value_figures import values_figure
from inspector.render.value_histogram import histogram_figure
from inspector.render.values import What, array_of, window
from inspector.render.windows import Slice, Window
from inspector.tensors_about import History, Relative, TensorAbout
from inspector.views import words
from inspector_app.phrases import escaped, prose, say, say_count, told
from inspector_app.screens.tensor_pickers import pick

PANES = ("dynamic", "backward", "static", "source")

MOST = 200
"""Tensors that can be chosen from."""

LINKS = 10
"""Ops of history in each direction: as many rows as a table shows without scrolling."""

Row = dict[str, str | int | None]

_COLUMNS = {
    "min": sentence("min"),
    "max": sentence("max"),
    "mean": sentence("mean"),
    "std": sentence("std"),
    "zeros": sentence("zeros"),
    "values": sentence("values"),
    "distance": sentence("distance"),
    "op": sentence("op"),
    "name": sentence("name"),
    "module": sentence("module"),
    "result": sentence("result"),
    "tensor": sentence("tensor"),
    "how": sentence("how"),
    "by": sentence("by"),
    "shape": sentence("shape"),
    "version": sentence("version"),
}


@dataclass(frozen=True)
class Choice:
    """A tensor and the part that it plays for what is selected ("output"), as of the library."""

    tensor: int
    role: str


@st.fragment
def tensor_panel(book: Book, ref: str | None, key: str) -> None:
    """Show one tensor of the selected item, with pickers for the part that is drawn.

    Args:
        book: the recording and its IR.
        ref: what is selected in the workbench ("dynamic/op:3"), if anything.
        key: of the recording shown; pickers start anew with another one.
    """
    choices = tensors_of(book, ref)
    if not choices:
        st.caption(say("Select an op, a parameter or a tensor in the graph to look into it here."))
        return
    mine = f"tensor/{key}/{ref}"
    chosen = st.selectbox(
        say("Tensor"), choices, format_func=lambda one: _title(book, one), key=f"{mine}/which"
    )
    about = book.cards.tensors.about.about(chosen.tensor, links=LINKS)
    _facts(about)
    part = pick(book.cards.tensors.about, chosen.tensor, f"{mine}/{chosen.tensor}")
    for column, what in zip(st.columns(2), _kinds(about.tensor), strict=False):
        with column:
            _picture(book, about, part, what, mine)
    _relatives(book, about)


def tensors_of(book: Book, ref: str | None) -> list[Choice]:
    """The tensors that an item is about: outputs first, each once."""
    pane, _, item = (ref or "").partition("/")
    kind, _, rest = item.partition(":")
    recording = book.recording
    digits = rest.partition("@")[0]  # of an address: as long as somebody likes
    number = int(digits) if digits.isdecimal() and len(digits) < 10 else None
    if pane not in PANES:
        named = []
    elif pane == "source":
        named = _on_line(book, item)
    elif kind == "op" and number is not None and number < len(recording.ops):
        op = recording.ops[number]
        named = [(tensor, sentence("output")) for tensor in op.outputs]
        named += [(tensor, sentence("input")) for tensor in op.inputs]
    elif kind == "grad" and number is not None and number < len(recording.grad_nodes):
        node = recording.grad_nodes[number]
        named = [] if node.tensor is None else [(node.tensor, sentence("leaf"))]
        if node.op is not None:
            named += [(tensor, sentence("output")) for tensor in recording.ops[node.op].outputs]
    else:
        named = _on_card(book, pane, item)
    roles = dict(reversed(named))  # the first role of each wins
    order = dict.fromkeys(tensor for tensor, _ in named)
    return [Choice(tensor, roles[tensor]) for tensor in list(order)[:MOST]]


def _on_line(book: Book, item: str) -> list[tuple[int, str]]:
    """What the ops of a source line made."""
    file, _, line = item.rpartition(":")
    return [
        (tensor, op.name)
        for op in book.recording.ops
        if op.source is not None and op.source.file == file and str(op.source.line) == line
        for tensor in op.outputs
    ]


def _on_card(book: Book, pane: str, item: str) -> list[tuple[int, str]]:
    """The tensors on the card of an item; none where it is not known (any more)."""
    try:
        tensors = book.cards.card(pane, item).get("tensors", [])
    except (LookupError, ValueError):
        return []  # an address can name what this recording does not have
    return [(one["id"], one["role"]) for one in tensors if one.get("what") == "value"]


def _title(book: Book, choice: Choice) -> str:
    info = book.recording.tensors[choice.tensor]
    called = info.name or info.variable or ""
    parts = [told(choice.role), f"%{info.id} {called}".strip(), told(words.shape(info))]
    return " · ".join(parts)


def _kinds(info: TensorInfo) -> list[What]:
    return ["value"] if info.grad is None else ["value", "grad"]


# -- what is shown ---------------------------------------------------------------------------------


def _picture(book: Book, about: TensorAbout, part: Slice, what: What, key: str) -> None:
    """The values or the gradient: picture, distribution, statistics."""
    info = about.tensor
    theme = "dark" if st.context.theme.type == "dark" else "light"
    summary = info.summary if what == "value" else info.grad
    title = say("Value") if what == "value" else say("Gradient")
    found = window(book.cards.tensors.about, info.id, part, what)
    name = f"{key}/{info.id}/{what}"
    figure = values_figure(found, theme, title, translate=told)
    if figure is not None:
        st.plotly_chart(figure, width="stretch", key=f"{name}/picture")
    elif found.kind == "number":
        st.metric(title, _number(found))
    if found.note:
        st.caption(prose(found.note))
    if summary is None or not info.shape:
        return  # the number says it all
    bars = histogram_figure(
        summary, _real(array_of(book.recording, info, what)), theme, translate=told
    )
    if bars is not None and summary.numel > 1:
        st.plotly_chart(bars, width="stretch", key=f"{name}/histogram")
    _table([_statistics(summary)], key=f"{name}/stats")


def _table(rows: list[Row], key: str | None = None) -> None:
    columns = {name: told(_COLUMNS[name]) for name in rows[0] if name in _COLUMNS}
    st.dataframe(rows, hide_index=True, width="stretch", key=key, column_config=columns)


def _number(found: Window) -> str:
    if found.nans:
        return "NaN"
    if found.infs:
        return "Inf"
    value = float(found.cells[0])
    return str(bool(value)) if found.boolean else number_text(value)


def _real(array: numpy.ndarray | None) -> numpy.ndarray | None:
    return None if array is None or array.dtype.kind not in "fiuc" else array


def _statistics(summary: TensorSummary) -> Row:
    return {
        "min": number_text(summary.min),
        "max": number_text(summary.max),
        "mean": number_text(summary.mean),
        "std": number_text(summary.std),
        "NaN": summary.nan_count,
        "Inf": summary.inf_count,
        "zeros": f"{summary.zero_fraction:.1%}",
        "values": summary.numel,
    }


def _facts(about: TensorAbout) -> None:
    """Shape with its meaning, type, memory."""
    info = about.tensor
    shape = told(dimensions_text(info.shape, about.axes)) or say("scalar")
    shared = len(about.family) - 1
    facts = [
        (say("shape"), shape),
        (say("dtype"), info.dtype),
        (say("device"), info.device),
        (say("memory"), bytes_text(info.nbytes)),
        (say("version"), str(info.version)),
        (say("requires grad"), say("yes") if info.requires_grad else say("no")),
        (say("leaf"), say("yes") if info.is_leaf else say("no")),
    ]
    if about.strides:
        steps = f"({', '.join(map(str, about.strides))})"
        word = say("contiguous") if about.contiguous else say("not contiguous")
        facts.insert(3, (say("strides"), f"{steps} {word}"))
    if shared:
        facts.append(
            (say("in the same memory"), say_count("1 other value", "{count} other values", shared))
        )
    st.markdown("&ensp;".join(f":gray-badge[{name}] {escaped(text)}" for name, text in facts))


def _relatives(book: Book, about: TensorAbout) -> None:
    """Tables: the history above and below, and who shares the memory."""
    above, below = st.columns(2)
    with above:
        _history(book, about.producers, say("**Comes from**"), say("It came from outside."))
    with below:
        _history(book, about.consumers, say("**Goes to**"), say("No recorded op takes it."))
    if len(about.family) > 1:
        st.markdown(say("**Same memory**"))
        rows = [_relative(book, one, about.tensor.id) for one in about.family[:MOST]]
        _table(rows)


def _history(book: Book, history: History, title: str, nothing: str) -> None:
    st.markdown(title)
    if not history.links:
        st.caption(nothing)
        return
    _table(list(_links(book, history)))
    if history.more:
        more = f"{history.more:,}"
        if history.at_least:
            st.caption(say("… at least {count} more ops", count=more))
        else:
            st.caption(say("… {count} more ops", count=more))


def _links(book: Book, history: History) -> Iterable[Row]:
    for link in history.links:
        op = book.recording.ops[link.op]
        made = [told(words.shape(book.recording.tensors[tensor])) for tensor in op.outputs[:4]]
        yield {
            "distance": link.distance,
            "op": op.id,
            "name": op.name,
            "module": told(words.op_module(book.recording, op)),
            "result": ", ".join(made),
        }


def _relative(book: Book, one: Relative, own: int) -> Row:
    info = book.recording.tensors[one.tensor]
    op = None if one.op is None else book.recording.ops[one.op]
    how = {
        "memory": say("first value"),
        "view": say("view"),
        "write": say("written in place"),
        "outside": say("changed outside of the recorded ops"),
    }[one.how]
    return {
        "tensor": f"%{one.tensor} {info.name or info.variable or ''}".strip(),
        "": say("this one") if one.tensor == own else "",
        "how": how,
        "by": "" if op is None else f"{op.name} [{op.id}]",
        "shape": told(words.shape(info)),
        "version": one.version,
    }
