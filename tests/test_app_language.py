"""The app speaks English and Chinese: all texts go by the catalogue, each session has its own."""

from __future__ import annotations

import ast
import json
import re
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from chinese import english_runs
from google.protobuf.message import Message
from markdown_it import MarkdownIt
from streamlit.testing.v1 import AppTest
from streamlit.testing.v1.element_tree import UnknownElement

from inspector.languages import language
from inspector_app import phrases
from tools import catalogues

ROOT = Path(__file__).parents[1]
APP = ROOT / "app"

# -- no bare English in what is drawn --------------------------------------------------------------

DRAWN = {
    *("markdown", "caption", "write", "text", "title", "header", "subheader", "metric", "badge"),
    *("button", "download_button", "link_button", "page_link", "menu_button", "form_submit_button"),
    *("checkbox", "toggle", "radio", "selectbox", "multiselect", "slider", "select_slider"),
    *("number_input", "text_input", "text_area", "segmented_control", "pills", "file_uploader"),
    *("data_editor", "dataframe", "table", "tabs", "expander", "popover", "dialog", "status"),
    *("spinner", "progress", "info", "warning", "error", "success", "toast", "plotly_chart"),
    *("set_page_config", "Page", "pagination", "complain", "cache_resource", "cache_data"),
    *("Column", "TextColumn", "NumberColumn", "LinkColumn", "CheckboxColumn"),
    *("update_layout", "update_xaxes", "update_yaxes"),
}
"""What shows its first argument."""

NAMED = {
    *("label", "help", "placeholder", "text", "title", "captions", "caption", "alt", "body"),
    *("page_title", "menu_items", "show_spinner", "display_text", "what"),
}
"""Arguments that are shown, by name."""

MARKUP = re.compile(
    r":material/\w+:|:[a-z]+(-badge|-background)?\[|-badge\[|&\w+;|<[^>]*>|`[^`]*`|https?:\S+"
)
NAMES = {"Torch Graph Inspector", "NaN", "Inf"}
"""The same in every language."""


def bare_texts(source: str) -> Iterator[tuple[int, str]]:
    """(line, text) of each English literal that a viewer would see as it stands."""
    for node in ast.walk(ast.parse(source)):
        if isinstance(node, ast.Call) and _called(node) in DRAWN:
            shown = [*node.args[:1], *(word.value for word in node.keywords if word.arg in NAMED)]
            for value in shown:
                for text in _literals(value):
                    yield node.lineno, text


def _called(call: ast.Call) -> str:
    function = call.func
    if isinstance(function, ast.Attribute):
        return function.attr
    return function.id if isinstance(function, ast.Name) else ""


def _literals(node: ast.expr) -> Iterator[str]:
    """The texts with words that an expression is made of, but what another function gives."""
    if isinstance(node, ast.Attribute | ast.Subscript | ast.Lambda):
        return
    children: list[ast.expr] = []
    if isinstance(node, ast.JoinedStr):  # as a whole: code in it may have places
        parts = [one.value if isinstance(one, ast.Constant) else "0" for one in node.values]
        if _has_words(whole := "".join(map(str, parts))):
            yield whole
        children = [one for one in node.values if isinstance(one, ast.FormattedValue)]
    elif isinstance(node, ast.Constant):
        if isinstance(node.value, str) and _has_words(node.value):
            yield node.value
    elif isinstance(node, ast.Call):
        children = node.args if _called(node) == "join" else []
    else:
        children = [one for name in PARTS for one in _listed(getattr(node, name, None))]
    for child in children:
        yield from _literals(child)


PARTS = ("value", "body", "orelse", "left", "right", "values", "elts", "elt")
"""Of an expression: what it may become, but not what it asks or looks up."""


def _listed(value: object) -> list[ast.expr]:
    found = value if isinstance(value, list) else [value]
    return [one for one in found if isinstance(one, ast.expr)]


def _has_words(text: str) -> bool:
    return text not in NAMES and re.search(r"[A-Za-z]{2,}", MARKUP.sub(" ", text)) is not None


@pytest.mark.parametrize("path", sorted(APP.rglob("*.py")), ids=lambda path: path.name)
def test_no_text_is_shown_past_the_catalogue(path: Path) -> None:
    """A page's own English is written `say("…")`; a constant is `sentence("…")`, then `told`."""
    found = [f"{path.relative_to(ROOT)}:{line}: {text!r}" for line, text in _bare(path)]
    assert not found


def _bare(path: Path) -> Iterator[tuple[int, str]]:
    return bare_texts(path.read_text(encoding="utf-8"))


@pytest.mark.parametrize(
    "source",
    [
        'st.button("Stop the run")',
        'st.sidebar.radio(say("Input"), names, help="Switch it.")',
        'column.metric(f"{count} ops", 3)',
        'st.caption("Nothing yet" if empty else say("{count} ops", count=3))',
        'st.Page(page, title="Compare")',
        '@st.cache_resource(show_spinner="Reading the file …")\ndef read(): ...',
        'st.dataframe([{"a": 1}], alt="All numbers")',
        'figure.update_layout(title={"text": "Ops per input"})',
    ],
)
def test_the_rule_sees_bare_english(source: str) -> None:
    assert list(bare_texts(source))


