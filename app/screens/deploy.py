"""Optimise and deploy: what optimisation does, what it gains, what to take away, what to choose."""

from __future__ import annotations

from collections.abc import Callable

import streamlit as st

import sample_models
from inspector.errors import InspectorError
from inspector.language import sentence
from inspector_app.address import Address, acted
from inspector_app.choice import STATIC, choose_input, choose_one, choose_sample
from inspector_app.phrases import escaped, reason_of, say, told
from inspector_app.screens import deploy_advice, deploy_measured, deploy_stages, deploy_take
from inspector_app.subject import Subject

PART = "deploy/part"
PARTS: dict[str, tuple[str, Callable[[Subject, str], None]]] = {
    "stages": (sentence("What optimisation does"), deploy_stages.part),
    "measured": (sentence("Measured here"), deploy_measured.part),
    "take": (sentence("Save and export"), deploy_take.part),
    "advice": (sentence("Which one to choose?"), deploy_advice.part),
}
MODES = {"eval": sentence("Evaluation (as deployed)"), "train": sentence("Training")}


def page() -> None:
    """The page."""
    address = Address("deploy")
    sample = choose_sample(address, "deploy/sample")
    input_name = choose_input(address, sample, "deploy/input")
    way = choose_one(
        address,
        say("TorchScript"),
        STATIC,
        "graph",
        say("Where a model cannot be scripted, its trace is taken, and the reason given."),
    )
    mode = choose_one(
        address,
        say("Mode"),
        MODES,
        "mode",
        say("In evaluation mode dropout is off and batch norms use their running statistics."),
    )
    st.markdown(f"#### {escaped(say('Optimise and deploy: {title}', title=told(sample.title)))}")
    st.space("xsmall")
    part = _choose_part(address)
    address.tell()
    stage = _stage(address) if part == "stages" else None
    address.write(
        sample=sample.name, input=input_name, graph=way, mode=mode, part=part, stage=stage
    )
    _about_loops(sample)
    subject = Subject(sample.name, input_name, mode == "eval")
    try:
        PARTS[part][1](subject, way)
    except InspectorError as error:
        st.error(escaped(told(reason_of(error))), icon=":material/error:")
        st.caption(say("Choose another input or sample in the sidebar."))


def _stage(address: Address) -> str | None:
    """The stage to go on with: an address that was opened chooses it anew."""
    if address.opened:
        st.session_state.pop("deploy/stage", None)
        return address.asked.get("stage")
    found: str | None = st.session_state.get("deploy/stage") or address.asked.get("stage")
    return found


def _choose_part(address: Address) -> str:
    address.options("part", list(PARTS), key=PART, start="stages", what=say("part"))
    chosen = st.segmented_control(
        say("Part"),
        list(PARTS),
        required=True,
        key=PART,
        on_change=acted,
        format_func=lambda name: told(PARTS[name][0]),
        label_visibility="collapsed",
    )
    return str(chosen)


def _about_loops(sample: sample_models.Sample) -> None:
    """A training loop itself is not what is deployed."""
    model = sample.build()
    if sample.static(model) is not model:
        st.caption(
            say(
                ":material/info: This sample trains a network. What is optimised, measured and "
                "taken away here is the network alone."
            )
        )
