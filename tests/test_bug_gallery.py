"""The gallery of bugs: complete, each with both programs, and what a lesson needs of it."""

from __future__ import annotations

import ast
import sys
from pathlib import Path

import pytest

import sample_models.bugs
from inspector import CaptureOptions
from inspector.findings import all_rules
from sample_models.bugs import bugs

FOLDER = Path(sample_models.bugs.__file__).parent
FILES = {int(path.stem[4:6]): path for path in sorted(FOLDER.glob("bug_*.py"))}
OF_PROBES = {"batch-mixed", "wrong-backward"}  # they run the model again


def test_there_are_the_bugs_1_to_32_in_order() -> None:
    assert list(bugs()) == list(FILES) == list(range(1, 33))


@pytest.mark.parametrize("number", FILES)
def test_a_bug_says_what_it_is(number: int) -> None:
    bug = bugs()[number]
    assert bug.number == number
    assert FILES[number].stem == f"bug_{number:02}_{bug.name}"
    assert bug.title
    assert bug.teaches.endswith(".")
    assert set(bug.rules) <= {rule.name for rule in all_rules()} | OF_PROBES
    assert bug.rules
    CaptureOptions(**bug.options)
    for program in (bug.buggy, bug.fixed):
        assert program.__doc__


@pytest.mark.parametrize("number", FILES)
def test_one_line_of_a_bug_is_marked_as_the_cause(number: int) -> None:
    lines = FILES[number].read_text().split("\n")
    assert sum(line.endswith("# cause") for line in lines) == 1


@pytest.mark.parametrize("number", FILES)
def test_a_bug_needs_only_torch(number: int) -> None:
    allowed = {"torch", "numpy", "sample_models", *sys.stdlib_module_names}
    for node in ast.walk(ast.parse(FILES[number].read_text())):
        if isinstance(node, ast.Import):
            assert {alias.name.partition(".")[0] for alias in node.names} <= allowed
        elif isinstance(node, ast.ImportFrom):
            assert (node.module or "").partition(".")[0] in allowed
