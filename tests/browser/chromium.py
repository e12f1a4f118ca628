"""Finds the Chromium that the browser tests drive; run as a script, installs it where it can.

`make test` runs this file first. It never fails: a missing browser is reported by the tests,
which skip, or fail where `CI=true`.
"""

from __future__ import annotations

import os
import shutil
import subprocess

NAMES = ("chromium", "chromium-browser", "google-chrome", "google-chrome-stable")
PACKAGES = ("chromium", "fonts-dejavu-core", "fonts-liberation")


def find_chromium() -> str | None:
    """Path of the browser: `$CHROMIUM` if set, else the first known name on PATH."""
    chosen = os.environ.get("CHROMIUM")
    return shutil.which(chosen) if chosen else next(filter(None, map(shutil.which, NAMES)), None)


def why_missing() -> str:
    return (
        "no Chromium found: install it (Debian: apt-get install chromium) "
        "or set CHROMIUM to the program's path"
    )


def install() -> None:
    """Install Debian's Chromium if this is root on a machine with apt-get."""
    if os.geteuid() != 0 or shutil.which("apt-get") is None:
        return
    print("Installing Chromium for the browser tests ...", flush=True)
    environment = os.environ | {"DEBIAN_FRONTEND": "noninteractive"}
    for command in (
        ["apt-get", "update", "-qq"],
        ["apt-get", "install", "-y", "-qq", "--no-install-recommends", *PACKAGES],
    ):
        subprocess.run(command, env=environment, check=False, stdin=subprocess.DEVNULL)


if __name__ == "__main__":
    if find_chromium() is None:
        install()
    if find_chromium() is None:
        print(f"Browser tests cannot run: {why_missing()}.", flush=True)
