"""Time the building of quantum graphs against LSST's middleware, and how ours grow.

``python bench/graph.py --quick`` takes about a minute. The tables of ``docs/graph_benchmark.md`` are those of
``python bench/graph.py --output FILE``. It needs the extra ``peer``.

Each figure is that of one graph, built in a process of its own: imports and opening the repository do not
count, and the most memory that the process held beyond them does.
"""

from __future__ import annotations

import argparse
import importlib.metadata
import os
import platform
import subprocess
import sys
import tempfile
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from graph_sides import BANDS, Ours, Peer, Side, side_of
from machine import load
from registry import environment, peak_megabytes, timed
from registry_report import seconds
from registry_sides import N_PATCHES

HEAD = """\
| what | side | quanta | inputs | CPU | wall | memory |
|---|---|---|---|---|---|---|"""
_PER_TRACT = N_PATCHES * len(BANDS)
_VISITS = 158
"""Visits of a tract: 500 quanta have 15 800 warps."""


@dataclass(frozen=True)
class Figure:
    """What one graph took: seconds of CPU and wall, and megabytes."""

    what: str
    side: str
    n_quanta: int
    n_inputs: int
    cpu: float
    wall: float
    megabytes: float

    def as_markdown(self) -> str:
        """Return a line of a table."""
        times = f"{seconds(self.cpu)} | {seconds(self.wall)} | {self.megabytes:.0f} MB"
        return f"| {self.what} | {self.side} | {self.n_quanta} | {self.n_inputs} | {times} |"


def measure(what: str, side: type[Side], root: Path, where: str = "", job: str = "build") -> Figure:
    """Return what a graph takes in a new process."""
    command = [sys.executable, __file__, "--measure", side.name, str(root), where, job]
    done = subprocess.run(command, check=True, capture_output=True, text=True, env=environment())
    n_quanta, n_inputs, *rest = done.stdout.split()[-5:]
    cpu, wall, megabytes = map(float, rest)
    figure = Figure(what, side.name, int(n_quanta), int(n_inputs), cpu, wall, megabytes)
    print(figure.as_markdown(), flush=True)
    return figure


def run_measure(name: str, root: Path, where: str, job: str) -> None:
    """Do one job in this process; print the numbers of quanta and inputs, seconds, and megabytes."""
    side = side_of(name)
    opened = side.open(root)
    made: list[tuple[int, int]] = []
    if job == "save":
        graph = side.build(opened, where)[2]
    before = peak_megabytes()

    def call() -> None:
        match job:
            case "build":
                made.append(side.build(opened, where)[:2])
            case "save":
                made.append(save(graph, root, opened[0]))
            case _:
                made.append(read(root, job))

    cpu, wall = timed(call, 1)
    print(*made[0], cpu, wall, peak_megabytes() - before)


def save(graph: Any, root: Path, butler: Any) -> tuple[int, int]:
    """Save a graph; return the numbers of its quanta and their inputs."""
    from connections import RunCollections, save_graph

    save_graph(graph, root / "plan.qg", RunCollections("out", ("warps",)), butler.registry.repository_id)
    return len(graph.quanta), sum(1 for quantum in graph.quanta for _ in quantum.input_refs())


def read(root: Path, job: str) -> tuple[int, int]:
    """Read a saved graph, or the quanta of one patch; return their number and that of their inputs."""
    from connections import GraphFile

    with GraphFile(root / "plan.qg") as file:
        data_id = {"tract": {0}, "patch": {42}} if job == "read patch" else None
        quanta = list(file.quanta(data_id=data_id))
    return len(quanta), sum(1 for quantum in quanta for _ in quantum.input_refs())


