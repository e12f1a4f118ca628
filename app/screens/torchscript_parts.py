"""Of a model that does not script: the parts that do, each as a graph of its own."""

from __future__ import annotations

import os

import streamlit as st

import sample_models
from inspector.exported import ScriptablePart
from inspector.language import sentence
from inspector.render.answers import Book
from inspector_app.address import Address, acted, write_some
from inspector_app.component import workbench
from inspector_app.phrases import escaped, row, say, say_count, told
from inspector_app.screens.torchscript_steps import steps_view
from inspector_app.staticruns import part_work, parts_that_script

WAYS = {"graph": sentence("Graph"), "steps": sentence("Step by step")}


def parts_view(address: Address, sample: sample_models.Sample, input_name: str) -> None:
    """Offer the parts; show the chosen one with what the whole run's calls ran of it."""
    parts = parts_that_script(sample.name)
    good = [(part, path) for part in parts if part.scripts for path in part.paths]
    if not good:
        st.info(say("No part of this model scripts on its own. Its trace is all there is."))
        _refused(parts)
        return
    paths = [path for _, path in good]
    key = f"ts/part/{sample.name}"
    _set_part(address, paths, key)
    choose, how = st.columns([2, 1], vertical_alignment="center")
    chosen = choose.selectbox(
        say("A part that scripts on its own"),
        range(len(good)),
        key=key,
        on_change=acted,
        format_func=lambda n: _label(*good[n]),
        label_visibility="collapsed",
    )
    way = how.segmented_control(
        say("Show as"),
        list(WAYS),
        default="graph",
        required=True,
        key="ts/part-way",
        format_func=lambda one: told(WAYS[one]),
        label_visibility="collapsed",
    )
    _, path = good[chosen]
    write_some(part=path)
    _show(sample, input_name, path, way == "steps")
    _refused(parts)


def _set_part(address: Address, paths: list[str], key: str) -> None:
    """Let the address choose the part, as it chooses all else."""
    asked = address.asked.get("part")
    if address.opened:
        st.session_state[key] = paths.index(asked) if asked in paths else 0
        if asked is not None and asked not in paths:
            st.error(say("There is no part “{name}” that scripts.", name=escaped(asked)))
    elif key not in st.session_state:
        st.session_state[key] = 0


def _label(part: ScriptablePart, path: str) -> str:
    return say_count(
        "{path} · {type}, 1 module, {parameters:,} parameters",
        "{path} · {type}, {count} modules, {parameters:,} parameters",
        part.modules,
        path=path or say("the model itself"),
        type=part.type,
        parameters=part.parameters,
    )


def _show(sample: sample_models.Sample, input_name: str, path: str, steps: bool) -> None:
    work = part_work(sample.name, input_name, path)
    if work.static is None or work.overlay is None:
        for refusal in work.refusals:
            st.error(escaped(told(refusal.message)), icon=":material/error:")
        return
    if not any(work.overlay.executions.values()):
        st.info(
            say(
                "The whole run did not call this part with this input, so nothing of it is lit."
                " Choose another input in the sidebar."
            )
        )
    elif not work.interpreted:
        method = escaped(told(work.overlay.method))
        st.caption(say("Its counts are from source positions: {method}.", method=method))
    if steps:
        steps_view(work, f"part/{sample.name}/{input_name}/{path}")
    else:
        _graph(sample, input_name, path)


@st.fragment
def _graph(sample: sample_models.Sample, input_name: str, path: str) -> None:
    work = part_work(sample.name, input_name, path)
    book = Book(work.recording, work.static, work.overlay)
    workbench(book, key=f"part/{sample.name}/{input_name}/{path}")


def _refused(parts: tuple[ScriptablePart, ...]) -> None:
    """What does not script, and on which line, folded away."""
    bad = [part for part in parts if not part.scripts]
    if not bad:
        return
    title = say_count("One that does not script", "{count} that do not script, and why", len(bad))
    with st.expander(title):
        for part in bad:
            where = row(path or say("the model itself") for path in part.paths[:4])
            line = "" if part.file is None else f" ({os.path.basename(part.file)}:{part.line})"
            st.markdown(f"- **{escaped(where)}**{escaped(line)}: {escaped(told(part.reason))}")
