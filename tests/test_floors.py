"""The floors of ARCHITECTURE.md: who may import whom, checked on the parsed imports.

A module may import its own floor and floors below. `FLOORS` in floors.py names every part of
the package; a file that no part covers is an error, so that a new one is placed on purpose.
"""

from __future__ import annotations

import subprocess
import sys
from graphlib import CycleError, TopologicalSorter
from pathlib import Path

import pytest
from floors import imports_of, read_modules, violations

ROOT = Path(__file__).resolve().parents[1]


def test_no_file_breaks_the_rules_of_the_floors() -> None:
    assert violations(ROOT) == []


def test_imports_that_run_at_import_time_have_no_cycle() -> None:
    modules = read_modules(ROOT)
    graph = {
        name: {
            item.module
            for item in imports_of(module, modules)
            if item.module in modules and not item.lazy and not item.typing_only
        }
        for name, module in modules.items()
    }
    try:
        TopologicalSorter(graph).prepare()
    except CycleError as error:
        pytest.fail(f"modules import each other: {' -> '.join(error.args[1])}")


@pytest.mark.parametrize(
    ("file", "code", "complaint"),
    [
        ("inspector/records.py", "import inspector.graph", "floor 0 may not import floor 1"),
        ("inspector/records.py", "import numpy", "only the standard library"),
        ("inspector/records.py", "from .store import save", "floor 0 may not import floor 1"),
        ("inspector/text.py", "from inspector import compare", "floor 1 may not import floor 3"),
        ("inspector/text.py", "from inspector import record", "floor 1 may not import floor 5"),
        ("inspector/views/model.py", "from . import backward", "floor 1 may not import floor 3"),
        ("inspector/capture/tape.py", "from ..render import dot", "floor 2 may not import"),
        ("inspector/compare.py", "def f():\n    import torch", "only capture and torchscript"),
        (
            "inspector/compare.py",
            "from typing import TYPE_CHECKING\nif TYPE_CHECKING:\n    from torch import nn",
            "only capture and torchscript",
        ),
        ("inspector/render/dot.py", "import streamlit as st", "only the app knows Streamlit"),
        ("inspector/cli.py", "import inspector_app.main", "only the app imports the app"),
        ("inspector/render/dot.py", "RED = 'fill: #ff0000'", "colour #ff0000"),
        ("inspector/newcomer.py", "", "is on no floor"),
        ("inspector/compare.py", "import sample_models", "only the top floor"),
        ("app/main.py", "import torch", "only capture and torchscript"),
        ("sample_models/gan.py", "import numpy", "sample models import only torch"),
        ("sample_models/gan.py", "import inspector", "sample models import only torch"),
    ],
)
def test_a_planted_violation_is_caught(
    tmp_path: Path, file: str, code: str, complaint: str
) -> None:
    for module in ("compare", "views/backward"):  # so that the imports above name real modules
        _write(tmp_path / f"inspector/{module}.py", "")
    _write(tmp_path / file, code)
    (found,) = violations(tmp_path)
    assert found.startswith(file)
    assert complaint in found


@pytest.mark.parametrize(
    ("file", "code"),
    [
        ("inspector/records.py", "def f():\n    from inspector.store import save"),
        (
            "inspector/records.py",
            "from typing import TYPE_CHECKING\nif TYPE_CHECKING:\n    import numpy",
        ),
        ("inspector/capture/tape.py", "import torch\nfrom ..records import Op"),
        ("inspector/views/forward.py", "from inspector.views.model import ViewNode"),
        ("inspector/render/theme.py", "RED = '#ff0000'"),
        ("inspector/render/dot.py", "ANCHOR = 'page#decade'"),
        ("inspector/__init__.py", "from inspector.capture import record"),
        ("app/main.py", "import streamlit\nimport inspector\nfrom sample_models import catalog"),
        ("sample_models/gan.py", "import math\nimport torch\nfrom sample_models import catalog"),
    ],
)
def test_what_the_floors_allow_passes(tmp_path: Path, file: str, code: str) -> None:
    _write(tmp_path / file, code)
    assert violations(tmp_path) == []


def test_importing_inspector_imports_neither_streamlit_nor_torch() -> None:
    assert _loaded_after("import inspector") == set()


def test_the_help_of_the_command_line_does_not_wait_for_torch() -> None:
    code = "import runpy; sys.argv = ['inspector', '--help']\n"
    code += "try:\n    runpy.run_module('inspector', run_name='__main__')\n"
    code += "except SystemExit as end:\n    assert not end.code"
    assert _loaded_after(code) == set()


def _loaded_after(code: str) -> set[str]:
    """Which of the heavy packages a fresh interpreter has loaded after running `code`."""
    heavy = ("torch", "streamlit", "plotly", "inspector_app")
    code = f"import sys\n{code}\nprint('\\n' + ' '.join(m for m in {heavy!r} if m in sys.modules))"
    result = subprocess.run(
        [sys.executable, "-c", code], cwd=ROOT, capture_output=True, text=True, timeout=60
    )
    assert result.returncode == 0, result.stderr
    return set(result.stdout.splitlines()[-1].split())


def _write(path: Path, text: str) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(text)
