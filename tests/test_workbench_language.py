"""A workbench in Chinese: no English sentence is left in it, and nothing of a recording is lost."""

from __future__ import annotations

import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any
from xml.etree import ElementTree

import pytest
import torch
from chinese import english_runs
from torch import nn

import inspector
import sample_models
from inspector.language import ENGLISH
from inspector.render.answers import Book, answer, drawn_file
from inspector.render.labels import labels
from inspector.render.measure import text_width
from inspector.render.morphs import MorphBook
from inspector.render.pairs import PairBook
from tools import catalogues

CHINESE = "zh_CN"
CJK = re.compile("[\u4e00-\u9fff]")
QUOTED = re.compile(r"“[^”]*”|\"[^\"]*\"")
CODE = {
    "lines",
    "path",
    "file",
    "files",
    "ref",
    "id",
    "css",
    "labels",
    "function",
    "example",
    "instead",
}
"""Keys of what is quoted from the run, or is no text for people."""

ASSETS = Path(inspector.__file__).parent / "render" / "assets"


# -- what is looked at ---------------------------------------------------------------------------


VALUES = inspector.CaptureOptions(values="full")


def book_of(name: str, given: str | None = None) -> Book:
    """A sample on one of its inputs, with its IR: as the app shows it."""
    sample = sample_models.get(name)
    arguments = sample.inputs[given or next(iter(sample.inputs))].make()
    recording = inspector.record(sample.build(), *arguments, loss=sample.loss, options=VALUES)
    try:
        static = inspector.script(sample.static(sample.build()))
    except inspector.InspectorError as error:
        return Book(recording, static_reason=error.message)
    return Book(recording, static, inspector.overlay(static, recording))


