"""TorchScript of a sample: what one input ran of it, step by step, and where it is not true."""

from __future__ import annotations

import os

import streamlit as st

import sample_models
from inspector.language import sentence
from inspector.records import Disagreement
from inspector.render.answers import Book
from inspector_app.address import Address, acted, write_some
from inspector_app.choice import choose_input, choose_sample
from inspector_app.component import Place, look_anew, workbench
from inspector_app.parts import failure_banner
from inspector_app.phrases import escaped, prose, say, say_count, told
from inspector_app.screens.torchscript_parts import parts_view
from inspector_app.screens.torchscript_steps import ask_for_step, steps_view
from inspector_app.screens.torchscript_truth import truth_view
from inspector_app.staticruns import Refusal, StaticWork, static_work
from inspector_app.truthruns import verdict_on

KINDS = {"script": sentence("Script"), "trace": sentence("Trace")}
KIND_CAPTIONS = [sentence("Compiled from the source"), sentence("What one input ran")]
RAN, STEPS, TRUTH, PARTS = "ran", "steps", "truth", "parts"
VIEWS = {
    RAN: sentence("What ran"),
    STEPS: sentence("Step through it"),
    TRUTH: sentence("Does it tell the truth?"),
    PARTS: sentence("Parts that script"),
}
_ROOM = """<style>[data-testid=stMainBlockContainer] {{
  --wb-above: {above}px; --ts-panes: max(430px, 100vh - {above}px - 136px);
}}
.st-key-ts-headline {{ min-height: 40px; justify-content: center; }}</style>"""
_ABOVE, _LINE = 182, 50
"""What stands above the workbench and the panes, which shall fill the window and not more."""

_DISAGREEMENTS = 5


def page() -> None:
    """The page."""
    address = Address("torchscript")
    sample = choose_sample(address, "ts/sample")
    input_name = choose_input(address, sample, "ts/input")
    kind = _choose_kind(address) if sample.scriptable else "trace"
    traced_with = _choose_traced(address, sample) if kind == "trace" else input_name
    work = static_work(sample.name, input_name, kind, traced_with)
    _headline(sample, work, input_name, traced_with)
    failure_banner(work.recording)
    if work.static is None:
        _no_graph(work)
        return
    _refusal(work)
    key = f"{sample.name}/{input_name}/{kind}/{traced_with}"
    view = _choose_view(address, work)
    st.html(_ROOM.format(above=_ABOVE + _LINE * (bool(work.refusals) + (view == PARTS))))
    address.tell()
    shown = {
        "sample": sample.name,
        "input": input_name,
        "kind": work.static.kind,
        "traced_with": traced_with if work.static.kind == "trace" else None,
        "view": view,
    }
    place = _write(address, shown)
    if view == RAN:
        if address.opened:
            look_anew()
        _ran(work, f"torchscript/{key}", place)
    elif view == STEPS:
        steps_view(work, key)
    elif view == TRUTH:
        truth_view(sample, work, input_name, traced_with)
    else:
        parts_view(address, sample, input_name)


# -- choices ---------------------------------------------------------------------------------------


def _choose_traced(address: Address, sample: sample_models.Sample) -> str:
    names = list(sample.inputs)
    key = f"ts/traced/{sample.name}"
    what = say("input that the trace is taken with")
    address.options("traced_with", names, key=key, start=names[0], what=what)
    chosen = st.sidebar.radio(
        say("The trace is taken with"),
        names,
        key=key,
        on_change=acted,
        format_func=told,
        help=say(
            "A trace keeps what this input did. Run another one above and see whether the trace"
            " still tells the truth."
        ),
    )
    return str(chosen)


def _choose_kind(address: Address) -> str:
    address.options("kind", list(KINDS), key="ts/kind", start="script", what=say("kind of graph"))
    chosen = st.sidebar.radio(
        say("Graph"),
        list(KINDS),
        key="ts/kind",
        on_change=acted,
        format_func=lambda one: told(KINDS[one]),
        captions=[told(one) for one in KIND_CAPTIONS],
    )
    return str(chosen)


def _choose_view(address: Address, work: StaticWork) -> str:
    names = [view for view in VIEWS if view != PARTS or work.refusals]
    address.options("view", names, key="ts/view", start=RAN, what=say("view"))
    chosen = st.segmented_control(
        say("View"),
        names,
        key="ts/view",
        on_change=acted,
        format_func=lambda one: told(VIEWS[one]),
        required=True,
        label_visibility="collapsed",
    )
    return str(chosen or RAN)


def _write(address: Address, shown: dict[str, str | None]) -> Place:
    """Keep the address; a step, a part or a place of it stays while the same is shown."""
    same = all(address.asked.get(name) in (None, value) for name, value in shown.items())
    view = shown["view"]
    step = address.asked.get("step") if same and view in (STEPS, PARTS) else None
    part = address.asked.get("part") if same and view == PARTS else None
    ask_for_step(step or "" if address.opened else None)
    place = Place.of_address(address.asked) if same and view == RAN else Place()
    address.write(**shown, step=step, part=part, **place.as_address())
    return place