@pytest.mark.parametrize(
    "source",
    [
        'st.button(say("Stop"), key="stop", icon=":material/stop:")',
        "st.markdown(f\":gray-badge[{say_count('1 op', '{count} ops', 3)}]&ensp;`relu`\")",
        'st.code("import torch", language="python")',
        'st.segmented_control(told(LABEL), ["script", "trace"][:1], key="way")',
        "st.caption(prose(note))",
    ],
)
def test_the_rule_lets_keys_marks_and_code_be(source: str) -> None:
    assert not list(bare_texts(source))


# -- a session's language --------------------------------------------------------------------------

SCRIPT = """
from inspector_app.language_switch import choose_language
from inspector_app.screens import {page}
choose_language()
{page}.page()
"""


def open_page(page: str, **query: str) -> AppTest:
    """A page with the switch, opened by an address, once nothing is under way."""
    app = AppTest.from_string(SCRIPT.format(page=page), default_timeout=60)
    for name, value in query.items():
        app.query_params[name] = value
    app.run()
    for _ in range(100):
        assert not app.exception
        if not any(isinstance(one, UnknownElement) and one.type == "progress" for one in app.main):
            break
        time.sleep(0.2)
        app.run()
    return app


def said(app: AppTest) -> list[str]:
    """Every text that is sent to the browser, but code, pictures and the workbench's data."""
    found: list[str] = []
    for element in app._tree:
        proto = getattr(element, "proto", None)
        if proto is None or element.type in ("code", "bidi_component"):
            continue
        if element.type == "arrow_data_frame":
            config = json.loads(proto.columns or "{}")
            found += [config.get(str(name), {}).get("label") or str(name) for name in element.value]
        found += _texts(proto)
    return found


def _texts(proto: Message) -> Iterator[str]:
    for field, value in proto.ListFields():
        if field.name in ("id", "key", "form_id", "element_id", "css_class", "columns", "data"):
            continue
        for one in value if field.is_repeated else [value]:
            if isinstance(one, Message):
                yield from _texts(one)
            elif isinstance(one, str):
                yield from _in_json(json.loads(one)) if field.name == "spec" else [_plain(one)]


def _in_json(value: Any) -> Iterator[str]:
    """The texts of a chart."""
    if isinstance(value, dict):
        for one in value.values():
            yield from _in_json(one)
    elif isinstance(value, list):
        for one in value:
            yield from _in_json(one)
    elif isinstance(value, str):
        yield value


def _plain(text: str) -> str:
    return re.sub(r"<style>.*?</style>|<[^>]*>", "\n", text, flags=re.DOTALL)


TORCHS = "Converting a tensor to a Python"
"""A warning in torch's own words begins so."""


def left_in_english(app: AppTest) -> list[str]:
    texts = (text for text in said(app) if not text.startswith(TORCHS))
    return [f"{run}  <  {text}" for text in texts for run in english_runs(text)]


PAGES = [
    ("explore", {}),
    ("explore", {"sample": "gan", "input": "custom"}),
    ("compare", {"sample": "while_loop"}),
    ("compare", {"of": "files"}),
    ("sweep", {"sample": "branching"}),
    ("sweep", {"sample": "branching", "over": "control", "view": "decisions"}),
    ("sweep", {"sample": "while_loop", "view": "chart"}),
    ("sweep", {"sample": "mixture_of_experts", "view": "coverage"}),
    ("sweep", {"over": "files"}),
    ("torchscript", {"sample": "while_loop"}),
    ("torchscript", {"sample": "while_loop", "view": "steps"}),
    ("torchscript", {"sample": "branching", "kind": "trace", "view": "truth"}),
    ("torchscript", {"sample": "gan", "view": "parts"}),
    ("gradients", {"sample": "cat_dog_cnn", "steps": "2"}),
    ("gradients", {"sample": "dynamic_rnn", "steps": "3", "view": "steps"}),
    ("gradients", {"sample": "cat_dog_cnn", "steps": "2", "view": "zeros"}),
    ("gradients", {"sample": "branching", "steps": "2", "view": "parameters"}),
    ("gradients", {"sample": "branching", "steps": "2", "view": "path"}),
    ("deploy", {"sample": "branching"}),
    ("deploy", {"sample": "gan", "part": "measured"}),
    ("deploy", {"sample": "while_loop", "part": "take"}),
    ("deploy", {"sample": "branching", "part": "advice"}),
    ("open_recording", {}),
    ("guide", {}),
]


