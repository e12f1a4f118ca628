"""The page “Compare”, run by Streamlit's AppTest."""

from __future__ import annotations

import os
import re
from collections.abc import Callable
from pathlib import Path
from urllib.parse import parse_qs, urlparse

import pytest
import torch
from streamlit.testing.v1 import AppTest
from torch import Tensor

import inspector
import sample_models

MAIN = Path(__file__).resolve().parents[1] / "app" / "main.py"
PAGE = "from inspector_app.screens import compare\ncompare.page()"
TIMEOUT_S = 60


def start(**query: str) -> AppTest:
    app = AppTest.from_string(PAGE, default_timeout=TIMEOUT_S)
    for name, value in query.items():
        app.query_params[name] = value
    app.run()
    assert not app.exception
    return app


def texts(app: AppTest) -> str:
    """All that the page says, without the escapes of Markdown."""
    kinds = (app.markdown, app.caption, app.info, app.warning, app.error)
    said = "\n".join(str(one.value) for kind in kinds for one in kind)
    return said.replace("\\", "")


def written(app: AppTest) -> dict[str, str]:
    found = {name: app.query_params[name] for name in app.query_params}
    return {name: value if isinstance(value, str) else value[-1] for name, value in found.items()}


@pytest.fixture(autouse=True)
def fresh_caches() -> None:
    import streamlit as st

    st.cache_resource.clear()


def test_the_page_says_in_sentences_where_two_inputs_part() -> None:
    app = start(sample="variable_length", a="two words", b="five words")
    said = texts(app)
    assert "ran 6 times in B instead of 3 times" in said
    # Both read the tokens apart, two words, the third token, the head and the loss.
    assert "14 ops in both" in said
    assert "0 only in A" in said
    assert "15 only in B" in said  # three words more, of five ops each
    assert "1 changed" in said  # the token that ended the loop in A
    (first,) = [one for one in app.button if "First difference" in one.label]
    place = first.label.replace("\\", "").rpartition("variable_length.py:")[2]
    lines = Path(sample_models.get("variable_length").file).read_text().splitlines()
    assert lines[int(place) - 1].strip() == "if int(token) == self.pad:"


def test_without_an_address_the_first_two_inputs_are_compared() -> None:
    app = start(sample="branching")
    assert written(app) == {
        "sample": "branching",
        "a": "mean above zero",
        "b": "mean below zero",
    }


def test_the_first_difference_is_selected_and_stands_in_the_address() -> None:
    app = start(sample="branching", a="mean above zero", b="mean below zero")
    (first,) = [one for one in app.button if "First difference" in one.label]
    first.click().run()
    assert not app.exception
    assert written(app)["select"] == "dynamic/op:2"  # mean, gt, bool


def test_a_and_b_are_swapped() -> None:
    app = start(sample="branching", a="mean above zero", b="mean below zero")
    next(one for one in app.button if one.label == "Swap A and B").click().run()
    assert not app.exception
    assert written(app)["a"] == "mean below zero"
    assert "`x.mean() > 0` (branching.py:" in texts(app)
    assert "was False (-0.517) in A and True (0.517) in B" in texts(app)


def test_the_same_input_twice_is_told_in_words() -> None:
    app = start(sample="branching", a="mean above zero", b="mean above zero")
    assert "A and B are the same input" in texts(app)
    assert not app.button or all("First" not in one.label for one in app.button)


def test_an_unknown_input_is_told_and_another_one_is_shown() -> None:
    app = start(sample="branching", a="mean above zero", b="mean of nothing")
    assert "the input “mean of nothing”" in texts(app)
    assert written(app)["b"] == "mean below zero"


def test_all_differences_are_in_a_table() -> None:
    app = start(sample="branching", a="mean above zero", b="mean below zero")
    (table,) = app.dataframe
    assert list(table.value["what"]) == ["decision", *["only A"] * 2, *["only B"] * 3]
    assert list(table.value["A"])[:2] == ["True", "2×3"]
    assert list(table.value["B"])[:2] == ["False", ""]


def test_the_first_page_offers_the_comparison_with_the_input_before() -> None:
    app = AppTest.from_file(str(MAIN), default_timeout=TIMEOUT_S)
    app.query_params["sample"] = "branching"
    app.run()
    assert "Compare with" not in texts(app)
    app.sidebar.radio[0].set_value("mean below zero").run()
    assert not app.exception
    (line,) = [str(one.value) for one in app.markdown if "Compare with" in str(one.value)]
    (address,) = re.findall(r"\]\((\S*compare[^)]*)\)", line)
    assert parse_qs(urlparse(address).query) == {
        "sample": ["branching"],
        "a": ["mean above zero"],
        "b": ["mean below zero"],
    }


# -- recording files -----------------------------------------------------------------------------


def saved(folder: Path, name: str, fn: Callable[[Tensor], Tensor]) -> Path:
    path = folder / f"{name}.inspect"
    inspector.record(fn, torch.ones(2)).save(path)
    return path


def rises(x: Tensor) -> Tensor:
    return x.exp()


def turns(x: Tensor) -> Tensor:
    return x.cos().sin()


def files(monkeypatch: pytest.MonkeyPatch, *paths: Path) -> AppTest:
    monkeypatch.setenv("INSPECTOR_FILES", os.pathsep.join(map(str, paths)))
    return start(of="files")


def test_two_recordings_are_asked_for_where_there_are_none(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.delenv("INSPECTOR_FILES", raising=False)
    assert "Choose two recordings" in texts(start(of="files"))


def test_two_files_that_are_no_recordings_are_both_named_in_words(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    whole = saved(tmp_path, "whole", rises)
    one, two = tmp_path / "one.inspect", tmp_path / "two.inspect"
    one.write_bytes(whole.read_bytes()[:300])
    two.write_bytes(b"no zip")
    errors = [str(error.value) for error in files(monkeypatch, one, two).error]
    assert [error.split()[:2] for error in errors] == [
        ["**A**", "one\\.inspect"],
        ["**B**", "two\\.inspect"],
    ]
    assert not any("`" in error or "Error:" in error for error in errors)
    (only,) = files(monkeypatch, whole, two).error
    assert str(only.value).startswith("**B** two")


def test_recordings_of_unrelated_code_have_nothing_in_common(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    app = files(monkeypatch, saved(tmp_path, "one", rises), saved(tmp_path, "two", turns))
    said = texts(app)
    assert "no op in common" in said
    assert "1 only in A" in said
    assert "2 only in B" in said
    assert written(app) == {"of": "files", "a": "1", "b": "2"}


def test_the_same_file_twice_and_a_broken_file_are_told_in_words(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    one = saved(tmp_path, "one", rises)
    assert "the same recording" in texts(files(monkeypatch, one))
    broken = tmp_path / "broken.inspect"
    broken.write_bytes(b"nothing of a recording")
    app = files(monkeypatch, one, broken)
    assert "broken.inspect" in texts(app)
    missing = files(monkeypatch, one, tmp_path / "gone.inspect")
    assert "gone.inspect" in texts(missing)
