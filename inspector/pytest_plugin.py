"""The pytest plugin: the fixture `same_graph` and the option `--inspector-update`.

pytest imports this at every start: everything heavy is imported when a test uses it.
"""

from __future__ import annotations

import re
from pathlib import Path
from typing import TYPE_CHECKING, Protocol

import pytest

if TYPE_CHECKING:
    from inspector.records import Recording

FOLDER = "goldens"


class SameGraph(Protocol):
    """What the fixture `same_graph` gives."""

    def __call__(self, recording: Recording, name: str | None = None) -> None:
        """Fail unless a recording has the same graph as its golden.

        Args:
            recording: of the run to check.
            name: of the golden, a path from the test file's folder. None is
                "goldens/TEST FILE.TEST.txt"; a test with several recordings names each.
        """


def pytest_addoption(parser: pytest.Parser) -> None:
    """`--inspector-update`."""
    parser.getgroup("inspector", "golden graphs").addoption(
        "--inspector-update",
        action="store_true",
        help="write the golden graphs of tests that use `same_graph`, where they differ",
    )


@pytest.fixture
def same_graph(request: pytest.FixtureRequest) -> SameGraph:
    """`same_graph(recording)`: fails where the graph is not the one of the golden file."""
    from inspector.testing import assert_same_graph

    update = True if request.config.getoption("--inspector-update") else None
    test = re.sub(r"[^\w.-]+", "-", request.node.name).strip("-")
    default = f"{FOLDER}/{request.path.stem}.{test}.txt"
    used: set[Path] = set()

    def check(recording: Recording, name: str | None = None) -> None:
        __tracebackhide__ = True
        golden = request.path.parent / (default if name is None else name)
        if golden in used:
            raise ValueError(
                f"same_graph was called twice for {golden.name} in one test: give each golden a"
                " name, as in same_graph(recording, 'goldens/short.txt')."
            )
        used.add(golden)
        assert_same_graph(recording, golden, update=update)

    return check
