"""Findings, whys, errors, notes and the command line in Simplified Chinese."""

from __future__ import annotations

import contextlib
import io
import json
import re
import string
import subprocess
import sys
import warnings
import zipfile
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
import torch
from click.testing import CliRunner, Result

import inspector
from inspector import cli, retold
from inspector.errors import InspectorError, QuestionError
from inspector.findings import all_rules
from inspector.findings.formats import page
from inspector.language import Sentence, counted, sentence
from inspector.languages import language
from inspector.records import Recording
from inspector.store import load_bytes
from inspector.whys import who_overwrote, why_no_gradient, why_nonfinite, why_this_shape
from sample_models.bugs import bugs
from tools import catalogues

tell = language("zh_CN")

CHINESE = re.compile(r"[\u4e00-\u9fff]")
QUOTED = re.compile(r"(?:编译器|torch)\s?的提示：.*?。|`[^`]*`|'[^']*'|“[^”]*”")
ENGLISH = re.compile(r"[A-Za-z]{2,}(?: [A-Za-z]{2,}){2,}")
"""Three words of English in a row: a sentence, and no name."""


def left_in_english(text: str) -> list[str]:
    """What of a text is English prose: neither quoted nor a name."""
    return ENGLISH.findall(QUOTED.sub("", text))


def watched(program: Callable[[], Any], **options: Any) -> Recording:
    with warnings.catch_warnings(record=True), contextlib.suppress(Exception):
        warnings.simplefilter("default")
        with inspector.recording(inspector.CaptureOptions(**options)) as session:
            program()
    return session.recording


def recorded(number: int) -> Recording:
    bug = bugs()[number]
    return watched(bug.buggy, **bug.options)


def asked(recording: Recording) -> Iterator[Any]:
    """All whys of a recording, of its first tensors and parameters."""
    tensors = list(recording.tensors.values())[:40]
    questions: list[Callable[[], Any]] = [lambda: why_nonfinite(recording)]
    for one in recording.parameters:
        questions.append(lambda one=one: why_no_gradient(recording, one.name))
    for info in tensors:
        questions.append(lambda info=info: why_nonfinite(recording, info.id))
        questions.append(lambda info=info: why_no_gradient(recording, info.id))
        questions.append(lambda info=info: who_overwrote(recording, info.id))
        for dim in range(len(info.shape)):
            questions.append(lambda info=info, dim=dim: why_this_shape(recording, info.id, dim))
    for question in questions:
        try:
            yield question()
        except QuestionError as error:
            yield error


# -- findings and rules ----------------------------------------------------------------------


@pytest.mark.parametrize("number", bugs())
def test_a_bugs_findings_are_told_in_chinese(number: int) -> None:
    found = inspector.findings(recorded(number))
    assert found or number in (27, 30)  # those two take a probe
    for text in (text for one in found for text in (one.message, one.help)):
        if text and not text.startswith(("RuntimeError:", "TypeError:")):
            assert CHINESE.search(tell(text)), text
        assert not left_in_english(tell(text)), tell(text)


@pytest.mark.parametrize("number", bugs())
def test_a_bugs_whys_are_told_in_chinese(number: int) -> None:
    for why in asked(recorded(number)):
        if isinstance(why, QuestionError):
            assert CHINESE.search(tell(why.message))
            assert not left_in_english(tell(why.message))
            continue
        texts = [*why.sentences, *(step.phrase for step in why.steps), why.help, str(why)]
        for told in map(tell, texts):
            assert not left_in_english(told), told
        assert all(CHINESE.search(tell(text)) for text in why.sentences)
        assert CHINESE.search(tell(str(why)))


@pytest.mark.parametrize("number", bugs())
def test_a_bug_is_described_in_chinese(number: int) -> None:
    for text in (bugs()[number].title, bugs()[number].teaches):
        assert CHINESE.search(tell(text))
        assert not left_in_english(tell(text))


@pytest.mark.parametrize("rule", all_rules(), ids=lambda rule: rule.name)
def test_a_rule_is_documented_in_chinese_and_its_code_stays(rule: Any) -> None:
    for text in (rule.title, rule.what, rule.why):
        assert CHINESE.search(tell(text))
        assert not left_in_english(tell(text)), tell(text)
    told = page(rule, tell)
    assert told.startswith(f"{rule.name}: {tell(rule.title)}\n")
    assert "为什么不好" in told
    assert rule.name == "run-failed" or rule.example.split("\n")[0] in told
    assert "Why it is bad" in page(rule)


def test_names_of_ops_and_variables_are_not_translated() -> None:
    """`empty`, `zeros` and `loss` are words that texts of ours have as well."""

    def program() -> None:
        loss = torch.zeros(2) / torch.empty(2).fill_(0)
        loss.sum()

    recording = watched(program)
    told = tell(str(why_nonfinite(recording)))
    assert "div (" in told
    assert "zeros 的结果" in told
    assert "零" not in told


