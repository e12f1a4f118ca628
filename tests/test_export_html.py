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

FEW = Limits(closeups=2, moments=50)


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
    return {
        name: json.loads(unzipped(data)) for name, data in found if name not in ("script", "style")
    }


def unzipped(data: str) -> str:
    return gzip.decompress(base64.b64decode(data)).decode("utf-8")


def rows(columns: dict[str, list[Any]]) -> list[dict[str, Any]]:
    """Columns as the rows that they were."""
    count = max((len(column) for column in columns.values()), default=0)
    return [
        {key: column[at] for key, column in columns.items() if column[at] is not None}
        for at in range(count)
    ]


def closeup_svg(found: dict[str, Any], box: str, pane: str) -> str:
    """The drawing of a box by itself, put together again."""
    packed = found["closeups"]
    at = packed["places"][box][pane]
    text = "".join(packed["parts"][number] for number in packed["svg"][at])
    first = packed["first"][at]
    return re.sub("\x01(op|grad):(\\d+)", lambda m: f"{m[1]}:{int(m[2]) + first[m[1]]}", text)


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
    (boot,) = (text for attrs, text in found.scripts if attrs.get("type") != "text/plain")
    (script,) = (text for attrs, text in found.scripts if attrs.get("data-piece") == "script")
    hashes = " ".join(
        f"'sha256-{base64.b64encode(hashlib.sha256(one.encode()).digest()).decode()}'"
        for one in (boot, unzipped(script))
    )
    assert script_text() in unzipped(script)
    assert rules == {
        "default-src": "'none'", "script-src": hashes,
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


def test_hostile_names_come_back_as_they_were() -> None:
    found = pieces(page(Book(hostile()), limits=FEW))
    assert any(title.startswith(HOSTILE) for title in found["cards"]["cards"]["title"])


# -- what is in it -------------------------------------------------------------------------------


def test_a_page_holds_what_a_server_would_answer(small: str) -> None:
    book, found = Book(branching()), pieces(small)
    asked = json.loads(json.dumps(answer(book, "picture", {})))
    for pane in asked["panes"]:
        if pane["id"] in asked["items"]:
            drawing = found["first"][pane["id"]]
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
    found = pieces(small)
    asks = found["contents"]["whys"]
    assert asks
    for ask, told in zip(asks, found["whys"], strict=True):
        assert told == json.loads(json.dumps(answer(Book(branching()), "why", ask)))


def test_a_card_comes_back_as_it_was(small: str) -> None:
    def known(found: dict[str, Any]) -> dict[str, Any]:
        return {key: value for key, value in found.items() if value is not None}

    book, found = Book(branching()), pieces(small)["cards"]
    values = rows(found["values"])
    for name, number in found["names"].items():
        cards = rows(found["cards"])
        told = known(json.loads(json.dumps(book.cards.card(*name.split("/", 1)))))
        theirs = [known(tensor) for tensor in told.pop("tensors", [])]
        mine = [{**one, **values[one["measured"]]} for one in cards[number]["tensors"]]
        assert [
            {key: one[key] for key in one if key != "measured"} for one in map(known, mine)
        ] == (theirs)
        assert {key: cards[number][key] for key in told} == told


def test_each_closed_box_is_there_by_itself_with_all_that_is_in_it() -> None:
    recording = tower()
    book = Book(recording)
    found = pieces(page(book))
    closeups = {one["box"]: one for one in found["contents"]["closeups"]}
    drawn = book.views(book.shown(frozenset()))["dynamic"]
    closed = {node.id for node in drawn.nodes if node.kind == "box"}
    assert len(closed) >= 15
    assert closed <= set(closeups)
    for box in closed:
        call = recording.module_calls[int(box.removeprefix("call:"))]
        assert closeups[box]["title"] == call.path
        inside = {op.id for op in recording.ops if op.module_call in _calls_within(recording, call)}
        for pane in ("dynamic", "backward", "twins"):
            svg = closeup_svg(found, box, pane)
            shown = {int(number) for number in re.findall(r'data-id="op:(\d+)"', svg)}
            assert inside <= shown or pane == "backward"


def _calls_within(recording: Recording, call: Any) -> set[int]:
    own = {call.id}
    for other in recording.module_calls:
        if other.parent in own:
            own.add(other.id)
    return own


def test_a_box_by_itself_is_drawn_as_in_the_whole_picture() -> None:
    """Node by node: what is inside says what it says where all boxes around it are open."""
    book = Book(tower())
    found = pieces(page(book))
    box = found["contents"]["closeups"][0]["box"]
    svg = closeup_svg(found, box, "dynamic")
    whole = answer(book, "picture", {"toggled": [box]})
    theirs = next(pane["svg"] for pane in whole["panes"] if pane["id"] == "dynamic")
    inside = {f"op:{op}" for op in book.index.ops_of(book.index.by_id[box])}

    def labels(text: str) -> dict[str, str]:
        nodes = re.findall(r'data-id="([^"]+)" data-size="[^"]*"[^>]*aria-label="([^"]*)"', text)
        return {id: label for id, label in nodes if id in inside}

    assert labels(svg) == labels(theirs)
    assert set(labels(svg)) == inside


def test_a_page_without_room_holds_what_is_drawn() -> None:
    packed = archive(Book(tower()), Limits(room=0))
    assert packed.closeups == 0
    assert packed.left_out >= 15
    assert {"card", "find", "history", "moment"}.isdisjoint(packed.answers)
    assert {"contents", "cards", "timeline", "findings", "first"} <= set(packed.pieces)


def test_the_page_says_what_it_does_not_hold() -> None:
    text = page(Book(tower()), limits=Limits(room=0))
    assert "Cards are there for what is drawn, not for each op." in Reader(text).texts
    assert "The search finds what is drawn." in Reader(text).texts
    assert any("are drawn closed and are not in it" in told for told in Reader(text).texts)


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


@pytest.mark.slow
@pytest.mark.timeout(400)
def test_a_thousand_modules_take_no_more_room_than_there_is(tmp_path: Path) -> None:
    """Many boxes, cards and questions: none of them is packed where there is no room."""
    model = nn.Sequential(*(nn.Sequential(nn.Linear(4, 4), nn.ReLU()) for _ in range(1000)))
    recording = inspector.record(model, torch.ones(1, 4), loss="sum", values="none")
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
    assert found["contents"]["compare"]["names"] == ["A", "B"]
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
