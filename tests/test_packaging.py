"""What `pip install .` puts on a machine, and that the lists of requirements agree."""

from __future__ import annotations

import re
import shutil
import subprocess
import sys
import tomllib
import zipfile
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[1]
INSTALLED_AS = {"inspector": "inspector", "sample_models": "sample_models", "app": "inspector_app"}


def required_by(file: str) -> list[str]:
    lines = (ROOT / file).read_text().splitlines()
    bare = (line.partition("#")[0].strip() for line in lines)
    return [re.split(r"[<>=]", line)[0] for line in bare if line and not line.startswith("-")]


@pytest.mark.parametrize("file", ["requirements.txt", "requirements-dev.txt"])
def test_every_requirement_is_pinned_for_ci(file: str) -> None:
    pinned = {name.lower() for name in required_by("constraints.txt")}
    assert {name.lower() for name in required_by(file)} <= pinned


@pytest.mark.parametrize("file", ["requirements.txt", "requirements-dev.txt"])
def test_every_requirement_has_its_reason_beside_it(file: str) -> None:
    for line in (ROOT / file).read_text().splitlines():
        if line and not line.startswith(("#", "-")):
            assert re.search(r"\S  # \w", line), line


@pytest.mark.slow
def test_the_wheel_holds_every_file_of_the_three_packages(tmp_path: Path) -> None:
    # From a copy: a build leaves build/ behind, and a stale one would hide a missing file.
    source = tmp_path / "source"
    source.mkdir()
    for name in ("pyproject.toml", "requirements.txt", "README.md", "LICENSE"):
        shutil.copy(ROOT / name, source)
    for folder in (*INSTALLED_AS, ".streamlit"):
        ignored = shutil.ignore_patterns("__pycache__")
        shutil.copytree(ROOT / folder, source / folder, symlinks=True, ignore=ignored)
    expected = {
        str(Path(package) / file.relative_to(source / folder))
        for folder, package in INSTALLED_AS.items()
        for file in (source / folder).rglob("*")
        if file.is_file()
    }
    build = [sys.executable, "-m", "pip", "wheel", "--quiet", "--no-deps", "--no-build-isolation"]
    subprocess.run([*build, "--wheel-dir", str(tmp_path), str(source)], check=True, timeout=100)
    (wheel,) = tmp_path.glob("*.whl")
    with zipfile.ZipFile(wheel) as archive:
        shipped = {name for name in archive.namelist() if ".dist-info/" not in name}
    assert shipped == expected | {"inspector_app/.streamlit/config.toml"}


def test_the_app_and_the_installed_app_read_the_same_settings() -> None:
    top = ROOT / ".streamlit" / "config.toml"
    assert (ROOT / "app" / ".streamlit" / "config.toml").samefile(top)


def test_the_settings_keep_the_app_on_this_machine_and_silent() -> None:
    settings = tomllib.loads((ROOT / ".streamlit" / "config.toml").read_text())
    assert settings["server"]["address"] == "127.0.0.1"
    assert settings["browser"]["gatherUsageStats"] is False
    assert {"light", "dark"} <= settings["theme"].keys()