def test_probes_tell_in_chinese() -> None:
    model = torch.nn.Sequential(torch.nn.Linear(2, 2), torch.nn.BatchNorm1d(2))
    (finding,) = inspector.probe_batch_mixing(model, torch.randn(4, 2))
    assert finding.message.startswith("The output of sample 0 depends on the input of sample ")
    assert tell(finding.message).startswith("样本 0 的输出依赖于样本 ")
    assert not left_in_english(tell(finding.message) + tell(finding.help))


@pytest.mark.parametrize("part", ["findings", "library"])
def test_a_translation_writes_values_as_its_text_does(part: str) -> None:
    wrong = []
    for message in catalogues.catalogue(part, "zh_CN"):
        english = message.id if isinstance(message.id, str) else message.id[-1]
        told = message.string if isinstance(message.string, str) else message.string[0]
        if english and _places(english) != _places(told):
            wrong.append(english)
    assert not wrong


def _places(text: str) -> set[tuple[str, str | None, str | None]]:
    try:
        places = {(name, spec, how) for _, name, spec, how in string.Formatter().parse(text)}
    except ValueError:
        return set()  # a text with braces of its own
    return {place for place in places if place[0] not in (None, "", "count")}


# -- errors ----------------------------------------------------------------------------------


def test_an_error_remembers_how_its_message_was_made() -> None:
    with pytest.raises(InspectorError) as caught:
        inspector.findings(recorded(3), select=["no-such-rule"])
    error = caught.value
    assert str(error).startswith("There is no rule 'no-such-rule'. There are: ")
    assert str(error) == error.message
    assert tell(error.message).startswith("没有规则 'no-such-rule'。")
    assert InspectorError().message == ""


@pytest.mark.parametrize(
    ("data", "name", "expected"),
    [
        (b"", "x.npy", "“x.npy”是空的。"),
        (b"1,a\n2,3\n", "x.csv", "无法读取“x.csv”："),
        (b"\x89PNG", "x.npy", "它的开头像 .png 文件"),
        (b"1", "x.doc", "文件名必须以 .npy"),
    ],
)
def test_an_upload_is_refused_in_chinese(data: bytes, name: str, expected: str) -> None:
    from inspector.capture.uploads import read_tensors

    with pytest.raises(InspectorError) as caught:
        read_tensors(data, name)
    assert expected in tell(caught.value.message)
    assert not left_in_english(tell(caught.value.message))


def test_a_file_that_is_no_recording_is_refused_in_chinese() -> None:
    with pytest.raises(InspectorError) as caught:
        load_bytes(b"nothing", "a.inspect")
    assert tell(caught.value.message).startswith("a.inspect 不是可读的记录")
    assert not left_in_english(tell(caught.value.message))


# -- notes, also of a file -------------------------------------------------------------------


def with_notes(tmp_path: Path) -> Recording:
    def program() -> None:
        for _ in range(4):
            torch.ones(2).sum()

    recording = watched(program, max_ops=3)
    assert [type(note) for note in recording.notes] == [Sentence]
    recording.save(tmp_path / "a.inspect")
    return recording


def changed_header(data: bytes, change: Callable[[dict[str, Any]], None]) -> bytes:
    """A recording's file with another header."""
    target = io.BytesIO()
    with zipfile.ZipFile(io.BytesIO(data)) as source, zipfile.ZipFile(target, "w") as archive:
        for name in source.namelist():
            content = source.read(name)
            if name == "header.json":
                header = json.loads(content)
                change(header)
                content = json.dumps(header).encode()
            archive.writestr(name, content)
    return target.getvalue()


def test_a_note_is_told_in_chinese_before_and_after_the_file(tmp_path: Path) -> None:
    recording = with_notes(tmp_path)
    loaded = load_bytes((tmp_path / "a.inspect").read_bytes(), "a.inspect")
    assert loaded.notes == recording.notes
    for one in (recording, loaded):
        assert tell(one.notes[0]) == "记录在 3 个算子之后停止（max_ops）；程序继续运行。"


def test_a_file_of_before_has_notes_in_english(tmp_path: Path) -> None:
    recording = with_notes(tmp_path)
    data = changed_header(
        (tmp_path / "a.inspect").read_bytes(), lambda header: header.pop("notes_made")
    )
    assert load_bytes(data, "a").notes == recording.notes


HOSTILE = [
    {"templates": ["{a:>999999999}"], "values": {"a": "x"}, "number": None},
    {"templates": ["{a.__class__}"], "values": {"a": "x"}, "number": None},
    {"templates": ["{a[0]}"], "values": {"a": "x"}, "number": None},
    {"templates": ["{a!r}"], "values": {"a": "x"}, "number": None},
    {"templates": ["{a:{b}}"], "values": {"a": "x", "b": "99"}, "number": None},
    {"templates": ["{}{a}"], "values": {"a": "x"}, "number": None},
    {"templates": ["{a"], "values": {"a": "x"}, "number": None},
    {"templates": ["{a}" * 1_000], "values": {"a": "y" * 4_000}, "number": None},
    {"templates": ["{b}"], "values": {"a": "x"}, "number": None},
    {"templates": ["{count} a {b}", "{count}"], "values": {"count": "2", "b": "x"}, "number": 2},
    {"templates": ["{a:,}"], "values": {"a": 10**400}, "number": None},
    {"templates": ["x"], "values": [], "number": None},
    {"templates": [], "values": {}, "number": None},
    {"templates": 7, "values": {"a": 1}, "number": None},
    {"templates": ["{a}"], "values": {"a": 1}, "number": "2"},
    {"values": {}}, {}, [], 7, "x", None,
]  # fmt: skip


