"""The bug gallery's page: the two programs of a bug, their runs, and what the page says of them."""

from __future__ import annotations

import re
import textwrap
from collections.abc import Iterator

import pytest
import torch
from apptests import opened_page, texts
from streamlit.testing.v1 import AppTest

import inspector
from inspector_app.bugcode import CAUSE, CHANGED, ENTRY, PROGRAMS, both_programs
from inspector_app.bugruns import BugJob, BugRuns, bug_named, returned, source_of
from inspector_app.teaching.folder import BUILT_IN
from sample_models.bugs import bugs

PAGE = "from inspector_app.screens import bugs\nbugs.page()"
NAMES = list(bug_named())

WITH_HELPERS = textwrap.dedent(
    '''
    """A file of the gallery."""

    from __future__ import annotations

    import torch
    from torch import Tensor, nn

    SIZE = 3


    def helper() -> Tensor:
        """Used by both."""
        return torch.ones(SIZE)


    def wrong(x: Tensor) -> Tensor:
        return x * 2  # cause


    def right(x: Tensor) -> Tensor:
        return x * 3


    def buggy() -> Tensor:
        """What it shows."""
        return wrong(helper())


    def fixed() -> Tensor:
        """How it should be."""
        return right(helper())


    BUG = 1
    '''
)


@pytest.fixture(scope="module", autouse=True)
def fresh_caches() -> Iterator[None]:
    import streamlit as st

    st.cache_resource.clear()
    yield
    st.cache_resource.clear()


def ran(name: str) -> BugRuns:
    job = BugJob(name).start()
    assert job.wait(60)
    assert job.result is not None, job.reason
    return job.result


def start(wait: str, **query: str) -> AppTest:
    return opened_page(PAGE, wait, query)


def good_news(app: AppTest) -> str:
    return "\n".join(str(one.value) for one in app.success).replace("\\", "")


# -- the two programs -----------------------------------------------------------------------------


def test_a_program_has_what_it_needs_and_nothing_else() -> None:
    buggy, fixed = both_programs(WITH_HELPERS)
    assert buggy.text == (
        "import torch\nfrom torch import Tensor, nn\n\nSIZE = 3\n\n"
        "def helper() -> Tensor:\n    return torch.ones(SIZE)\n\n"
        "def wrong(x: Tensor) -> Tensor:\n    return x * 2\n\n"
        "def program() -> Tensor:\n    return wrong(helper())\n"
    )
    assert "wrong" not in fixed.text
    assert "def right" in fixed.text


def test_the_cause_is_marked_and_so_is_what_differs() -> None:
    buggy, fixed = both_programs(WITH_HELPERS)
    lines = buggy.text.split("\n")
    assert {lines[at - 1].strip(): mark for at, mark in buggy.marks.items()} == {
        "def wrong(x: Tensor) -> Tensor:": CHANGED,
        "return x * 2": CAUSE,
        "return wrong(helper())": CHANGED,
    }
    lines = fixed.text.split("\n")
    assert [lines[at - 1].strip() for at in sorted(fixed.marks)] == [
        "def right(x: Tensor) -> Tensor:",
        "return x * 3",
        "return right(helper())",
    ]


@pytest.mark.parametrize("name", NAMES)
def test_each_bug_has_two_programs_that_differ_and_one_line_that_is_the_cause(name: str) -> None:
    buggy, fixed = both_programs(source_of(bug_named()[name]))
    for program in (buggy, fixed):
        compile(program.text, name, "exec", dont_inherit=True)
        assert f"def {ENTRY}(" in program.text
        assert "# cause" not in program.text
        assert '"""' not in program.text
        assert not any(f"{word}(" in program.text for word in PROGRAMS)
    assert list(buggy.marks.values()).count(CAUSE) == 1
    assert set(fixed.marks.values()) == {CHANGED}


# -- their runs -----------------------------------------------------------------------------------


@pytest.mark.parametrize("name", NAMES)
def test_the_finding_stands_at_the_cause_and_the_fixed_program_is_clean(name: str) -> None:
    runs = ran(name)
    (cause,) = [line for line, mark in runs.buggy.program.marks.items() if mark == CAUSE]
    found = runs.finding
    assert found is not None
    assert found.rule in runs.bug.rules
    assert found.source is not None
    assert (found.source.file, found.source.line) == (
        f"bug_{runs.bug.number:02}_{name}.py",
        cause,
    )
    assert runs.fixed.recording.failure is None
    loud = [one for one in runs.fixed.book.findings if one.severity != "note"]
    assert loud == []