# -- the headline ----------------------------------------------------------------------------------


def _headline(
    sample: sample_models.Sample, work: StaticWork, input_name: str, traced_with: str
) -> None:
    st.markdown(f"#### {told(sample.title)}")
    if work.static is None or work.overlay is None:
        return
    counts = work.overlay.executions
    nodes = len(work.static.nodes)
    kind = say("Script")
    if work.static.kind == "trace":
        kind = say("Trace taken with “{name}”", name=escaped(told(traced_with)))
    badges = [f":gray-badge[{kind}]"]
    badges.append(f":gray-badge[{say_count('1 node', '{count} nodes', nodes)}]")
    if counts:
        share = round(100 * sum(map(bool, counts.values())) / nodes)
        badges.append(f":violet-badge[{say('{share} % executed by this input', share=share)}]")
    if len(work.runs) > 1:
        badges.append(f":gray-badge[{say('in {count} calls', count=len(work.runs))}]")
    if work.interpreted:
        badges.append(f":green-badge[{say('counts are exact')}]")
    else:
        badges.append(f":orange-badge[{say('counts by source positions')}]")
    truth = verdict_on(sample.name, input_name, work.static.kind, traced_with).truth
    true = truth is None or truth.agrees
    if not true:
        badges.append(f":red-badge[{say('not true for this input')}]")
    row = st.container(key="ts-headline")
    origin, agreement = row.columns([5, 1], vertical_alignment="center")
    origin.markdown("&ensp;".join(badges), help=_origin(work))
    with agreement.container(horizontal_alignment="right"):
        if work.overlay.disagreements:
            _disagreements(work.overlay.disagreements)
        elif work.interpreted and work.checked and true:
            st.caption(say(":material/check: The recording agrees."))
    if not work.interpreted:
        st.caption(f":material/info: {escaped(_origin(work))}")


def _origin(work: StaticWork) -> str:
    """Where the counts come from, and why not from an interpretation."""
    if work.interpreted and not work.checked:
        return say(
            "The graph was run node by node with this input. The recording has no call of the"
            " Python module to check that with: this run used a compiled copy of it."
        )
    if work.interpreted:
        return say(
            "The graph was run node by node with this input, and its counts were cross-checked"
            " with the recording of the Python code."
        )
    if work.problem:
        return say(
            "The graph could not be run node by node, so the counts were found by matching the"
            " recorded ops to source positions: {problem}",
            problem=told(work.problem),
        )
    return say(
        "The counts were found by matching the recorded ops to source positions, because the"
        " runs of the graph and of the Python code could not be paired: {method}.",
        method="" if work.overlay is None else told(work.overlay.method),
    )


def _disagreements(found: tuple[Disagreement, ...]) -> None:
    label = say_count("One disagreement", "{count} disagreements", len(found))
    with st.popover(label, icon=":material/warning:", type="tertiary"):
        st.markdown(
            say(
                "The run of the graph and the recording of the Python code count differently"
                " here. The counts shown are those of the graph."
            )
        )
        for each in found[:_DISAGREEMENTS]:
            st.markdown(f"- {prose(each.reason)}")
        if len(found) > _DISAGREEMENTS:
            st.caption(say("And {count} more.", count=len(found) - _DISAGREEMENTS))


def _no_graph(work: StaticWork) -> None:
    st.error(
        say("There is no TorchScript graph of this model: it neither scripts nor traces."),
        icon=":material/error:",
    )
    for refusal in work.refusals:
        st.markdown(f"- {prose(refusal.message)}")
        _compilers_text(refusal)
    st.markdown(
        say(
            "Choose another input in the sidebar, or see on the page *Explore a model* what the"
            " Python code runs."
        )
    )


def _refusal(work: StaticWork) -> None:
    """The compiler's reason, small: the trace is what there is to see."""
    if not work.refusals:
        return
    refusal = work.refusals[0]
    place = "" if refusal.file is None else f"{os.path.basename(refusal.file)}:{refusal.line}"
    row = st.container(horizontal=True, vertical_alignment="center", gap="small")
    words = say(":material/info: This model does not script; its trace is shown.")
    if place:
        words = say(
            ":material/info: This model does not script ({place}); its trace is shown.",
            place=escaped(place),
        )
    row.caption(words, width="content")
    with row.popover(say("Why not?"), type="tertiary"):
        st.markdown(prose(refusal.message))
        _compilers_text(refusal)


def _compilers_text(refusal: Refusal) -> None:
    if refusal.detail:
        st.code(refusal.detail, language="text")


# -- what ran of it --------------------------------------------------------------------------------


@st.fragment
def _ran(work: StaticWork, key: str, place: Place) -> None:
    now = workbench(Book(work.recording, work.static, work.overlay), key=key, place=place)
    write_some(**now.as_address())