@pytest.mark.parametrize(("page", "query"), PAGES)
def test_a_page_in_chinese_holds_no_english_sentence(page: str, query: dict[str, str]) -> None:
    app = open_page(page, lang="zh_CN", **query)
    assert not left_in_english(app)
    assert any(re.search("[\u4e00-\u9fff]{4}", text) for text in said(app))


@pytest.mark.parametrize("page", ["explore", "compare", "sweep", "gradients", "deploy", "guide"])
def test_the_same_rule_finds_the_sentences_of_the_english_page(page: str) -> None:
    assert len(left_in_english(open_page(page))) > 3


def test_marks_of_the_translations_are_marks_of_markdown() -> None:
    """Before a Chinese character `**` ends nothing where a punctuation mark stands before it."""
    wrong = []
    for message in catalogues.catalogue("app", "zh_CN"):
        told = message.string if isinstance(message.string, str) else message.string[0]
        shown = MarkdownIt().render(re.sub(r"\{[^}]*\}", "值", told)) if "**" in told else ""
        if "*" in shown:
            wrong.append(told)
    assert not wrong


@pytest.fixture
def page_speaks(monkeypatch: pytest.MonkeyPatch) -> Callable[[str], None]:
    """Says what language a page speaks: AppTest finds choices by their words, without a session."""
    return lambda code: monkeypatch.setattr(phrases, "ENGLISH", code)


def _chosen(app: AppTest, code: str) -> AppTest:
    switch = next(one for one in app.sidebar.button_group if one.key == "language")
    switch.set_value(code).run()
    assert not app.exception
    return app


def test_the_address_names_the_language() -> None:
    for asked in ("zh_CN", "zh", "zh-Hans"):
        assert "怎样看图" in "\n".join(said(open_page("guide", lang=asked)))
    assert "How to read it" in "\n".join(said(open_page("guide", lang="xx")))


def test_without_one_the_server_s_environment_does(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("LANGUAGE", "zh_CN")
    app = open_page("guide")
    assert "怎样看图" in "\n".join(said(app))
    assert "lang" not in app.query_params
    assert "How to read it" in "\n".join(said(open_page("guide", lang="en")))


def test_the_switch_writes_the_address_and_keeps_what_is_chosen(
    page_speaks: Callable[[str], None],
) -> None:
    query = {"sample": "branching", "input": "mean below zero", "graph": "trace"}
    app = _chosen(open_page("explore", **query), "zh_CN")
    shown = {name: app.query_params[name] for name in (*query, "lang")}
    assert shown == {**query, "lang": "zh_CN"}
    assert app.session_state["choice/graph"] == "trace"
    assert "依输入而分支" in "\n".join(said(app))
    page_speaks("zh_CN")
    app = _chosen(app, "en")
    assert "lang" not in app.query_params
    assert "Branching on the input" in "\n".join(said(app))


def test_a_link_of_the_navigation_leads_to_a_page_in_the_same_language() -> None:
    app = _chosen(open_page("guide"), "zh_CN")
    app.query_params.clear()
    app.run()
    assert "怎样看图" in "\n".join(said(app))
    assert app.query_params["lang"] == "zh_CN"


def test_an_address_without_the_language_is_that_of_the_server_s(
    page_speaks: Callable[[str], None],
) -> None:
    """As after the browser's back button."""
    app = _chosen(open_page("explore", sample="branching"), "zh_CN")
    page_speaks("zh_CN")
    del app.query_params["lang"]
    app.run()
    assert "Branching on the input" in "\n".join(said(app))


def test_an_open_tab_stays_open_in_the_other_language() -> None:
    app = open_page("explore", sample="branching")
    app.session_state["tables"] = "Ops"
    app.run()
    assert "Ops" in [tab.label for tab in app.tabs]
    app = _chosen(app, "zh_CN")
    assert app.session_state["tables"] == "算子"


def test_what_a_sample_refuses_is_said_in_the_session_s_language() -> None:
    query = {"sample": "variable_length", "input": "custom", "c.text": "the dragon"}
    assert "The reader does not know “dragon”" in "\n".join(said(open_page("explore", **query)))
    assert "阅读器不认识“dragon”" in "\n".join(said(open_page("explore", **query, lang="zh_CN")))


def test_a_job_leaves_its_reason_for_each_session_to_tell() -> None:
    from inspector_app.trainruns import Choice, Training

    job = Training(Choice("nothing_of_the_kind", "x", 1, "SGD", 0.1)).start()
    assert job.wait(30)
    assert job.reason.startswith("The training could not be recorded: No sample is called")
    assert language("zh_CN")(job.reason).startswith("训练无法记录：")


def test_words_that_a_help_lists_are_the_vocabularies() -> None:
    from sample_models import poem_lstm, variable_length

    texts = {text.ids[0] for text in catalogues.texts("samples")}
    for module, ends in ((poem_lstm, ""), (variable_length, "; `pad` ends the reading")):
        words = [word for word in module.VOCABULARY if word != "pad"]
        assert any(text.endswith(", ".join(words) + ends) for text in texts)
