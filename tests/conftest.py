"""What all tests share: one torch thread, fixed seeds, and a closing word on what did not run."""

from __future__ import annotations

import atexit
import os
import shutil
import sys
import tempfile
from collections import Counter
from collections.abc import Generator

import pytest
import torch

os.environ["LANGUAGE"] = "en"  # the app speaks the language of the machine otherwise
os.environ["INSPECTOR_LIBRARY"] = tempfile.mkdtemp(prefix="library-")  # not the user's own
atexit.register(shutil.rmtree, os.environ["INSPECTOR_LIBRARY"], ignore_errors=True)


@pytest.fixture(scope="session", autouse=True)
def one_torch_thread() -> None:
    """Workers share few cores; one thread also makes sums bit-equal from run to run."""
    torch.set_num_threads(1)


@pytest.fixture(autouse=True)
def fixed_seed() -> None:
    """Each test starts from the same random state, whatever ran before it on this worker."""
    torch.manual_seed(0)


@pytest.fixture(autouse=True)
def main_module_stays() -> Generator[None]:
    """Streamlit's AppTest leaves its script as `__main__`, which spawned processes then run."""
    before = sys.modules["__main__"]
    yield
    sys.modules["__main__"] = before


@pytest.hookimpl(wrapper=True, tryfirst=True)  # so that this comes after pytest's own summary
def pytest_terminal_summary(
    terminalreporter: pytest.TerminalReporter,
) -> Generator[None, object, object]:
    """Say plainly which tests were left out, and why."""
    result = yield
    skipped = terminalreporter.stats.get("skipped", [])
    reasons = Counter(
        ("browser test" if "browser" in report.keywords else "test", _reason(report))
        for report in skipped
    )
    for (kind, reason), count in sorted(reasons.items()):
        plural = "s" if count > 1 else ""
        terminalreporter.write_line(f"LEFT OUT: {count} {kind}{plural}: {reason}", yellow=True)
    if not skipped:
        terminalreporter.write_line("Nothing was left out.")
    return result


def _reason(report: pytest.TestReport) -> str:
    place_and_reason = report.longrepr
    reason = place_and_reason[2] if isinstance(place_and_reason, tuple) else place_and_reason
    return str(reason).removeprefix("Skipped: ")
