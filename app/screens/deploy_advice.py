"""Part 4 of the page “Deploy”: dynamic or static, from what was found out and measured."""

from __future__ import annotations

from dataclasses import replace

import streamlit as st

from inspector.advice import advice
from inspector.language import sentence
from inspector.stages import Advice
from inspector_app.address import acted
from inspector_app.deployment import facts_of
from inspector_app.phrases import escaped, prose, say, told
from inspector_app.screens.deploy_measured import measured_of, progress, running_job
from inspector_app.screens.deploy_take import exports_of
from inspector_app.subject import Subject

_CHOICES = {
    "dynamic": ("blue", sentence("dynamic")),
    "static": ("green", sentence("static")),
    "either": ("gray", sentence("either")),
}
_ICONS = {
    "research": ":material/science:",
    "deployment": ":material/package_2:",
    "serving": ":material/dns:",
    "interactive": ":material/touch_app:",
}


def part(subject: Subject, way: str) -> None:
    """The advice for one model, and what it does not know yet."""
    facts = replace(facts_of(subject), exports=exports_of(subject, way))
    running_job()  # what has just been measured counts
    measured = measured_of(subject)
    st.markdown(
        say(
            "Four uses, and what follows for **{model}** with the input “{input}” from what was "
            "found out here. Nothing is known beforehand.",
            model=escaped(facts.model),
            input=escaped(told(subject.input)),
        )
    )
    _unknown(subject, way)
    timing = measured.timing if measured is not None else None
    sweep = measured.sweep if measured is not None else None
    found = advice(facts, timing, sweep)
    for first, second in zip(found[::2], found[1::2], strict=True):
        for column, one in zip(st.columns(2), (first, second), strict=True):
            with column.container(border=True, height="stretch"):
                _card(one)


def _unknown(subject: Subject, way: str) -> None:
    """What has not been measured or tried yet, with the way there."""
    measured = measured_of(subject)
    if running_job() is not None:
        progress(subject)
    elif measured is None:
        _todo(
            say("**Not measured yet:** how fast the variants are, for this model and input."),
            say("Measure it"),
            "measured",
        )
    elif measured.sweep is None:
        _todo(
            say("**Not measured yet:** how the time grows with the batch size."),
            say("Measure it"),
            "measured",
        )
    tried = {export.kind for export in exports_of(subject, way)}
    if not {"onnx", "torchscript file"} & tried:
        _todo(
            say("**Not tried yet:** whether a `.pt` or ONNX file of it can be written."),
            say("Try it"),
            "take",
        )


def _todo(sentence: str, label: str, part: str) -> None:
    words, button = st.columns([4, 1], vertical_alignment="center")
    words.markdown(f":orange[:material/pending:] {sentence}")
    button.button(label, key=f"deploy/to/{part}", width="stretch", on_click=_go, args=(part,))


def _go(part: str) -> None:
    st.session_state["deploy/part"] = part
    acted()


def _card(one: Advice) -> None:
    colour, word = _CHOICES.get(one.choice, ("gray", one.choice))
    st.markdown(
        say(
            "**{icon} {title}** :{colour}-badge[{choice}]",
            icon=_ICONS.get(one.use, ""),
            title=told(one.title),
            colour=colour,
            choice=told(word),
        )
    )
    st.markdown(prose(one.text))
    if one.evidence:
        st.markdown("\n".join(f"- :small[{prose(text)}]" for text in one.evidence))
    else:
        st.caption(say("There is no evidence for or against it yet."))