def against_peer(directory: Path, quick: bool) -> list[Figure]:
    """Return the figures of both sides for the same repositories."""
    figures = []
    one_tract, ten_tracts = (20, 10) if quick else (_VISITS, 100)
    cases = [
        (f"{_PER_TRACT} quanta of {one_tract * N_PATCHES} warps, all that there are", 1, one_tract, ""),
        (
            f"one tract of {10 * ten_tracts * N_PATCHES} warps",
            10,
            ten_tracts,
            "skymap = 'hsc_rings_v1' AND tract = 3",
        ),
    ]
    for number, (what, n_tracts, n_visits, where) in enumerate(cases):
        for side in (Ours, Peer):
            root = directory / f"{side.name}-{number}"
            side.make(root, n_tracts, n_visits)
            figures.append(measure(what, side, root, where))
    return figures


def growing(directory: Path, sizes: Sequence[int]) -> tuple[list[Figure], list[str]]:
    """Return the figures of ever larger graphs of ours, and of saving and reading them, and file sizes."""
    figures, files = [], []
    for n_quanta in sizes:
        root = directory / f"grown-{n_quanta}"
        Ours.make(root, n_quanta // _PER_TRACT, _VISITS)
        figures.append(measure("build", Ours, root))
        figures += [measure(job, Ours, root, job=job) for job in ("save", "read", "read patch")]
        n_bytes = (root / "plan.qg").stat().st_size
        per_input = n_bytes / figures[-4].n_inputs
        files.append(f"| {n_quanta} | {n_bytes / 1e6:.1f} MB | {per_input:.1f} |")
    return figures, files


def write_report(
    peer: Sequence[Figure], grown: Sequence[Figure], files: Sequence[str], loads: Sequence[str]
) -> str:
    """Return the report as Markdown."""
    versions = ", ".join(f"{n} {importlib.metadata.version(n)}" for n in ("coadd-butler", "lsst-pipe-base"))
    parts = [
        "# Quantum graphs, measured",
        "Written by `bench/graph.py`. A quantum stacks the warps of one patch in one band. Each figure is "
        "that of one graph, built in a process of its own; imports and opening the repository do not count, "
        "and memory is what the process held at most beyond them. Neither side looks up files. "
        f"Python {platform.python_version()}, {os.cpu_count()} processors; {versions}. "
        f"The machine was shared: load average {loads[0]} at the start, {loads[1]} at the end, so that CPU "
        "seconds are the figure to trust.",
        "## Against lsst-pipe-base, the same repositories",
        "\n".join([HEAD, *(figure.as_markdown() for figure in peer)]),
    ]
    if peer:
        ratios = [
            f"{theirs.what}: {theirs.cpu / ours.cpu:.0f} times less CPU"
            for ours, theirs in zip(peer[::2], peer[1::2], strict=True)
        ]
        parts.append("; ".join(ratios) + ".")
    if grown:
        parts += [
            "## Ours alone, growing",
            "`save` and `read` are those of the file that `-q` writes and `-g` reads; `read patch` reads the "
            "quanta of one patch out of it.",
            "\n".join([HEAD, *(figure.as_markdown() for figure in grown)]),
            "\n".join(["| quanta | saved graph | bytes per input |", "|---|---|---|", *files]),
        ]
    return "\n\n".join(parts) + "\n"


def main() -> None:
    """Measure, print and write the tables."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument(
        "--grow", type=int, nargs="*", default=[10_000, 100_000], help="quanta of graphs of ours"
    )
    parser.add_argument("--directory", type=Path, help="where repositories are made, for example /dev/shm")
    parser.add_argument("--quick", action="store_true", help="small sizes")
    parser.add_argument("--output", type=Path, help="Markdown file to write, docs/graph_benchmark.md")
    parser.add_argument(
        "--measure", nargs=4, metavar=("SIDE", "ROOT", "WHERE", "JOB"), help=argparse.SUPPRESS
    )
    given = parser.parse_args()
    if given.measure:
        side, root, where, job = given.measure
        run_measure(side, Path(root), where, job)
        return
    before = load()
    with tempfile.TemporaryDirectory(dir=given.directory) as temporary:
        peer = against_peer(Path(temporary), given.quick)
        grown, files = growing(Path(temporary), [1000] if given.quick else given.grow)
    text = write_report(peer, grown, files, (before, load()))
    if given.output:
        given.output.write_text(text, encoding="utf-8")
    print(text)


if __name__ == "__main__":
    main()
