"""`make trust`: the full counts of the tests marked ``trust``, and the log of what they did."""

from __future__ import annotations

import datetime
import importlib.metadata
import os
import platform
import sqlite3
import subprocess
import sys
import time
from collections import Counter
from pathlib import Path
from typing import Final

import pytest
from postgres_server import INSTALL, find_binaries
from trust_scale import SEED

ROOT: Final = Path(__file__).parents[1]
LOG: Final = ROOT / "docs" / "trust_log.md"
PACKAGES: Final = ("SQLAlchemy", "psycopg", "lsst-daf-butler", "hypothesis", "numpy", "astropy", "fsspec")
HANGING_S: Final = 3600
"""Seconds after which a test counts as hanging; with their full counts some take many minutes."""


class Recorder:
    """Remembers how each test ended, how long it took, and what it counted.

    A test counts by the fixture ``record_property``: ``record_property("kills", 300)``.
    """

    def __init__(self) -> None:
        self.outcomes: Counter[str] = Counter()
        self.rows: dict[str, list[str]] = {}
        self.unwell: list[str] = []

    def pytest_runtest_logreport(self, report: pytest.TestReport) -> None:
        """Take in a phase of a test: its call, or a set-up or tear-down that did not pass."""
        if report.when != "call" and report.passed:
            return
        self.outcomes[report.outcome] += 1
        if not report.passed:
            self.unwell.append(f"{report.nodeid}: {report.outcome}")
        counted = ", ".join(f"{value} {name}" for name, value in report.user_properties)
        self.rows[report.nodeid] = [report.nodeid, counted, f"{report.duration:.1f}", report.outcome]


def postgresql() -> str | None:
    """Return the version of the PostgreSQL server that the tests would start, None if there is none."""
    folder = find_binaries()
    if folder is None:
        return None
    asked = subprocess.run([folder / "postgres", "--version"], capture_output=True, text=True, check=True)
    return asked.stdout.strip()


def version_of(package: str) -> str:
    """Return the version of an installed distribution."""
    try:
        return importlib.metadata.version(package)
    except importlib.metadata.PackageNotFoundError:
        return "not installed"


def revision() -> str:
    """Return the commit that is tested, and whether files differ from it."""
    command = ["git", "describe", "--always", "--dirty", "--exclude=*"]
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=False)
    return done.stdout.strip() or "unknown (no git)"


def write_log(recorder: Recorder, server: str, seconds: float) -> None:
    """Write what was run, on what, and how it ended."""
    outcomes = ", ".join(f"{number} {name}" for name, number in sorted(recorder.outcomes.items()))
    packages = ", ".join(f"{name} {version_of(name)}" for name in PACKAGES)
    now = datetime.datetime.now(datetime.UTC)
    lines = [
        "# Trust log",
        "",
        "Written by `make trust`: kills, full disks, hostile input, load, fuzzed expressions and the",
        "comparison with LSST's butler, with their full counts.",
        "",
        f"- **Result**: {outcomes} in {seconds / 60:.1f} minutes",
        f"- **When**: {now:%Y-%m-%d %H:%M} UTC, commit {revision()}",
        f"- **Seed**: {SEED} (another: `make trust TRUST_SEED=n`)",
        f"- **Machine**: {platform.system()} {platform.release()}, {os.cpu_count()} CPUs",
        f"- **Software**: Python {platform.python_version()}, SQLite {sqlite3.sqlite_version}, {server}, "
        f"{packages}",
        "",
        "| test | counted | seconds | outcome |",
        "|---|---|---:|---|",
        *(f"| {' | '.join(_cell(text) for text in row)} |" for row in sorted(recorder.rows.values())),
    ]
    if recorder.unwell:
        lines += ["", "Not passed:", "", *(f"- {line}" for line in recorder.unwell)]
    LOG.write_text("\n".join(lines) + "\n", encoding="utf-8")


def _cell(text: str) -> str:
    """Return a text that no cell of a table is broken by."""
    return text.replace("|", "/").replace("\n", " ")


def main() -> int:
    """Run the tests; return the exit status."""
    server = postgresql()
    if server is None:
        print(INSTALL, file=sys.stderr)
        return 1
    recorder = Recorder()
    begin = time.monotonic()
    words = ["-m", "trust", "-n", "2", "--durations=20", "-p", "no:cacheprovider", str(ROOT / "tests")]
    words += ["-o", f"faulthandler_timeout={HANGING_S}"]
    status = pytest.main(words, plugins=[recorder])
    write_log(recorder, server, time.monotonic() - begin)
    print(f"log: {LOG}")
    return int(status)


if __name__ == "__main__":
    sys.exit(main())
