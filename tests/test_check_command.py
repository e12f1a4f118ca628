"""`inspector check`: what it prints, in which format, and with which exit code."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest
from click.testing import CliRunner, Result

import inspector
from inspector import cli
from inspector.findings import all_rules
from inspector.findings.formats import SARIF_SCHEMA, as_github, as_json, as_sarif, as_text
from inspector.found import Finding
from inspector.records import Recording, Source

ROOT = Path(__file__).resolve().parents[1]
Run = Callable[..., Result]

FAILING = """\
import sys
import torch

print("arguments", sys.argv[1:])
h = torch.relu(torch.ones(2, requires_grad=True) * 2)
h += 1
h.sum().backward()
"""
HEALTHY = "import torch\n\nprint(torch.ones(2).sum())\n"
NOTED = """\
import torch

net = torch.nn.Sequential(torch.nn.BatchNorm1d(2)).train()
net(torch.ones(3, 2))
"""


@pytest.fixture
def run(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Run:
    """Call the command line in an empty folder."""
    monkeypatch.chdir(tmp_path)
    (tmp_path / "train.py").write_text(FAILING)
    (tmp_path / "fine.py").write_text(HEALTHY)
    (tmp_path / "noted.py").write_text(NOTED)
    return lambda *words: CliRunner().invoke(cli.main, ["check", *map(str, words)])


def test_a_failed_script_is_told_at_the_line_of_the_cause(run: Run) -> None:
    result = run("train.py")
    assert result.exit_code == 1
    first, help_ = result.stdout.splitlines()
    assert first.startswith(
        "train.py:6:1: error saved-tensor-overwritten relu (train.py:5) keeps h"
    )
    assert help_.startswith("    help: Do not write in place")


def test_the_scripts_own_output_and_traceback_go_to_stderr(run: Run) -> None:
    result = run("train.py", "--lr", "0.1")
    assert "arguments ['--lr', '0.1']" in result.stderr
    assert "Traceback" in result.stderr
    assert "modified by an inplace operation" in result.stderr
    assert "arguments" not in result.stdout
    assert result.stderr.endswith("inspector: 1 error\n")


def test_a_healthy_script_prints_nothing_and_ends_with_0(run: Run) -> None:
    result = run("fine.py")
    assert (result.exit_code, result.stdout) == (0, "")
    assert result.stderr.endswith("inspector: nothing found\n")


def test_notes_are_hidden_unless_asked_for(run: Run) -> None:
    hidden = run("noted.py")
    assert (hidden.exit_code, hidden.stdout) == (0, "")
    assert "1 note hidden: --notes shows them" in hidden.stderr
    shown = run("--notes", "noted.py")
    assert shown.exit_code == 0
    assert ": note inference-in-train-mode " in shown.stdout


def test_a_recording_is_checked_like_its_script(run: Run, tmp_path: Path) -> None:
    CliRunner().invoke(cli.main, ["record", "-o", "run.inspect", "train.py"])
    assert run("run.inspect").stdout == run("train.py").stdout
    assert run("run.inspect").exit_code == 1


def test_select_and_ignore_take_names_joined_by_commas_or_one_by_one(run: Run) -> None:
    chosen = ["saved-tensor-overwritten", "run-failed"]
    assert run("--ignore", ",".join(chosen), "train.py").stdout == ""
    assert run("--ignore", chosen[0], "--ignore", chosen[1], "train.py").stdout == ""
    assert run("--select", "device-mismatch, dtype-mismatch", "train.py").stdout == ""
    result = run("--select", "run-failed", "train.py")
    assert result.stdout.startswith("train.py:5:5: error run-failed RuntimeError: ")


def test_a_comment_silences_a_rule_in_the_script(run: Run, tmp_path: Path) -> None:
    silenced = FAILING.replace("h += 1", "h += 1  # inspector: ignore[saved-tensor-overwritten]")
    (tmp_path / "train.py").write_text(silenced)
    result = run("train.py")
    assert (result.exit_code, result.stdout) == (1, "")  # the script itself failed all the same


def test_a_module_can_be_checked(run: Run) -> None:
    assert run("-m", "train").stdout == run("train.py").stdout


@pytest.mark.parametrize(
    ("words", "said"),
    [
        ((), "Missing argument 'SCRIPT'"),
        (("nothing.py",), "There is no script nothing.py"),
        (("--select", "nothing", "train.py"), "There is no rule 'nothing'"),
        (("--select", "", "train.py"), "It names no rule"),
        (("--explain", "nothing"), "There is no rule 'nothing'"),
        (("--format", "xml", "train.py"), "'xml' is not one of"),
    ],
)
def test_wrong_use_ends_with_2(run: Run, words: tuple[str, ...], said: str) -> None:
    result = run(*words)
    assert result.exit_code == 2
    assert said in result.stderr
    assert "arguments" not in result.stderr  # the script did not run


def test_a_damaged_recording_ends_with_2(run: Run, tmp_path: Path) -> None:
    CliRunner().invoke(cli.main, ["record", "-o", "run.inspect", "fine.py"])
    data = (tmp_path / "run.inspect").read_bytes()
    (tmp_path / "run.inspect").write_bytes(data.replace(b"header.json", b"hoader.json"))
    result = run("run.inspect")
    assert result.exit_code == 2
    assert "not a readable recording" in result.stderr


@pytest.mark.parametrize("name", ["cut.dat", "cut.inspect", "cut.py"])
def test_a_recording_that_was_cut_short_ends_with_2(run: Run, tmp_path: Path, name: str) -> None:
    CliRunner().invoke(cli.main, ["record", "-o", "run.inspect", "fine.py"])
    (tmp_path / name).write_bytes((tmp_path / "run.inspect").read_bytes()[:500])
    result = run(name)
    assert result.exit_code == 2
    assert "not a readable recording" in result.stderr


def test_an_empty_recording_ends_with_2(run: Run, tmp_path: Path) -> None:
    (tmp_path / "run.inspect").write_bytes(b"")
    assert run("run.inspect").exit_code == 2


def test_a_missing_recording_is_named_as_one(run: Run) -> None:
    result = run("none.inspect")
    assert result.exit_code == 2
    assert "Cannot open none.inspect" in result.stderr
    assert "There is no script none.py" in run("none.py").stderr


def test_a_recording_is_known_by_its_first_bytes_whatever_its_name(
    run: Run, tmp_path: Path
) -> None:
    CliRunner().invoke(cli.main, ["record", "-o", "run.inspect", "train.py"])
    (tmp_path / "run.inspect").rename(tmp_path / "x.py")
    assert run("x.py").stdout.startswith("train.py:6:1: error saved-tensor-overwritten")


@pytest.mark.parametrize("kind", ["text", "json", "sarif", "github"])
def test_a_message_with_half_a_surrogate_pair_is_written_in_escapes(
    run: Run, tmp_path: Path, kind: str
) -> None:
    (tmp_path / "train.py").write_text("raise ValueError('a \\udc80 file')\n")
    result = run("--format", kind, "train.py")
    assert result.exit_code == 1
    assert r"ValueError: a \udc80 file" in result.stdout


@pytest.mark.parametrize(
    ("ending", "said"),
    [
        ("sys.exit(3)", "exit code 3."),
        ("sys.exit('no data.')", "exit code 1: no data."),
        ("sys.exit('')", "exit code 1."),
        ("sys.exit(True)", "exit code 1: True."),
    ],
)
def test_a_script_that_ends_with_an_exit_code_has_failed(
    run: Run, tmp_path: Path, ending: str, said: str
) -> None:
    (tmp_path / "train.py").write_text(f"import sys\n{ending}\n")
    result = run("train.py")
    assert result.exit_code == 1
    assert result.stdout.startswith("train.py: error run-failed The program ended with " + said)
    assert "the script ended with exit code" in result.stderr


@pytest.mark.parametrize("words", [("--select", "dead-relu"), ("--ignore", "run-failed")])
def test_a_script_that_fails_has_failed_whatever_rules_may_speak(
    run: Run, tmp_path: Path, words: tuple[str, ...]
) -> None:
    for text in ("raise ValueError('no data')", "import sys; sys.exit(1)"):
        (tmp_path / "train.py").write_text(text)
        result = run(*words, "train.py")
        assert (result.exit_code, result.stdout) == (1, "")
        assert "the script ended with exit code 1\ninspector: nothing found" in result.stderr


@pytest.mark.parametrize("ending", ["sys.exit()", "sys.exit(0)", "sys.exit(None)"])
def test_a_script_that_ends_with_0_has_not_failed(run: Run, tmp_path: Path, ending: str) -> None:
    (tmp_path / "train.py").write_text(f"import sys\n{ending}\n")
    assert run("train.py").exit_code == 0


def test_a_mistyped_rule_in_a_comment_is_told(run: Run, tmp_path: Path) -> None:
    (tmp_path / "fine.py").write_text("x = 1\ny = 2  # inspector: ignore[run-faild]\n")
    result = run("fine.py")
    assert (result.exit_code, result.stdout) == (0, "")
    assert "fine.py:2: there is no rule 'run-faild'" in result.stderr


def test_rules_are_listed_and_explained(run: Run) -> None:
    listed = run("--rules")
    assert listed.exit_code == 0
    assert [line.split()[0] for line in listed.stdout.splitlines()] == [
        rule.name for rule in all_rules()
    ]
    explained = run("--explain", "device-mismatch")
    assert explained.exit_code == 0
    assert explained.stdout.startswith("device-mismatch: Tensors on different devices\n")
    for part in ("Why it is bad", "Example", "Instead", "# inspector: ignore[device-mismatch]"):
        assert part in explained.stdout


def test_started_as_a_program_stdout_holds_the_report_alone(run: Run, tmp_path: Path) -> None:
    (tmp_path / "train.py").write_text("import os\nos.system('echo from a child')\n" + FAILING)
    environment = {**os.environ, "PYTHONPATH": str(ROOT), "PYTHONWARNINGS": "ignore"}
    command = [sys.executable, "-m", "inspector", "check", "--format", "json", "train.py"]
    ended = subprocess.run(
        command, cwd=tmp_path, env=environment, capture_output=True, text=True, timeout=100
    )
    assert ended.returncode == 1
    assert "from a child" in ended.stderr
    (found,) = json.loads(ended.stdout)["findings"]
    assert (found["rule"], found["line"]) == ("saved-tensor-overwritten", 8)


# -- formats, of findings written by hand ---------------------------------------------------------

HERE = Source("/elsewhere/a b.py", 2, 5, "f", 2, 8)  # `x.y`: é takes two bytes
FOUND = (
    Finding("run-failed", "error", "100 %\nbad, really: x", 0, 1, "w", HERE, (), "Stop."),
    Finding("mine", "note", "as it is"),
)
RECORDING = Recording((), {}, sources={"/elsewhere/a b.py": "import x\né = x.y\n"})


def test_text_has_one_line_a_finding_and_its_help_below() -> None:
    assert as_text(FOUND, RECORDING, "run.inspect") == (
        "/elsewhere/a b.py:2:5: error run-failed 100 % bad, really: x\n"
        "    help: Stop.\n"
        "run.inspect: note mine as it is\n"
    )


def test_control_characters_are_escaped_in_text_and_in_github_commands() -> None:
    finding = Finding("mine", "warning", "a\x1b[31m b\x07", source=Source("x\x1b.py", 1, 0, "f"))
    assert as_text([finding], RECORDING, "run") == (
        "x\\x1b.py:1:1: warning mine a\\x1b[31m b\\x07\n"
    )
    assert as_github([finding], RECORDING, "run").endswith("::a\\x1b[31m b\\x07\n")


def test_json_has_every_field() -> None:
    value = json.loads(as_json(FOUND, RECORDING, "run.inspect"))
    assert value["target"] == "run.inspect"
    assert value["findings"][0] == {
        "rule": "run-failed", "severity": "error", "message": "100 %\nbad, really: x",
        "help": "Stop.", "file": "/elsewhere/a b.py", "line": 2, "column": 5, "end_line": 2,
        "end_column": 8, "op": 0, "tensor": 1, "parameter": "w", "grad_node": None, "related": [],
    }  # fmt: skip
    assert value["findings"][1]["file"] is None


def test_github_commands_are_escaped() -> None:
    assert as_github(FOUND, RECORDING, "run.inspect") == (
        "::error file=/elsewhere/a b.py,line=2,col=5,title=run-failed::"
        "100 %25%0Abad, really: x Stop.\n"
        "::notice file=run.inspect,title=mine::as it is\n"
    )


def test_github_properties_escape_colons_and_commas() -> None:
    finding = Finding("mine", "warning", "m", source=Source("C:/a,b.py", 1, 0, "f"))
    assert as_github([finding], RECORDING, "run").startswith("::warning file=C%3A/a%2Cb.py,line=1,")


def test_sarif_has_what_its_schema_asks_for() -> None:
    rules = [rule for rule in all_rules() if rule.name == "run-failed"]
    log = json.loads(as_sarif(FOUND, RECORDING, "runs/a b.inspect", rules, "1.2.3"))
    assert (log["$schema"], log["version"]) == (SARIF_SCHEMA, "2.1.0")
    (one,) = log["runs"]
    driver = one["tool"]["driver"]
    assert (driver["name"], driver["semanticVersion"]) == ("inspector", "1.2.3")
    (rule,) = driver["rules"]
    assert rule["id"] == "run-failed"
    assert all(rule[key]["text"] for key in ("shortDescription", "fullDescription", "help"))
    assert one["columnKind"] == "unicodeCodePoints"
    assert one["artifacts"] == [{"location": {"uri": "runs/a%20b.inspect"}}]
    assert one["results"] == [
        {
            "ruleId": "run-failed",
            "ruleIndex": 0,
            "level": "error",
            "message": {"text": "100 %\nbad, really: x Stop."},
            "locations": [
                {
                    "physicalLocation": {
                        "artifactLocation": {"uri": "file:///elsewhere/a%20b.py"},
                        "region": {
                            "startLine": 2, "startColumn": 5, "endLine": 2, "endColumn": 8,
                        },
                    }
                }
            ],
        },
        {
            "ruleId": "mine",
            "level": "note",
            "message": {"text": "as it is"},
            "locations": [
                {"physicalLocation": {"artifactLocation": {"uri": "runs/a%20b.inspect"}}}
            ],
        },
    ]  # fmt: skip


def test_sarif_names_the_related_ops(run: Run) -> None:
    log = json.loads(run("--format", "sarif", "train.py").stdout)
    (result,) = log["runs"][0]["results"]
    (related,) = result["relatedLocations"]
    assert related["message"]["text"].startswith("relu (op ")
    place = related["physicalLocation"]
    assert place["artifactLocation"]["uri"] == "train.py"
    assert place["region"]["startLine"] == 5


def test_findings_are_importable_from_the_package() -> None:
    assert inspector.Finding is Finding
    assert callable(inspector.findings)
