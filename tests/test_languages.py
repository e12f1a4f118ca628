"""Sentences remember how they were made, and every one of them is translated."""

from __future__ import annotations

import ast
import pickle
import string
from pathlib import Path

import pytest

from inspector import language as sentences_module
from inspector import languages
from inspector.language import LANGUAGES, Sentence, counted, listed, sentence, sentences
from inspector.languages import language
from tools import catalogues

OTHERS = [code for code in LANGUAGES if code != sentences_module.ENGLISH]
PARTS = [(part, code) for part in catalogues.PARTS for code in OTHERS]
SOURCES = [*(catalogues.ROOT / "inspector").rglob("*.py"), *(catalogues.ROOT / "app").rglob("*.py")]


@pytest.fixture
def german(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    """A small catalogue with two plural forms, written by hand."""
    folder = tmp_path / "de"
    folder.mkdir()
    (folder / "a.po").write_text(
        'msgid ""\nmsgstr "Content-Type: text/plain; charset=utf-8\\n"\n\n'
        'msgid "{op} gave {share} zeros"\nmsgstr "{share} Nullen kamen aus {op}"\n\n'
        'msgid "all"\nmsgstr "alle"\n\n'
        'msgid "{count} op"\nmsgid_plural "{count} ops"\n'
        'msgstr[0] "{count} Operation"\nmsgstr[1] "{count} Operationen"\n\n'
        '#, fuzzy\nmsgid "unsure"\nmsgstr "vielleicht"\n',
        encoding="utf-8",
    )
    (folder / "b.po").write_text(
        'msgid ""\nmsgstr "Content-Type: text/plain; charset=utf-8\\n"\n\n'
        'msgid "{first} {then}"\nmsgstr "{first}/{then}"\n',
        encoding="utf-8",
    )
    monkeypatch.setattr(languages, "_FOLDER", tmp_path)
    monkeypatch.setitem(LANGUAGES, "de", "Deutsch")
    languages.language.cache_clear()
    languages._catalogue.cache_clear()
    yield language("de")
    languages.language.cache_clear()
    languages._catalogue.cache_clear()


def test_a_sentence_is_its_english_text() -> None:
    told = sentence("{op} gave {value:.3g}", op="relu", value=1 / 3)
    assert told == "relu gave 0.333"
    assert isinstance(told, str)
    assert {told: 1}["relu gave 0.333"] == 1


def test_a_text_without_values_keeps_its_braces() -> None:
    assert sentence("write {x}") == "write {x}"
    assert language("zh_CN")(sentence("write {x}")) == "write {x}"


def test_a_sentence_is_told_with_its_values_in_the_other_order(german) -> None:
    told = sentence("{op} gave {share} zeros", op="relu", share=sentence("all"))
    assert told == "relu gave all zeros"
    assert german(told) == "alle Nullen kamen aus relu"
    assert type(german(told)) is str


def test_a_number_takes_the_plural_form_of_the_language(german) -> None:
    assert [counted("{count} op", "{count} ops", n) for n in (0, 1, 1200)] == [
        "0 ops",
        "1 op",
        "1,200 ops",
    ]
    told = [german(counted("{count} op", "{count} ops", n)) for n in (0, 1, 1200)]
    assert told == ["0 Operationen", "1 Operation", "1,200 Operationen"]


def test_what_is_not_translated_or_not_for_sure_stays_english(german) -> None:
    assert german("nobody translated this") == "nobody translated this"
    assert german("unsure") == "unsure"
    assert german("") == ""
    assert german("all") == "alle"


def test_sentences_in_a_row_are_told_each_by_itself(german) -> None:
    row = sentences(sentence("all"), "", sentence("{op} gave {share} zeros", op="a", share="no"))
    assert row == "all a gave no zeros"
    assert german(row) == "alle/no Nullen kamen aus a"
    assert sentences() == ""
    assert german(sentences()) == ""


def test_a_long_row_is_not_nested_deeply(german) -> None:
    row = listed([f"word{n}" for n in range(10_000)])
    assert row.count(",") == 9_999
    assert german(row) == row


def test_a_sentence_survives_being_copied_to_another_process(german) -> None:
    told = pickle.loads(pickle.dumps(counted("{count} op", "{count} ops", 2)))
    assert isinstance(told, Sentence)
    assert german(told) == "2 Operationen"


def test_a_name_that_is_also_a_word_is_not_translated(german) -> None:
    told = sentence("{op} gave {share} zeros", op="all", share=sentence("all"))
    assert german(told) == "alle Nullen kamen aus all"


def test_chinese_words_stand_without_a_space_and_what_is_quoted_stays() -> None:
    made = languages._joined("\ue000一个张量\ue001 是 NaN，\ue000x\ue001 在 \ue000循环\ue001 中")
    assert made == "一个张量是 NaN，x 在循环中"
    assert languages._joined("变量“甲 乙”是 NaN") == "变量“甲 乙”是 NaN"


def test_a_value_is_never_taken_for_a_template(german) -> None:
    told = sentence("{op} gave {share} zeros", op="{share.__class__}", share="{op}")
    assert german(told) == "{op} Nullen kamen aus {share.__class__}"


@pytest.mark.parametrize(
    ("variables", "expected"),
    [
        ({"LANG": "zh_CN.UTF-8"}, "zh_CN"),
        ({"LANG": "zh_TW.UTF-8", "LC_ALL": "C.UTF-8"}, "en"),
        ({"LANGUAGE": "fr:zh_CN", "LANG": "en_US.UTF-8"}, "zh_CN"),
        ({"LANG": "de_DE.UTF-8"}, "en"),
        ({"LC_MESSAGES": "zh_CN", "LANG": "en_US"}, "zh_CN"),
        ({"LC_ALL": "de_DE", "LANG": "zh_CN"}, "en"),
        ({}, "en"),
    ],
)
def test_the_environment_names_the_language(variables, expected, monkeypatch) -> None:
    for name in ("LANGUAGE", "LC_ALL", "LC_MESSAGES", "LANG"):
        monkeypatch.delenv(name, raising=False)
    for name, value in variables.items():
        monkeypatch.setenv(name, value)
    assert sentences_module.of_environment() == expected


@pytest.mark.parametrize(("part", "code"), PARTS)
def test_every_text_is_translated(part: str, code: str) -> None:
    lacking = catalogues.missing(part, code)
    assert not [f"{text.file}:{text.line}: {text.ids[0]!r}" for text in lacking]


@pytest.mark.parametrize(("part", "code"), PARTS)
def test_a_translation_has_the_places_of_its_text(part: str, code: str) -> None:
    wrong = []
    for message in catalogues.catalogue(part, code):
        if not message.id:
            continue
        ids = message.id if isinstance(message.id, tuple) else (message.id,)
        told = message.string if isinstance(message.string, tuple) else (message.string,)
        wanted = set().union(*(_places(text) for text in ids))
        wrong += [text for text in told if text and _places(text) - {"count"} != wanted - {"count"}]
    assert not wrong


def _places(text: str) -> set[str]:
    try:
        return {name for _, name, _, _ in string.Formatter().parse(text) if name}
    except ValueError:
        return set()  # a text with braces of its own, which takes no values


@pytest.mark.parametrize("code", OTHERS)
def test_a_text_of_two_catalogues_has_one_translation(code: str) -> None:
    told: dict[str, set[str]] = {}
    for part in catalogues.PARTS:
        for message in catalogues.catalogue(part, code):
            if message.id and isinstance(message.string, str):
                told.setdefault(str(message.id), set()).add(message.string)
    assert not {text: ways for text, ways in told.items() if len(ways) > 1}


@pytest.mark.parametrize("code", OTHERS)
def test_no_catalogue_holds_texts_that_are_gone(code: str) -> None:
    gone = []
    for part in catalogues.PARTS:
        used = {text.ids[0] for text in catalogues.texts(part)}
        for message in catalogues.catalogue(part, code):
            first = message.id if isinstance(message.id, str) else message.id[0]
            if first and first not in used:
                gone.append((part, first))
    assert not gone


def test_what_is_to_be_translated_is_written_out() -> None:
    """A template that is put together at run time is in no catalogue; a constant's text is."""
    wrong = []
    for path in SOURCES:
        constants: tuple[type[ast.expr], ...] = (
            ast.Name,
            ast.Attribute,
            ast.Subscript,
            ast.IfExp,  # one of two constants
        )
        wanted = {"sentence": 1, "counted": 2}
        if path.is_relative_to(catalogues.ROOT / "app"):
            wanted |= {"say": 1, "say_count": 2}
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
            if isinstance(node, ast.Call) and isinstance(node.func, ast.Name):
                for given in node.args[: wanted.get(node.func.id, 0)]:
                    literal = isinstance(given, ast.Constant) and isinstance(given.value, str)
                    if not literal and not isinstance(given, constants):
                        wrong.append(f"{path.relative_to(catalogues.ROOT)}:{node.lineno}")
    assert not wrong
