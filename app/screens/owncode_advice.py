"""What to do about an error that comes of where a program runs: alone, with no file, no network."""

from __future__ import annotations

import re

import streamlit as st

from inspector.language import sentence
from inspector_app.ownruns import is_empty
from inspector_app.phrases import say, told
from inspector_app.programs import Ran

_MISSING = re.compile(r"ModuleNotFoundError: No module named '([\w.]+)'")

_ADVICE = (
    (
        r"FileNotFoundError|relative import with no known parent",
        sentence(
            "The program runs alone, with no other file beside it. Make the data in the code, as "
            "with `torch.randn`, or record the script where its files are: "
            "`python -m inspector record train.py`."
        ),
    ),
    (
        r"EOFError",
        sentence(
            "Nobody can type while it runs: write the value into the code instead of `input()`."
        ),
    ),
    (
        r"URLError|gaierror|ConnectionError|name resolution|no internet connection|"
        r"couldn't connect to|Network is unreachable",
        sentence(
            "The program has no network here. Make the model in the code, without pretrained "
            "weights, or record the script where it has one: `python -m inspector record train.py`."
        ),
    ),
    (
        r"Torch not compiled with CUDA|Found no NVIDIA driver|No CUDA GPUs",
        sentence(
            "There is no GPU where this program runs. The graph is the same on the CPU: write "
            '`device = "cpu"`.'
        ),
    ),
)


def tell_advice(ran: Ran) -> None:
    """Say what to do about how a program ended, where that is known."""
    words = advice(ran)
    if words:
        st.caption(f":material/lightbulb: {words}")
    elif ran.outcome.ended == "done" and is_empty(ran):
        _tell_empty(ran.program.source)


def advice(ran: Ran) -> str:
    """The same as Markdown in the session's language; "" where nothing is known."""
    outcome, reason = ran.outcome, str(ran.outcome.reason)
    if outcome.ended != "failed":
        return ""
    missing = _MISSING.search(reason)
    if missing:
        return say(
            "There is no `{name}` where this program runs. Do without it, or record the script"
            " where it is installed: `python -m inspector record train.py`.",
            name=missing[1],
        )
    if "sys.exit(2)" in reason and "usage:" in outcome.output:
        return say(
            "It is started without arguments. Give them defaults, or write them into the code:"
            ' `parser.parse_args(["--lr", "0.1"])`.'
        )
    if "SyntaxError" in reason and _is_of_a_notebook(ran):
        return say("Lines that begin with `%` or `!` belong to notebooks only: take them out.")
    return next((told(words) for known, words in _ADVICE if re.search(known, reason)), "")


def _is_of_a_notebook(ran: Ran) -> bool:
    lines = ran.program.source.splitlines()
    line = ran.outcome.line or 0
    return 0 < line <= len(lines) and lines[line - 1].lstrip().startswith(("%", "!"))


def _tell_empty(text: str) -> None:
    """Say that nothing was computed, and what to add where a model was only described."""
    words = say("It ran, but computed nothing with tensors: there is nothing to draw.")
    st.info(words, icon=":material/info:")
    described = re.search(r"^\s*class (\w+)\(.*Module\):", text, re.MULTILINE)
    if described:
        st.caption(say("A class alone does nothing. Make a model of it, and call it:"))
        st.code(f"model = {described[1]}()\nmodel(torch.randn(1, 4))", language="python")