def test_a_probe_s_finding_points_at_the_op_of_this_run() -> None:
    for name, op in (("batch_mixed", "view"), ("wrong_backward", "WrongCube")):
        runs = ran(name)
        assert runs.finding is not None
        assert runs.finding.op is not None
        assert runs.buggy.recording.ops[runs.finding.op].name == op
        assert runs.finding in runs.buggy.book.findings


def test_what_both_programs_do_is_one_in_the_picture_of_both() -> None:
    """A Linear of four ops is made, then ones, linear, relu and sum: only add_ and add differ."""
    union = ran("inplace_after_relu").pair.book.union
    names = [op.name for op in union.recording.ops]
    assert names.count("relu") == names.count("sum") == names.count("linear") == 1
    assert names.count("add_") == names.count("add") == 1


def test_the_runs_are_made_once_and_shared() -> None:
    assert ran("nan_in_forward") is BugJob.finished("nan_in_forward")
    assert ran("nan_in_forward") is ran("nan_in_forward")


def test_the_programs_do_what_the_gallery_s_functions_do() -> None:
    for number in (2, 11, 14, 25):
        bug = bugs()[number]
        for side, program in ((0, bug.buggy), (1, bug.fixed)):
            value = float(program())
            run = (ran(bug.name).buggy, ran(bug.name).fixed)[side]
            assert returned(run.recording) == f"{value:.4g}", (number, side)


def test_returned_tensors_are_told_in_figures_and_large_ones_by_their_shape() -> None:
    options = inspector.CaptureOptions(values="full")

    def program() -> tuple[torch.Tensor, ...]:
        return torch.tensor([[1.0, 2.5]]), torch.tensor(3), torch.ones(3, 4)

    recording = inspector.record(program, options=options)
    assert returned(recording) == "[[1, 2.5]]; 3; float32[3, 4]"
    nothing = inspector.record(lambda: None, options=options)
    assert returned(nothing) == ""


# -- the page -------------------------------------------------------------------------------------


def test_the_page_shows_message_finding_and_what_the_fixed_program_returns() -> None:
    app = start("The finding", bug="inplace_after_relu", show="both")
    said = texts(app)
    fixed = float(bugs()[3].fixed().detach())
    assert "03 · Overwriting what backward needs" in said
    assert "modified by an inplace operation" in said
    assert "relu (bug_03_inplace_after_relu.py:6) keeps h" in said
    assert "saved-tensor-overwritten" in said
    assert "Do not write in place there" in said
    assert "counts the versions of each tensor" in said
    assert f"returns **{fixed:.4g}**" in good_news(app)
    assert [one.value for one in app.code] == [
        "h = torch.relu(x)  # keeps its result\nh += 1\nh.sum().backward()",
        "h = torch.relu(x)\nh = h + 1\nh.sum().backward()",
    ]


def test_the_buggy_program_alone_that_says_nothing_is_said_to_say_nothing() -> None:
    app = start("The finding", bug="nan_in_backward", show="buggy")
    assert "It runs without an error, and returns **[0.25, nan, 0]**." in texts(app)
    assert list(app.success) == []


def test_the_fixed_program_alone_has_neither_error_nor_finding() -> None:
    app = start("02 ·", bug="broadcast_in_loss", show="fixed")
    assert list(app.error) == list(app.warning) == []
    assert "The finding" not in texts(app)
    assert len(app.success) == 1


def test_a_bug_that_the_address_names_wrongly_is_told_and_the_first_one_is_shown() -> None:
    app = start("01 ·", bug="inplace_after_rehlu")
    assert "the bug “inplace_after_rehlu”" in texts(app)
    assert app.query_params["bug"] == "linear_after_flatten"


def test_another_bug_is_chosen_from_the_list_and_stands_in_the_address() -> None:
    app = start("The finding", bug="nan_in_forward", show="buggy")
    (listed,) = app.radio
    assert len(listed.options) == 32
    assert listed.options[2].replace("\\", "") == "03  Overwriting what backward needs"
    listed.set_value("dead_relu").run()
    assert not app.exception
    assert "22 ·" in texts(app)
    assert app.query_params["bug"] == "dead_relu"
    assert app.query_params["show"] == "buggy"


def test_each_link_of_a_lesson_to_the_gallery_names_a_bug_that_there_is() -> None:
    linked = {
        name
        for file in BUILT_IN.glob("*.md")
        for name in re.findall(r"\./bugs\?bug=(\w+)", file.read_text(encoding="utf-8"))
    }
    assert len(linked) >= 6
    assert linked <= set(NAMES)
