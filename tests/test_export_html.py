"""One HTML file: what is in it, what is not, and that nothing of a recording is markup in it."""

from __future__ import annotations

import base64
import gzip
import hashlib
import json
import re
from html.parser import HTMLParser
from pathlib import Path
from typing import Any

import pytest
import torch
from export_models import HOSTILE, branching, hostile, tower
from handmade import Program
from torch import nn

import inspector
from inspector.errors import RenderError
from inspector.records import Recording
from inspector.render.answers import Book, answer
from inspector.render.archive import Limits, archive
from inspector.render.page import book_of, export_html, page
from inspector.render.workbench import script_text

FEW = Limits(pictures=2, moments=50)


class Reader(HTMLParser):
    """Tags with their attributes, and the text of each script."""

    def __init__(self, text: str) -> None:
        super().__init__()
        self.tags: list[tuple[str, dict[str, str | None]]] = []
        self.scripts: list[tuple[dict[str, str | None], str]] = []
        self.texts: list[str] = []
        self.inside = ""
        self.feed(text)
        self.close()

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.append((tag, dict(attrs)))
        self.inside = tag

    def handle_endtag(self, tag: str) -> None:
        self.inside = ""

    def handle_data(self, data: str) -> None:
        if self.inside == "script":
            self.scripts.append((self.tags[-1][1], data))
        elif self.inside != "style":
            self.texts.append(data.strip())


def pieces(text: str) -> dict[str, Any]:
    """What was packed into a page, unpacked by the standard library."""
    found = re.findall(r'data-piece="([\w-]+)">([^<]*)<', text)
    return {name: json.loads(gzip.decompress(base64.b64decode(data))) for name, data in found}


@pytest.fixture(scope="module")
def small() -> str:
    return page(Book(branching()), limits=FEW)


# -- security ------------------------------------------------------------------------------------


def test_only_our_own_script_runs_and_nothing_is_loaded(small: str) -> None:
    found = Reader(small)
    (policy,) = (
        attrs["content"]
        for tag, attrs in found.tags
        if tag == "meta" and attrs.get("http-equiv") == "Content-Security-Policy"
    )
    rules = dict(rule.split(" ", 1) for rule in str(policy).split("; "))
    (script,) = (text for attrs, text in found.scripts if attrs.get("type") != "text/plain")
    digest = base64.b64encode(hashlib.sha256(script.encode()).digest()).decode()
    assert rules == {
        "default-src": "'none'", "script-src": f"'sha256-{digest}'",
        "style-src": "'unsafe-inline'", "img-src": "blob: data:", "base-uri": "'none'",
        "form-action": "'none'",
    }  # fmt: skip
    loading = [attrs for _, attrs in found.tags if {"src", "href", "srcset"} & set(attrs)]
    assert loading == []


def test_the_policy_stands_before_everything_that_it_governs(small: str) -> None:
    assert small.index("Content-Security-Policy") < small.index("<style") < small.index("<script")


def test_nothing_of_a_recording_is_markup() -> None:
    told = Reader(page(Book(hostile()), title=HOSTILE, limits=FEW))
    plain = Reader(page(Book(branching()), limits=FEW))

    def skeleton(found: Reader) -> list[tuple[str, tuple[str, ...]]]:
        tags = [(tag, tuple(sorted(attrs))) for tag, attrs in found.tags]
        return [one for one in tags if one != ("script", ("data-piece", "type"))]

    assert skeleton(told) == skeleton(plain)
    assert HOSTILE in told.texts
    for attrs, text in told.scripts:
        if attrs.get("type") == "text/plain":
            assert re.fullmatch(r"[A-Za-z0-9+/=]+", text)


def test_the_script_cannot_end_before_its_end() -> None:
    script = script_text().lower()
    assert "</script" not in script
    assert "<!--" not in script


def test_hostile_names_come_back_as_they_were() -> None:
    found = pieces(page(Book(hostile()), limits=FEW))
    assert any(card["title"].startswith(HOSTILE) for card in found["cards"]["cards"])


# -- what is in it -------------------------------------------------------------------------------


def test_a_page_holds_what_a_server_would_answer(small: str) -> None:
    book, found = Book(branching()), pieces(small)
    asked = json.loads(json.dumps(answer(book, "picture", {})))
    state = found["contents"]["states"][0]
    assert state["toggled"] == []
    for pane in asked["panes"]:
        if pane["id"] in state["drawings"]:
            drawing = found[f"drawing-{state['drawings'][pane['id']]}"]
            assert drawing["pane"]["svg"] == pane["svg"]
            assert drawing["items"] == asked["items"][pane["id"]]
    assert found["timeline"] == json.loads(json.dumps(answer(book, "timeline", {})))
    assert found["findings"] == json.loads(json.dumps(answer(book, "findings", {})))
    assert found["moments"][2] == json.loads(json.dumps(answer(book, "moment", {"at": 2})))
    (source,) = (pane for pane in found["contents"]["panes"] if pane["id"] == "source")
    assert "torch.tanh(x)" in "\n".join(source["files"][0]["lines"])


def test_all_ops_and_autograd_nodes_have_cards(small: str) -> None:
    names, recording = pieces(small)["cards"]["names"], branching()
    assert {f"dynamic/op:{op.id}" for op in recording.ops} <= set(names)
    assert {f"backward/grad:{node.id}" for node in recording.grad_nodes} <= set(names)


