"""Time what the runner adds to each quantum: in process, in workers, on a Dask cluster, and beside LSST's.

``python bench/quanta.py --quick`` takes about two minutes. The table of ``docs/execution_benchmark.md`` is
that of ``python bench/quanta.py --output FILE``. It needs the extras ``peer`` and ``dask``.
"""

from __future__ import annotations

import argparse
import importlib.metadata
import os
import platform
import statistics
import subprocess
import sys
import tempfile
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from machine import load
from registry import environment
from registry_report import seconds

HEAD = """\
| where | side | quanta | wall | CPU, coordinator | CPU, workers | first quantum after | goal |
|---|---|---|---|---|---|---|---|"""
_CHILD = Path(__file__).with_name("quanta_child.py")


@dataclass(frozen=True)
class Case:
    """What is run.

    Parameters
    ----------
    place
        Name of the place for `quanta_child`.
    what, side
        What the table calls it.
    n_quanta
        Quanta of its graph.
    goal
        What it is to reach, per quantum.
    """

    place: str
    what: str
    side: str
    n_quanta: int
    goal: str


@dataclass(frozen=True)
class Figure:
    """What a quantum took: seconds of wall and of CPU; and those until the first one began in a worker."""

    case: Case
    n_timed: int
    wall: float
    cpu: float
    cpu_below: float
    start: float

    def as_markdown(self) -> str:
        """Return a line of a table."""
        case = self.case
        below = "" if self.cpu_below == 0 else seconds(self.cpu_below)
        start = seconds(self.start) if self.cpu_below and self.start else ""
        times = f"{seconds(self.wall)} | {seconds(self.cpu)} | {below} | {start}"
        return f"| {case.what} | {case.side} | {self.n_timed} | {times} | {case.goal} |"


def measure(case: Case, directory: Path | None, repeats: int) -> Figure:
    """Return the medians of some runs, each in a process and a repository of its own."""
    turns = []
    for _ in range(repeats):
        with tempfile.TemporaryDirectory(dir=directory) as root:
            command = [sys.executable, str(_CHILD), case.place, f"{root}/repo", str(case.n_quanta)]
            done = subprocess.run(command, check=True, stdout=subprocess.PIPE, text=True, env=environment())
        n_timed, wall, cpu, below, start = map(float, done.stdout.split()[-5:])
        turns.append((n_timed, wall / n_timed, cpu / n_timed, below / n_timed, start))
    n_timed, *rest = map(statistics.median, zip(*turns, strict=True))
    figure = Figure(case, int(n_timed), *rest)
    print(figure.as_markdown(), flush=True)
    return figure


def cases(quick: bool) -> list[Case]:
    """Return what is run."""
    many, some, few, fewest = (300, 200, 70, 4) if quick else (2000, 1000, 150, 12)
    ours, theirs = "coadd-butler", "lsst-pipe-base"
    return [
        Case("in process", "in process", ours, many, "3 ms CPU"),
        Case("peer", "in process", theirs, few, ""),
        Case("workers", "`-j 2`", ours, many, "10 ms wall"),
        Case("peer workers", "`-j 2`", theirs, fewest, ""),
        Case("dask", "Dask, 2 processes of this machine", ours, some, ""),
    ]


def write_report(figures: Sequence[Figure], repeats: int, loads: Sequence[str]) -> str:
    """Return the report as Markdown."""
    names = ("coadd-butler", "lsst-pipe-base", "distributed")
    versions = ", ".join(f"{name} {importlib.metadata.version(name)}" for name in names)
    ours, theirs, our_workers, their_workers = figures[:4]
    n_runs = f"{repeats} run" if repeats == 1 else f"{repeats} runs"
    parts = [
        "# The runner, measured",
        "Written by `bench/quanta.py`. A quantum reads one small dataset and writes it again; there is one "
        "for each visit, and none waits for another. So all that it takes is overhead: reading, writing, "
        "metadata, log, registration and the flush to disk. Figures are per quantum. The clock starts when "
        "the first quanta have ended, at least 50, so that the preparation of the run, imports and the start "
        "of workers are not in it; it ends when the last quantum is registered. Each is the median of "
        f"{n_runs}, each in a new process and repository. Workers' CPU is that of all processes below the "
        "coordinator. The scheduler of the Dask cluster is in the coordinator's process. `first quantum "
        "after` is the time from the beginning of the run to that of its first quantum in a worker: the "
        "start of the cluster, or of the first worker.",
        f"Python {platform.python_version()}, {os.cpu_count()} processors; {versions}. The machine was "
        f"shared: load average {loads[0]} at the start, {loads[1]} at the end, so that CPU is the figure to "
        "trust, and wall times are too long.",
        "\n".join([HEAD, *(figure.as_markdown() for figure in figures)]),
        f"In process: {theirs.cpu / ours.cpu:.0f} times less CPU. With `-j 2`: "
        f"{their_workers.wall / our_workers.wall:.0f} times less wall time. The peer is its "
        "`SingleQuantumExecutor` with a full butler, called for one quantum after the other, and its "
        "`MPGraphExecutor` of two processes, which starts a new one for each quantum, so that all of its "
        "time counts; they write the output, metadata and log, too.",
    ]
    return "\n\n".join(parts) + "\n"


def main() -> None:
    """Measure, print and write the table."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--repeats", type=int, default=3, help="runs of each, of which the medians count")
    parser.add_argument("--directory", type=Path, help="where repositories are made, for example /dev/shm")
    parser.add_argument("--quick", action="store_true", help="few quanta, once")
    parser.add_argument("--output", type=Path, help="Markdown file to write, docs/execution_benchmark.md")
    given = parser.parse_args()
    repeats = 1 if given.quick else given.repeats
    before = load()
    figures = [measure(case, given.directory, repeats) for case in cases(given.quick)]
    text = write_report(figures, repeats, (before, load()))
    if given.output:
        given.output.write_text(text, encoding="utf-8")
    print(text)


if __name__ == "__main__":
    main()
