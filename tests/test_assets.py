"""The workbench's JavaScript is one module in many files: their names must not clash."""

from __future__ import annotations

import re
from collections import Counter
from pathlib import Path

ASSETS = Path(__file__).parents[1] / "inspector" / "render" / "assets"
DECLARED = re.compile(r"^(?:async )?(?:const|let|var|class|function\*?) ([A-Za-z_$][\w$]*)", re.M)


def test_no_two_files_declare_the_same_name() -> None:
    names = Counter(
        name for path in ASSETS.glob("*.js") for name in DECLARED.findall(path.read_text("utf-8"))
    )
    assert len(names) > 100
    assert {name: count for name, count in names.items() if count > 1} == {}


def test_the_first_file_lists_all_the_others() -> None:
    first = (ASSETS / "workbench-1-base.js").read_text("utf-8")
    header = first[: first.index("*/")]
    assert {path.name for path in ASSETS.glob("*.js") if path.name not in header} == set()
