"""What SECURITY.md promises and no other test looks at."""

from __future__ import annotations

import ast
import io
import json
import pickle
import re
import socket
import tomllib
import zipfile
from functools import cache
from pathlib import Path
from typing import Any

import pytest
import torch
from torch import nn

import inspector
from inspector.errors import InspectorError
from inspector.store import load_bytes

ROOT = Path(__file__).parents[1]
SOURCES = [*(ROOT / "inspector").rglob("*.py"), *(ROOT / "app").rglob("*.py")]


@cache
def syntax() -> list[tuple[Path, ast.AST]]:
    """What stands in each file of the library and the app that calls or imports something."""
    kinds = (ast.Call, ast.Import, ast.ImportFrom)
    return [
        (path, node)
        for path in SOURCES
        for node in ast.walk(ast.parse(path.read_text("utf-8")))
        if isinstance(node, kinds)
    ]


def calls(name: str) -> list[tuple[Path, ast.Call]]:
    """All calls of a function or method of that name."""
    return [
        (path, node)
        for path, node in syntax()
        if isinstance(node, ast.Call) and ast.unparse(node.func).endswith(name)
    ]


# -- the server ------------------------------------------------------------------------------------


@pytest.mark.parametrize("folder", [".streamlit", "app/.streamlit"])
def test_the_app_listens_on_this_machine_only_and_tells_nobody(folder: str) -> None:
    known = tomllib.loads((ROOT / folder / "config.toml").read_text("utf-8"))
    assert known["server"]["address"] == "127.0.0.1"
    assert known["server"]["maxUploadSize"] <= 200
    assert known["browser"]["gatherUsageStats"] is False
    # Both are on by default: another site's page cannot open a session or send a file.
    assert known["server"].get("enableCORS", True)
    assert known["server"].get("enableXsrfProtection", True)


def test_the_library_asks_no_other_machine() -> None:
    """Nothing imports a client of the network."""
    clients = {"urllib.request", "http.client", "requests", "httpx", "aiohttp", "ftplib", "smtplib"}
    found = set()
    for path, node in syntax():
        names = [alias.name for alias in node.names] if isinstance(node, ast.Import) else []
        if isinstance(node, ast.ImportFrom):
            names = [node.module or "", *(f"{node.module}.{one.name}" for one in node.names)]
        found |= {(path.name, name) for name in names if name in clients}
    assert found == set()