def all_answers(book: Book) -> Iterator[Any]:
    """What a reader of one workbench can come by, closed boxes opened one after the other."""
    picture = answer(book, "picture", {})
    yield picture
    boxes = re.findall(r'class="box-toggle" data-id="([^"@]+)"', str(picture["panes"]))
    yield answer(book, "picture", {"toggled": boxes})
    if book.timebar["count"]:
        yield answer(book, "timeline", {})
        for at in range(0, book.timebar["count"], max(1, book.timebar["count"] // 9)):
            yield answer(book, "moment", {"at": at})
        yield answer(book, "until", {"from": 0, "what": "op", "value": "nothing"})
    yield answer(book, "findings", {})
    for ask in list(questions(picture["cards"]))[:6]:
        yield answer(book, "why", ask)
    for measure in ("time", "memory", "gradient", "zeros", "nonfinite", "visits"):
        yield answer(book, "heat", {"pane": "dynamic", "measure": measure})
    for tensor in list(book.recording.tensors)[:12]:
        yield answer(book, "values", {"tensor": tensor})
        yield answer(book, "history", {"tensor": tensor})
    for op in range(min(len(book.recording.ops), 12)):
        yield answer(book, "relations", {"id": f"op:{op}"})
    yield answer(book, "find", {"q": "trip 1"})


def questions(cards: Any) -> Iterator[Any]:
    """What the cards offer to ask, which begins with why; and where a size comes from."""
    for card in cards.values():
        for tensor in card.get("tensors", ()):
            yield from (why["ask"] for why in tensor.get("whys", ()))
            if tensor.get("dims") and "id" in tensor:
                yield {"why": "shape", "tensor": tensor["id"], "dim": 0}


def texts(found: Any, key: str = "") -> Iterator[str]:
    """The texts for people in an answer; of a drawing all that is read or heard."""
    if isinstance(found, str):
        if key == "svg":
            yield from texts_of_svg(found)
        elif key not in CODE:
            yield found
    elif isinstance(found, dict):
        for name, value in found.items():
            yield from texts(value, name)
    elif isinstance(found, (list, tuple)):
        for value in found:
            yield from texts(value, key)


def texts_of_svg(svg: str) -> Iterator[str]:
    for element in ElementTree.fromstring(svg).iter():
        yield element.get("aria-label", "")
        if not element.tag.endswith(("style", "path")):
            yield element.text or ""


def code_of(book: Book) -> str:
    """All that a recording and its IR say themselves: names, code, error messages."""
    recording = book.recording
    parts = [*recording.sources.values(), *(op.arguments for op in recording.ops)]
    parts += [str(recording.failure), *(call.type for call in recording.module_calls)]
    if book.static is not None:
        parts += [book.static.text, *(node.text for node in book.static.nodes)]
    return re.sub(r"\s+", " ", "\n".join(parts))


def english_in(text: str, code: str = "") -> list[str]:
    """Runs of three and more English words that are neither quoted nor code."""
    return [run for run in english_runs(QUOTED.sub("\n", text)) if run not in code]


def english_of(book: Book) -> set[str]:
    code = code_of(book)
    return {
        run
        for found in all_answers(book)
        for text in texts(found)
        for run in english_in(text, code)
    }


# -- samples, pairs, failures --------------------------------------------------------------------

SAMPLES = ("while_loop", "branching", "transformer", "gan", "autograd_basics", "poem_lstm")


@pytest.mark.parametrize("sample", SAMPLES)
def test_a_workbench_in_chinese_has_no_english_sentence(sample: str) -> None:
    assert english_of(book_of(sample).told_in(CHINESE)) == set()


@pytest.mark.parametrize("sample", ["while_loop", "branching", "dynamic_structure"])
def test_two_runs_in_chinese_have_no_english_sentence(sample: str) -> None:
    first, second, *_ = sample_models.get(sample).inputs
    a, b = book_of(sample, first), book_of(sample, second)
    pair = PairBook(a, b)
    assert english_of(pair.told_in(CHINESE)) == set()
    comparison = pair.union.comparison
    tell = pair.told_in(CHINESE).translate
    said = [*comparison.explanation, *(change.detail for change in comparison.changes)]
    assert comparison.explanation
    assert [run for one in said for run in english_in(tell(one), code_of(a) + code_of(b))] == []
    assert english_of(MorphBook(a, b, (first, second)).told_in(CHINESE)) == set()


def test_a_run_that_failed_keeps_only_the_error_s_own_words() -> None:
    def failing(x: torch.Tensor) -> torch.Tensor:
        return nn.functional.linear(torch.log(x - 1), torch.ones(3, 5))

    book = Book(inspector.record(failing, torch.zeros(2, 2)))
    assert english_of(book.told_in(CHINESE)) == set()
    assert book.recording.failure is not None


def test_findings_and_answers_to_why_have_no_english_sentence() -> None:
    class Broken(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.cut, self.used = nn.Linear(4, 4), nn.Linear(4, 4)

        def forward(self, x: torch.Tensor) -> torch.Tensor:
            h = torch.log(self.used(x) - 100)
            return (h * self.cut(x).detach()).mean()

    book = Book(inspector.record(Broken(), torch.ones(3, 4), loss="sum")).told_in(CHINESE)
    asked = {ask["why"] for ask in questions(answer(book, "picture", {})["cards"])}
    assert {"nonfinite", "gradient", "shape"} <= asked
    assert english_of(book) == set()


def test_the_rule_finds_what_is_left_in_english() -> None:
    found = english_of(book_of("while_loop"))
    assert len(found) > 20
    assert english_in("在 `one two three` 处：one two three four") == ["one two three four"]
    assert english_in("循环 for x in xs", "for x in xs") == []


# -- one book, two languages ---------------------------------------------------------------------


def test_two_languages_of_a_book_share_what_was_worked_out() -> None:
    book = book_of("while_loop")
    told = book.told_in(CHINESE)
    assert told is book.told_in(CHINESE)
    assert told.told_in(ENGLISH) is book
    assert (book.language, told.language) == (ENGLISH, CHINESE)
    assert told.index is book.index
    assert told.cards is book.cards
    assert told.timeline is book.timeline
    assert told.findings is book.findings
    assert told.run == book.run


def test_english_stays_what_it_was_after_chinese_was_told() -> None:
    book, other = book_of("while_loop"), book_of("while_loop")
    list(all_answers(other.told_in(CHINESE)))
    english, after = (answer(one, "picture", {}) for one in (book, other))
    assert english["panes"][0]["svg"] == after["panes"][0]["svg"]
    assert english["panes"][0]["title"] == after["panes"][0]["title"] == "Dynamic graph"


def test_items_and_boxes_have_the_same_ids_in_both_languages() -> None:
    book = book_of("while_loop")
    english, chinese = (answer(one, "picture", {}) for one in (book, book.told_in(CHINESE)))
    assert {pane: list(items) for pane, items in english["items"].items()} == {
        pane: list(items) for pane, items in chinese["items"].items()
    }
    assert english["opened"] == chinese["opened"]
    assert [pane["id"] for pane in english["panes"]] == [pane["id"] for pane in chinese["panes"]]


def test_names_of_a_recording_are_not_words() -> None:
    """An op called "view" and a module called "loss" keep their names."""

    class Net(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.loss = nn.Linear(2, 2)

        def forward(self, x: torch.Tensor) -> torch.Tensor:
            return self.loss(x).view(4).mean()

    recording = inspector.record(Net(), torch.ones(2, 2), loss="sum")
    book = Book(recording).told_in(CHINESE)
    picture = answer(book, "picture", {})
    titles = {card["title"] for name, card in picture["cards"].items() if "dynamic/op" in name}
    assert {"view", "mean"} <= titles
    backward = next(pane for pane in picture["panes"] if pane["id"] == "backward")
    assert "mean" in " ".join(texts_of_svg(backward["svg"]))
    assert "loss" in " ".join(texts_of_svg(picture["panes"][0]["svg"]))


# -- pictures ------------------------------------------------------------------------------------


def test_a_saved_picture_says_the_same_as_the_page() -> None:
    book = book_of("while_loop").told_in(CHINESE)
    for kind in ("svg", "dot"):
        saved, _ = drawn_file(book, {"pane": "dynamic", "kind": kind})
        assert CJK.search(saved.decode("utf-8"))


def test_chinese_labels_have_room_in_their_nodes() -> None:
    """A Chinese character is as wide as its font is high."""
    svg = answer(book_of("while_loop").told_in(CHINESE), "picture", {})["panes"][0]["svg"]
    told = 0
    for node in ElementTree.fromstring(svg).iter():
        if not node.get("class", "").startswith("node "):
            continue
        width = float(node.get("data-size", "0 0").split()[0])
        for text in node:
            size = {"title": 13.0, "subtitle": 11.0}.get(text.get("class", ""))
            if size is not None and CJK.search(text.text or ""):
                told += 1
                assert len(CJK.findall(text.text or "")) * size <= width
    assert told
    assert text_width("折叠", 13.0) == 26.0


# -- the browser's own texts ---------------------------------------------------------------------


def labels_in_the_assets() -> set[str]:
    """Every text of a LABELS table, as the tool for catalogues reads the JavaScript."""
    found = set()
    for path in ASSETS.glob("*.js"):
        with path.open("rb") as file:
            found |= {text for _, _, text, _ in catalogues.labels(file, None, None, None)}
    return found


def test_every_label_of_the_javascript_is_told_in_chinese() -> None:
    chinese = labels(CHINESE)
    same = {text for text in labels_in_the_assets() if text not in chinese}
    words = {text for text in same if re.search("[a-z]{3}", re.sub(r"\{\w+\}", "", text))}
    assert words == {"prim::If", "prim::Loop"}
    assert labels(ENGLISH) == {}


def test_labels_keep_their_places_and_the_bar_between_keys_and_words() -> None:
    for text, told in labels(CHINESE).items():
        assert sorted(re.findall(r"\{\w+\}", text)) == sorted(re.findall(r"\{\w+\}", told)), text
        assert text.count(" | ") == told.count(" | "), text


def test_no_row_of_the_help_lacks_its_words() -> None:
    rows = set()
    for path in ASSETS.glob("*.js"):
        rows |= set(re.findall(r'"help\.\w+"(?!:)', path.read_text(encoding="utf-8")))
    tables = "\n".join(path.read_text(encoding="utf-8") for path in ASSETS.glob("*.js"))
    assert rows
    assert {row for row in rows if f"{row}: " not in tables} == set()
