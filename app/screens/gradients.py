"""Gradients: train a sample for a few steps, and see whether its gradients do their work."""

from __future__ import annotations

import streamlit as st

import sample_models
from inspector_app.address import Address, write_some
from inspector_app.awaiting import Words, again_button, awaited
from inspector_app.choice import choose_input, choose_sample, choose_view
from inspector_app.parts import failure_banner
from inspector_app.phrases import escaped, say, say_count, told
from inspector_app.screens.gradients_captions import loss_badge
from inspector_app.screens.gradients_choice import ALONE, choose_training
from inspector_app.screens.gradients_parts import Shown, step_key
from inspector_app.screens.gradients_views import VIEWS, readings
from inspector_app.trainlinks import graph_link_of
from inspector_app.trainruns import Trained, Training, trains_itself


def page() -> None:
    """The page."""
    address = Address("gradients")
    sample = choose_sample(address, "gradients/sample")
    input_name = choose_input(address, sample, "gradients/input")
    st.markdown(f"#### {escaped(say('Gradients: {title}', title=told(sample.title)))}")
    choice = choose_training(address, sample, input_name)
    address.options("view", list(VIEWS), key="gradients/view", start="depth", what=say("view"))
    if address.opened:
        asked = address.asked.get("step", "")
        st.session_state[step_key("gradients")] = int(asked) if asked.isdecimal() else None
        st.session_state.pop("gradients/step", None)
    address.tell()
    step = st.session_state.get(step_key("gradients"))
    address.write(
        sample=sample.name,
        input=input_name,
        steps=str(choice.steps),
        optimizer=choice.optimizer,
        rate=f"{choice.learning_rate:g}",
        loss=ALONE if choice.alone else None,
        view=str(st.session_state["gradients/view"]),
        step=str(step) if step else None,
    )
    above = st.container(gap="xsmall")
    view = choose_view(VIEWS, "gradients/view")
    with above:
        trained = awaited(choice, Training, _words(), "gradients")
        if trained is None:
            return
        shown = Shown(
            trained.recording,
            trained.report,
            "gradients",
            graph_link_of(choice, trained.recording),
            _write_step,
        )
        _headline(sample, trained)
        failure_banner(trained.recording)
        readings(shown)
    if shown.report.rounds:
        VIEWS[view][1](shown)


def _write_step(step: int | None) -> None:
    write_some(step=None if step is None else str(step))


def _words() -> Words:
    return Words(
        begun=say("Training and recording …"),
        stop=say("Stop training"),
        stop_help=say("Ends after the step it is in; what was recorded so far is shown."),
        again=say("Train again"),
    )


# -- the headline ---------------------------------------------------------------------------------


def _headline(sample: sample_models.Sample, trained: Trained) -> None:
    """What ran, in numbers; and why it is less than was asked for."""
    updates = sum(bool(one.updates) for one in trained.report.rounds)
    rounds = len(trained.report.rounds)
    calls = trained.steps if trains_itself(sample) and not trained.choice.alone else 0
    numbers = [
        say_count("1 call of the sample", "{count} calls of the sample", calls) if calls else "",
        say_count("1 training step", "{count} training steps", rounds),
        "" if updates in (0, rounds) else say_count("1 update", "{count} updates", updates),
        say_count("1 autograd node", "{count} autograd nodes", len(trained.recording.grad_nodes)),
        loss_badge(trained.report),
    ]
    st.markdown("&ensp;".join(f":gray-badge[{text}]" for text in numbers if text))
    if trained.ended in ("", "failed"):
        return
    reason = say("it was stopped or took too long")
    if trained.ended == "full":
        reason = say("the recording is as long as it may be")
    words, button = st.columns([5, 1], vertical_alignment="center")
    words.caption(
        say(
            ":material/info: {done} of {steps} steps ran: {reason}.",
            done=trained.steps,
            steps=trained.choice.steps,
            reason=reason,
        )
    )
    with button:
        again_button(say("Train again"), "gradients", width="stretch")
