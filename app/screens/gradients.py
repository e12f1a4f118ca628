"""Gradients: train a sample for a few steps, and see whether its gradients do their work."""

from __future__ import annotations

import streamlit as st

import sample_models
from inspector_app.address import Address, acted, write_some
from inspector_app.choice import choose_input, choose_sample
from inspector_app.parts import escaped, failure_banner
from inspector_app.phrases import say, say_count
from inspector_app.screens.gradients_captions import loss_badge
from inspector_app.screens.gradients_choice import ALONE, choose_training
from inspector_app.screens.gradients_parts import Shown, step_key
from inspector_app.screens.gradients_views import VIEWS, readings
from inspector_app.trainlinks import graph_link_of
from inspector_app.trainruns import (
    Choice,
    Trained,
    Training,
    finished,
    trains_itself,
)

_TRAINING, _STOPPED, _FAILED = "_training", "_training_stopped", "_training_failed"
_AT_ONCE = 1.5
"""Seconds to wait for a training before the page says how far it is: most take less."""


def page() -> None:
    """The page."""
    address = Address("gradients")
    sample = choose_sample(address, "gradients/sample")
    input_name = choose_input(address, sample, "gradients/input")
    st.markdown(f"#### {escaped(say('Gradients: {title}', title=sample.title))}")
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
    view = _choose_view()
    with above:
        trained = _trained(choice)
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


def _choose_view() -> str:
    chosen = st.segmented_control(
        say("View"),
        list(VIEWS),
        key="gradients/view",
        on_change=acted,
        format_func=lambda name: say(VIEWS[name][0]),
        required=True,
        label_visibility="collapsed",
    )
    return str(chosen)


def _write_step(step: int | None) -> None:
    write_some(step=None if step is None else str(step))


# -- the training ---------------------------------------------------------------------------------


def _trained(choice: Choice) -> Trained | None:
    """The training of a choice, if it is there; else it is under way, or the page says why not."""
    found = finished(choice)
    if found is not None:
        return found
    stopped: Trained | None = st.session_state.get(_STOPPED)
    if stopped is not None and stopped.choice == choice:
        return stopped
    failed: tuple[Choice, str] | None = st.session_state.get(_FAILED)
    if failed is not None and failed[0] == choice:
        st.warning(escaped(failed[1]), icon=":material/error:")
        st.button(say("Train again"), on_click=_again, key="gradients/again")
        return None
    job = _job(choice)
    if not job.ended:
        _progress(choice)
        return None
    _collect(job)
    return job.result or _trained(choice)


def _job(choice: Choice) -> Training:
    """This session's training, begun if there is none; one of another choice is stopped."""
    job: Training | None = st.session_state.get(_TRAINING)
    if job is None or job.choice != choice:
        if job is not None:
            job.stop()
        job = st.session_state[_TRAINING] = Training(choice).start()
        with st.spinner(say("Training and recording …")):
            job.wait(_AT_ONCE)
    return job


def _collect(job: Training) -> None:
    """Keep what an ended training left for this session alone."""
    st.session_state.pop(_TRAINING, None)
    if job.result is None:
        st.session_state[_FAILED] = (job.choice, job.reason)
    else:
        st.session_state[_STOPPED] = job.result


def _again() -> None:
    """Forget what was stopped or failed: the page then trains anew."""
    for key in (_STOPPED, _FAILED, _TRAINING):
        st.session_state.pop(key, None)


@st.fragment(run_every=0.5)
def _progress(choice: Choice) -> None:
    """How far the training is, until it has ended; then the page is drawn anew."""
    job: Training | None = st.session_state.get(_TRAINING)
    if job is None or job.ended or job.choice != choice:
        st.rerun()
    bar, stop = st.columns([5, 1], vertical_alignment="center")
    text = say("Step {done} of {steps} …", done=job.done + 1, steps=choice.steps)
    if not job.begun:
        text = say("Loading torch's optimizers: the first training of a server takes longer …")
    if job.waiting:
        text = say("Waiting: another recording runs on this server, and there is one at a time.")
    bar.progress(job.done / choice.steps, text=text)
    stop.button(
        say("Stop training"),
        key="gradients/stop",
        width="stretch",
        on_click=job.stop,
        help=say("Ends after the step it is in; what was recorded so far is shown."),
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
    button.button(say("Train again"), on_click=_again, key="gradients/again", width="stretch")
