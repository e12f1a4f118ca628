"""What goes into a step and what comes out: shapes, statistics, small tensors in full."""

from __future__ import annotations

import os

import streamlit as st

from inspector.records import IRNode
from inspector.render.cardparts import number_text
from inspector.static_run import StaticValue
from inspector.views import words
from inspector_app.phrases import escaped, say, say_count, told
from inspector_app.steps import Named, Steps

_STYLE = """<style>
.st-key-ts-values {
  height: calc(var(--ts-panes) - 190px - 1rem); flex: none; overflow-y: auto; gap: 0.4rem;
}
.st-key-ts-values > * { flex: none; }
</style>"""
"""The values scroll in their pane: whatever a step makes, nothing below it moves."""


def values_pane(steps: Steps, step: int) -> None:
    """Show the values of a step, in a pane that fills what the source leaves of the height."""
    st.html(_STYLE)
    node = steps.node(step)
    with st.container(key="ts-values", border=True):
        st.markdown(_outcome(steps, step, node))
        made = steps.outputs(step)
        if made and not _raised(steps, step):
            st.markdown(say("**Makes**"))
            for named in made:
                _value(named)
        if node.inputs:
            meaning = say("Each value as it was when it was made, under its name in the IR.")
            st.markdown(say("**Takes**"), help=meaning)
            for named in steps.inputs(step):
                _value(named)


def _outcome(steps: Steps, step: int, node: IRNode) -> str:
    """What the node is, and what a branch or loop decided on this visit."""
    taken, trips = steps.taken(step), steps.trips(step)
    if taken is not None:
        if taken:
            return say("The condition is false: the block `else` runs.")
        return say("The condition is true: the block `then` runs.")
    if trips is not None:
        return say_count(
            "This loop makes 1 trip on this visit.",
            "This loop makes {count} trips on this visit.",
            trips,
        )
    failure = steps.run.failure
    if failure is not None and _raised(steps, step):
        message = escaped(told(failure.message))
        return say(
            ":red[**This node raised {type}:**] {message}", type=failure.type, message=message
        )
    if node.source is not None and node.source.file.startswith("<"):
        return say("Torch's own code for `{name}`.", name=node.kind.rpartition("::")[2])
    if node.source is None:
        return say("Bookkeeping of the compiler: no line of yours.")
    if node.source.file not in steps.static.sources:
        return say(
            "A node of the module `{path}`, from {file}, line {line}.",
            path=node.module_path or steps.static.name,
            file=escaped(os.path.basename(node.source.file)),
            line=node.source.line,
        )
    if node.module_path:
        return say("A node of the module `{path}`.", path=node.module_path)
    return say("A node of the model itself.")


def _raised(steps: Steps, step: int) -> bool:
    """Whether the run ended in this step."""
    failure = steps.run.failure
    return failure is not None and failure.node == steps.node(step).id and step == steps.all[-1]


def _value(named: Named) -> None:
    value = named.value
    name = f"`{named.name.rpartition('/')[2]}`"
    if value is None:
        own = named.name.endswith("%self")
        text = say("the module itself") if own else say("its value was not kept")
        st.markdown(f"{name}&ensp;:gray[{text}]")
        return
    if value.type != "Tensor":
        st.markdown(f"{name}&ensp;:gray-badge[{escaped(_short(value.type))}] {escaped(value.text)}")
        return
    st.markdown("&ensp;".join([name, _tensor(value)]))
    if value.array is not None and value.array.ndim and value.array.size:
        st.code(_numbers(value), language="text")


def _tensor(value: StaticValue) -> str:
    shape = say("nested") if value.shape is None else told(words.dimensions(value.shape))
    parts = [f":blue-badge[{escaped(shape)} {value.dtype}]"]
    summary = value.summary
    if value.array is not None and not value.array.ndim:
        parts.append(f"**{escaped(number_text(float(value.array)))}**")
    elif summary is not None and summary.min is not None:
        names = ("min", "max", "mean", "std")
        numbers = {name: number_text(getattr(summary, name)) for name in names}
        parts.append(escaped(say("min {min} · max {max} · mean {mean} · std {std}", **numbers)))
    if summary is not None and summary.nan_count + summary.inf_count:
        text = say("{nan} NaN, {inf} Inf", nan=summary.nan_count, inf=summary.inf_count)
        parts.append(f":red-badge[{text}]")
    return " ".join(parts)


def _numbers(value: StaticValue) -> str:
    """All numbers of a small tensor, a row a line, aligned."""
    array = value.array
    rows = array.reshape(-1, array.shape[-1]) if array.ndim > 1 else array.reshape(1, -1)
    texts = [[_number(each) for each in row] for row in rows.tolist()]
    width = max(len(text) for row in texts for text in row)
    lines = ["  ".join(text.rjust(width) for text in row) for row in texts]
    if array.ndim > 2:  # a blank line between matrices
        height = array.shape[-2]
        blocks = [lines[n : n + height] for n in range(0, len(lines), height)]
        return "\n\n".join("\n".join(block) for block in blocks)
    return "\n".join(lines)


def _number(value: object) -> str:
    if isinstance(value, bool | complex):
        return str(value)
    return number_text(value) if isinstance(value, int | float) else str(value)


def _short(type_: str) -> str:
    return type_.rpartition(".")[2] or type_