def test_recording_saving_and_loading_open_no_connection(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def refuse(*_: object) -> None:
        raise AssertionError("a connection was opened")

    monkeypatch.setattr(socket.socket, "connect", refuse)
    path = tmp_path / "run.inspect"
    inspector.record(nn.Linear(2, 2), torch.ones(1, 2), loss="sum").save(path)
    assert inspector.load(path).ops


# -- files -----------------------------------------------------------------------------------------


def test_weights_are_read_without_running_what_is_in_them() -> None:
    found = [call for path, call in calls("torch.load") if "sandbox" not in path.parts]
    assert found
    for call in found:
        (given,) = [word.value for word in call.keywords if word.arg == "weights_only"]
        assert isinstance(given, ast.Constant)
        assert given.value is True


def test_nothing_is_unpickled() -> None:
    """But what one's own processes send each other: a cluster's, and those that time samples."""
    between = {"on_dask.py", "measuring.py", "measuring_worker.py"}
    readers = ("pickle.loads", "pickle.load", "Unpickler", "yaml.load", "np.load", "numpy.load")
    for name in readers:
        assert {path.name for path, _ in calls(name)} <= between, name


class Touch:
    """Unpickled, it makes a file."""

    def __init__(self, path: Path) -> None:
        self.path = path

    def __reduce__(self) -> tuple[Any, ...]:
        return Path.touch, (self.path,)


def saved(tmp_path: Path) -> dict[str, bytes]:
    path = tmp_path / "run.inspect"
    inspector.record(nn.Linear(2, 2), torch.ones(1, 2)).save(path)
    with zipfile.ZipFile(path) as archive:
        return {name: archive.read(name) for name in archive.namelist()}


def packed(parts: dict[str, bytes]) -> bytes:
    target = io.BytesIO()
    with zipfile.ZipFile(target, "w") as archive:
        for name, content in parts.items():
            archive.writestr(name, content)
    return target.getvalue()


@pytest.mark.parametrize("part", ["header.json", "ops.arrow", "values.arrow", "data.pkl"])
def test_a_pickle_in_a_recording_is_never_loaded(tmp_path: Path, part: str) -> None:
    touched = tmp_path / "touched"
    hostile = packed({**saved(tmp_path), part: pickle.dumps(Touch(touched))})
    if part == "data.pkl":
        load_bytes(hostile, "hostile.inspect")  # a part that no recording has is left alone
    else:
        with pytest.raises(InspectorError):
            load_bytes(hostile, "hostile.inspect")
    assert not touched.exists()


def test_paths_in_a_recording_are_names_and_nothing_is_written_or_read_there(
    tmp_path: Path,
) -> None:
    parts = saved(tmp_path)
    header = json.loads(parts["header.json"])
    header["sources"] = {"/etc/passwd": "not that file", "../../escape": "nor this"}
    names = {"../escape.arrow": b"x", "/tmp/absolute.arrow": b"x", "a/../../b": b"x"}
    parts = {**parts, **names, "header.json": json.dumps(header).encode()}
    before = sorted(tmp_path.rglob("*"))
    found = load_bytes(packed(parts), "hostile.inspect")
    assert found.sources["/etc/passwd"] == "not that file"
    assert sorted(tmp_path.rglob("*")) == before


def test_no_archive_is_unpacked_into_a_folder() -> None:
    assert [path.name for path, _ in calls(".extractall")] == []
    assert [path.name for path, _ in calls("unpack_archive")] == []


def test_a_link_is_replaced_by_the_saved_file_and_what_it_leads_to_stays(tmp_path: Path) -> None:
    precious = tmp_path / "precious.txt"
    precious.write_text("kept")
    link = tmp_path / "run.inspect"
    link.symlink_to(precious)
    inspector.record(nn.Linear(2, 2), torch.ones(1, 2)).save(link)
    assert precious.read_text() == "kept"
    assert not link.is_symlink()
    assert inspector.load(link).ops


# -- pages -----------------------------------------------------------------------------------------


def test_markdown_with_html_is_shown_nowhere() -> None:
    """`st.html` is for our own tags; texts of others are escaped before they come there."""
    for path in SOURCES:
        assert "unsafe_allow_html" not in path.read_text("utf-8"), path
    scripts = [
        path.name for path in SOURCES if "unsafe_allow_javascript" in path.read_text("utf-8")
    ]
    assert scripts == ["main.py"]  # says the page's language, one of ours


# -- deployment ------------------------------------------------------------------------------------


def test_the_container_runs_as_a_user_without_rights_and_as_a_classroom() -> None:
    text = (ROOT / "deploy" / "Containerfile").read_text("utf-8")
    user = re.findall(r"^USER (\w+)$", text, re.MULTILINE)
    assert user == ["inspector"]
    assert text.index("USER inspector") < text.index("ENTRYPOINT")
    assert "HEALTHCHECK" in text
    assert text.rstrip().endswith('CMD ["--", "--classroom"]')
    copied = re.findall(r"^COPY (.+) \S+$", text, re.MULTILINE)
    for name in " ".join(copied).split():
        assert (ROOT / name).exists(), name


def test_no_secret_is_in_the_repository() -> None:
    known = tomllib.loads((ROOT / "deploy" / "secrets.example.toml").read_text("utf-8"))
    for name in ("cookie_secret", "client_id", "client_secret"):
        assert known["auth"][name].startswith("REPLACE")
    assert not (ROOT / ".streamlit" / "secrets.toml").exists()
    assert not (ROOT / "app" / ".streamlit" / "secrets.toml").exists()
