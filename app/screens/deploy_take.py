"""Part 3 of the page “Deploy”: files and texts to take away, each with what was verified of it."""

from __future__ import annotations

import linecache
import os
from dataclasses import dataclass

import streamlit as st
from streamlit.delta_generator import DeltaGenerator

from inspector.exported import Check, Export, ExportFailure
from inspector.language import sentence
from inspector.records import StaticWarning
from inspector_app.deployment import export_of
from inspector_app.phrases import escaped, prose, say, say_count, size, together, told
from inspector_app.subject import Subject


@dataclass(frozen=True, slots=True)
class _Offer:
    """One thing to take away, in words."""

    title: str
    about: str
    mime: str = "text/plain"
    language: str = ""


OFFERS = {
    "pt": _Offer(
        sentence("TorchScript file (.pt)"),
        sentence(
            "Runs without this Python code: `torch.jit.load` in Python, `torch::jit::load` in C++."
        ),
        "application/octet-stream",
    ),
    "code": _Offer(
        sentence("TorchScript code"),
        sentence("What the file holds as code: the model, its submodules and functions."),
        language="python",
    ),
    "ir": _Offer(
        sentence("IR as text"),
        sentence("The graphs of the model and of each method it calls."),
        language="text",
    ),
    "onnx": _Offer(
        sentence("ONNX file (.onnx)"),
        sentence(
            "For ONNX Runtime and many other engines. Checked by ONNX's own checker and run again."
        ),
        "application/octet-stream",
    ),
    "program": _Offer(
        sentence("torch.export graph"),
        sentence(
            "One graph of ATen ops, the basis of AOTInductor and ExecuTorch; beside it the IR."
        ),
        language="text",
    ),
}
_MARKS = {True: ":green[:material/check:]", False: ":red[:material/close:]", None: ":gray[–]"}


def prepared(subject: Subject, way: str) -> list[str]:
    """What this session has asked for, of one model."""
    asked: dict[tuple[Subject, str], list[str]] = st.session_state.get("_prepared", {})
    return asked.get((subject, way), [])


def exports_of(subject: Subject, way: str) -> tuple[Export, ...]:
    """What this session has taken away of a model, in the order of the page."""
    return tuple(export_of(subject, way, kind) for kind in OFFERS if kind in prepared(subject, way))


def part(subject: Subject, way: str) -> None:
    """What can be taken away."""
    done = prepared(subject, way)
    words, everything = st.columns([4, 1], vertical_alignment="center")
    words.markdown(
        say(
            "Each is made when you ask for it, and checked against the model on this input before "
            "you can download it."
        )
    )
    everything.button(
        say("Prepare all"),
        key="deploy/prepare",
        disabled=len(done) == len(OFFERS),
        width="stretch",
        on_click=_ask,
        args=(subject, way, *OFFERS),
    )
    for kind, offer in OFFERS.items():
        with st.container(border=True):
            _offer(subject, way, kind, offer, asked=kind in done)


def _ask(subject: Subject, way: str, *kinds: str) -> None:
    asked = st.session_state.setdefault("_prepared", {})
    asked[subject, way] = list(dict.fromkeys([*asked.get((subject, way), []), *kinds]))


def _offer(subject: Subject, way: str, kind: str, offer: _Offer, asked: bool) -> None:
    words, button = st.columns([4, 1], vertical_alignment="center")
    words.markdown(say("**{title}**  \n{about}", title=told(offer.title), about=told(offer.about)))
    if not asked:
        button.button(
            say("Prepare"),
            key=f"deploy/prepare/{kind}",
            width="stretch",
            on_click=_ask,
            args=(subject, way, kind),
        )
        return
    with words:
        export = export_of(subject, way, kind)
    _download(button, export, kind, offer)
    _verified(export)
    if export.failure is not None:
        _failure(export.failure)
    _warnings(export.warnings)
    if kind == "program":
        _beside(export, export_of(subject, way, "ir"))
    elif offer.language and export.data:
        with st.expander(say("Look at it")):
            st.code(str(export.data), language=offer.language, height=320)


def _download(column: DeltaGenerator, export: Export, kind: str, offer: _Offer) -> None:
    if export.failure is not None:
        column.button(say("Refused"), disabled=True, width="stretch", key=f"deploy/refused/{kind}")
        return
    column.download_button(
        say("Download ({size})", size=size(len(_content(export)))),
        _content(export),
        file_name=export.file_name,
        mime=offer.mime,
        key=f"deploy/download/{kind}",
        type="primary" if export.ok else "secondary",
        width="stretch",
        on_click="ignore",
        help=escaped(export.file_name),
    )


def _content(export: Export) -> bytes:
    return export.data if isinstance(export.data, bytes) else export.data.encode()


def _verified(export: Export) -> None:
    lines = [_check(check) for check in export.checks]
    if export.failure is None:
        made = {
            "script": say("Made from the script: all branches and loops are in it."),
            "trace": say("Made from the trace: it has the way of this input only."),
        }.get(export.way, "")
        if made:
            lines.append(f":gray[:material/info:] {made}")
        if not export.checks:
            lines.append(f":gray[–] {say('A text to read: there is nothing to run and compare.')}")
    if lines:
        st.markdown("  \n".join(lines))


def _check(check: Check) -> str:
    return say(
        "{mark} **{name}**: {detail}",
        mark=_MARKS[check.passed],
        name=escaped(told(check.name)),
        detail=prose(check.detail),
    )


def _failure(failure: ExportFailure) -> None:
    st.warning(prose(_refusal(failure)), icon=":material/block:")
    if failure.file is not None and failure.line is not None:
        _source_line(failure.file, failure.line)
    if failure.detail:
        with st.popover(say("torch's own text")):
            st.code(failure.detail, language="text", wrap_lines=True)


def _refusal(failure: ExportFailure) -> str:
    """Reason and remedy, in the session's language; the place has its own lines below."""
    message = told(failure.message)
    ends = message.endswith((".", "。", "?", "!"))
    reason = message if ends else say("{sentence}.", sentence=message)
    return together((reason, told(failure.remedy)))


def _source_line(file: str, line: int) -> None:
    """The line to blame with its neighbours."""
    shown = []
    for number in range(max(1, line - 2), line + 3):
        text = linecache.getline(file, number).rstrip("\n")
        mark = "→" if number == line else " "
        shown.append(f"{mark} {number:4d}  {text}")
    st.caption(say("{file}, line {line}:", file=escaped(os.path.basename(file)), line=line))
    st.code("\n".join(shown), language="python")


def _warnings(warnings: tuple[StaticWarning, ...]) -> None:
    if not warnings:
        return
    with st.expander(say_count("One remark", "{count} remarks", len(warnings))):
        for warning in warnings:
            said = say(
                "{category}: {message}", category=warning.category, message=told(warning.message)
            )
            if warning.file is not None:
                said = say(
                    "{sentence} ({file}, line {line})",
                    sentence=said,
                    file=os.path.basename(warning.file),
                    line=warning.line,
                )
            st.markdown("- " + prose(together((said, told(warning.remedy)))))


def _beside(program: Export, ir: Export) -> None:
    """Both static graphs of one model: what each keeps can be read side by side."""
    with st.expander(say("Both graphs side by side"), expanded=program.failure is None):
        left, right = st.columns(2)
        left.caption(say("torch.export: ATen ops, one way for all inputs"))
        right.caption(say("TorchScript IR: with branches and loops where it is a script"))
        for column, export in ((left, program), (right, ir)):
            if export.data:
                column.code(str(export.data), language="text", height=360)
            else:
                column.info(prose("" if export.failure is None else _refusal(export.failure)))