@pytest.mark.parametrize("made", HOSTILE)
def test_a_hostile_note_stays_the_text_it_is(made: Any) -> None:
    (note,) = retold.from_json(["a note"], [made])
    assert note == tell(note) == "a note"


def test_a_deep_or_large_row_of_notes_is_not_made_again() -> None:
    deep: Any = {"templates": ["x"], "values": {}, "number": None}
    for _ in range(50):
        deep = {"templates": ["{a}{a}"], "values": {"a": deep}, "number": None}
    plain = {"templates": ["x"], "values": {}, "number": None}
    assert retold.from_json(["x"], [deep]) == ("x",)
    assert len(retold.from_json(["x"] * 5_000, [plain] * 5_000)) == 5_000
    assert retold.from_json(["x"], [plain, plain]) == ("x",)
    assert retold.from_json(["x"], None) == ("x",)


def test_sentences_come_back_as_they_were() -> None:
    whole = sentence("{who} ran {n:,} times", who=sentence("op {name}", name="é"), n=1200)
    several = counted("{count} op", "{count} ops", 2)
    texts = [whole, "plain", several]
    back = retold.from_json([str(text) for text in texts], json.loads(json.dumps(
        retold.as_json(texts)
    )))  # fmt: skip
    assert back == tuple(texts)
    assert [type(text) for text in back] == [Sentence, str, Sentence]
    assert (back[0].values, back[2].number) == (whole.values, 2)


# -- the command line ------------------------------------------------------------------------


def run(*words: object, language: str = "zh_CN") -> Result:
    return CliRunner().invoke(cli.main, [str(word) for word in words], env={"LANGUAGE": language})


@pytest.fixture
def script(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.chdir(tmp_path)
    path = tmp_path / "train.py"
    path.write_text(
        "import torch\nh = torch.relu(torch.ones(2, requires_grad=True) * 2)\nh += 1\n"
        "h.sum().backward()\n"
    )
    return path


def test_check_speaks_the_language_of_the_environment(script: Path) -> None:
    result = run("check", script.name)
    first, help_ = result.stdout.splitlines()
    assert first.startswith("train.py:3:1: error saved-tensor-overwritten relu (train.py:2) 为自己")
    assert help_.startswith("    修正办法：不要在那里就地写入")
    assert "inspector: 1 个错误" in result.stderr
    assert result.exit_code == 1


@pytest.mark.parametrize("kind", ["json", "sarif", "github"])
def test_what_programs_read_stays_english(script: Path, kind: str) -> None:
    result = run("check", "--format", kind, script.name)
    assert "Do not write in place there" in result.stdout
    assert not CHINESE.search(result.stdout)


def test_rules_and_their_pages_are_in_chinese() -> None:
    assert "保存的张量被覆盖" in run("check", "--rules").stdout
    assert "为什么不好" in run("check", "--explain", "dead-relu").stdout
    assert "没有规则 'nope'" in run("check", "--explain", "nope").stderr
    assert "Why it is bad" in run("check", "--explain", "dead-relu", language="en").stdout


def test_info_and_errors_are_in_chinese(script: Path) -> None:
    with_notes(script.parent)
    told = run("info", "a.inspect").stdout
    assert " 个算子\n" in told
    assert "提示：记录在 3 个算子之后停止" in told
    assert run("info", "no.inspect").stderr.startswith("inspector: 无法打开 no.inspect：")
    assert run("export", "a.inspect", "-o", "no/where.svg").stderr == (
        f"inspector: 无法写入 no/where.svg：没有文件夹 {script.parent / 'no'}。"
        "请用 -o 选择别的位置。\n"
    )


def test_a_terminal_without_chinese_gets_escapes(script: Path) -> None:
    """An encoding that has no Chinese is no reason to fail."""
    done = subprocess.run(
        [sys.executable, "-m", "inspector", "info", "no.inspect"],
        env={"LANGUAGE": "zh_CN", "PYTHONIOENCODING": "ascii", "PATH": ""},
        capture_output=True, text=True, check=False,
    )  # fmt: skip
    assert done.returncode == 2
    assert "\\u65e0\\u6cd5" in done.stderr


def test_help_loads_no_catalogue() -> None:
    done = subprocess.run(
        [sys.executable, "-X", "importtime", "-m", "inspector", "--help"],
        env={"LANGUAGE": "zh_CN", "PATH": ""}, capture_output=True, text=True, check=True,
    )  # fmt: skip
    imported = {line.rpartition("|")[2].strip() for line in done.stderr.splitlines()}
    assert "inspector.language" in imported
    assert not {name for name in imported if name.partition(".")[0] in ("babel", "torch")}
