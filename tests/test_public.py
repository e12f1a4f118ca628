"""What `import inspector` offers: the contract's names, without torch until one is used."""

from __future__ import annotations

import importlib
import subprocess
import sys
import tomllib
from dataclasses import is_dataclass
from pathlib import Path

import pytest

import inspector
from inspector import records

ROOT = Path(__file__).resolve().parents[1]
FUNCTIONS = (
    "load",
    "load_torchscript",
    "overlay",
    "record",
    "recording",
    "save",
    "script",
    "to_text",
    "trace",
)


@pytest.mark.parametrize("name", FUNCTIONS)
def test_every_function_of_the_contract_is_there(name: str) -> None:
    assert callable(getattr(inspector, name))
    assert name in inspector.__all__


def test_every_record_type_is_there() -> None:
    types = [name for name, value in vars(records).items() if is_dataclass(value)]
    assert len(types) >= 15
    for name in types:
        assert getattr(inspector, name) is getattr(records, name), name
        assert name in inspector.__all__


def test_errors_options_and_sessions_are_there() -> None:
    assert issubclass(inspector.InspectorError, Exception)
    assert inspector.CaptureOptions().values == "stats"
    with inspector.recording() as session:
        assert isinstance(session, inspector.Session)


def test_import_star_brings_all_names() -> None:
    names: dict[str, object] = {}
    exec("from inspector import *", names)
    assert set(inspector.__all__) <= names.keys()


def test_the_list_of_names_is_sorted_and_has_no_name_twice() -> None:
    assert inspector.__all__ == sorted(set(inspector.__all__))


def test_dir_lists_what_can_be_used() -> None:
    assert set(inspector.__all__) <= set(dir(inspector))
    assert "__version__" in dir(inspector)


@pytest.mark.parametrize("modules", ["overlay.build", "text store capture.record torchscript.make"])
def test_functions_stay_functions_after_their_modules_were_imported(modules: str) -> None:
    imports = "\n".join(f"import inspector.{module}" for module in modules.split())
    text = (
        f"{imports}\nimport inspector, types\n"
        "for name in inspector.__all__:\n"
        "    assert not isinstance(getattr(inspector, name), types.ModuleType), name\n"
        "from inspector import overlay\nassert callable(overlay)\n"
    )
    subprocess.run([sys.executable, "-W", "ignore", "-c", text], check=True, cwd=ROOT, timeout=60)


def test_importing_needs_no_torch_and_using_a_name_brings_it() -> None:
    text = (
        "import sys, inspector\n"
        "inspector.Recording, inspector.InspectorError, inspector.overlay, dir(inspector)\n"
        "assert not {'torch', 'pyarrow', 'streamlit', 'numpy'} & set(sys.modules)\n"
        "inspector.record\n"
        "assert 'torch' in sys.modules\n"
        "assert inspector.__dict__['record'] is inspector.record\n"
    )
    subprocess.run([sys.executable, "-W", "ignore", "-c", text], check=True, cwd=ROOT, timeout=60)


def test_a_name_that_is_not_there_is_an_attribute_error_and_an_import_error() -> None:
    with pytest.raises(AttributeError, match="no attribute 'recrod'"):
        inspector.recrod  # noqa: B018
    with pytest.raises(ImportError):
        exec("from inspector import recrod")
    assert not hasattr(inspector, "recrod")


def test_the_version_is_the_packages() -> None:
    project = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]
    assert inspector.__version__ == project["version"]


def test_the_module_runs_as_a_program() -> None:
    module = importlib.import_module("inspector.__main__")
    assert module.main is importlib.import_module("inspector.cli").main