def test_answers_to_why_are_those_of_the_cards(small: str) -> None:
    whys = pieces(small)["contents"]["whys"]
    assert whys
    for ask, told in whys:
        assert told == json.loads(json.dumps(answer(Book(branching()), "why", ask)))


def test_pictures_with_a_box_opened_show_what_is_in_it() -> None:
    book = Book(tower())
    packed = archive(book, Limits(pictures=3, records=0))
    found = {
        name: json.loads(gzip.decompress(base64.b64decode(data)))
        for name, data in packed.pieces.items()
    }
    first, *others = found["contents"]["states"]
    assert packed.pictures == len(others) == 3
    assert packed.boxes >= 20
    for state in others:
        (box,) = state["toggled"]
        before = found[f"drawing-{first['drawings']['dynamic']}"]["items"]
        after = found[f"drawing-{state['drawings']['dynamic']}"]["items"]
        assert box in before
        assert box not in after
        ops = set(book.index.ops_of(book.index.by_id[box]))
        drawn = {int(name[3:]) for name in after if re.fullmatch(r"op:\d+", name)}
        assert ops & drawn


def test_a_page_without_room_holds_what_is_drawn() -> None:
    packed = archive(Book(tower()), Limits(room=0))
    assert packed.pictures == 0
    assert {"card", "find", "history", "moment"}.isdisjoint(packed.answers)
    assert {"contents", "cards", "timeline", "findings", "drawing-0"} <= set(packed.pieces)


def test_the_page_says_what_it_does_not_hold() -> None:
    text = page(Book(tower()), limits=Limits(room=0))
    assert "Cards are there for what is drawn, not for each op." in Reader(text).texts
    assert "The search finds what is drawn." in Reader(text).texts


def test_the_same_recording_gives_the_same_page() -> None:
    assert page(Book(branching()), limits=FEW) == page(Book(branching()), limits=FEW)


@pytest.mark.slow
@pytest.mark.timeout(400)
def test_two_thousand_ops_take_less_than_two_megabytes(tmp_path: Path) -> None:
    p = Program()
    x = p.tensor(shape=(8, 16))
    root = p.call("", type="Net")
    for stage in range(100):
        call = p.call(f"stages.{stage}", root, "Stage")
        for at in range(20):
            x = p.op(f"op{(stage * at) % 7}", x, call=call, shape=(8, 16), duration_us=at)
    recording = p.recording(sources={"model.py": "\n".join(f"x = op{i}(x)" for i in range(2000))})
    assert len(recording.ops) == 2000
    export_html(recording, tmp_path / "run.html")
    assert (tmp_path / "run.html").stat().st_size < 2_000_000


# -- two runs, languages, static code ------------------------------------------------------------


def test_two_runs_are_one_picture_with_their_differences() -> None:
    p = Program()
    x = p.tensor()
    p.op("relu", p.op("linear", x))
    q = Program()
    q.op("tanh", q.op("linear", q.tensor()))
    book_text = page(book_of((p.recording(), q.recording())), limits=FEW)
    found = pieces(book_text)
    panes = {pane["id"]: pane for pane in found["contents"]["panes"]}
    assert [line["sign"] for line in panes["differences"]["lines"]]
    assert found["contents"]["states"][0]["compare"]["names"] == ["A", "B"]
    assert "A: 2 ops. B: 2 ops." in Reader(book_text).texts


def test_static_code_is_beside_the_run(tmp_path: Path) -> None:
    model = nn.Sequential(nn.Linear(2, 2), nn.ReLU())
    recording = inspector.record(model, torch.ones(1, 2))
    export_html(recording, tmp_path / "run.html", static=inspector.script(model))
    found = pieces((tmp_path / "run.html").read_text())
    panes = {pane["id"] for pane in found["contents"]["panes"]}
    assert {"static", "irtext"} <= panes
    assert "prim::CallMethod" in json.dumps(found["contents"]["panes"])


def test_without_static_code_there_is_no_pane_for_it(small: str) -> None:
    assert "static" not in {pane["id"] for pane in pieces(small)["contents"]["panes"]}


def test_a_page_is_in_the_language_that_is_asked_for(tmp_path: Path) -> None:
    export_html(branching(), tmp_path / "zh.html", language="zh_CN", title="T")
    text = (tmp_path / "zh.html").read_text("utf-8")
    assert '<html lang="zh-CN"' in text
    assert "个算子" in text
    assert pieces(text)["contents"]["labels"]["Search"] == "搜索"


def test_a_language_that_is_not_there_is_refused(tmp_path: Path) -> None:
    with pytest.raises(RenderError, match="no language 'xx'"):
        export_html(branching(), tmp_path / "x.html", language="xx")
    assert list(tmp_path.iterdir()) == []


def test_a_comparison_alone_is_refused_with_what_to_do(tmp_path: Path) -> None:
    comparison: Any = inspector.compare(branching(), branching())
    with pytest.raises(RenderError, match="give the two recordings"):
        export_html(comparison, tmp_path / "x.html")


def test_a_page_is_written_whole_or_not_at_all(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def full(*_: object) -> None:
        raise OSError(28, "No space left on device")

    (tmp_path / "old.html").write_text("old")
    monkeypatch.setattr("os.replace", full)
    with pytest.raises(OSError, match="No space"):
        export_html(Recording((), {}), tmp_path / "old.html")
    assert [path.read_text() for path in tmp_path.iterdir()] == ["old"]
