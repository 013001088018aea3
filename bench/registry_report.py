"""The report of the registry benchmark, as Markdown."""

from __future__ import annotations

import importlib.metadata
import os
import platform
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

__all__ = ["Row", "write_report"]

_LIMITS = Path(__file__).parent / "registry_limits.md"
"""The section of the report that a person writes."""
_HEAD = """\
| what | ours, CPU (wall) | peer, CPU (wall) | ratio CPU | ratio wall | goal |
|---|---|---|---|---|---|"""


@dataclass(frozen=True)
class Row:
    """A line of a table: CPU and wall seconds of both sides, or another figure twice."""

    what: str
    ours: tuple[float, float]
    peer: tuple[float, float]
    goal: str
    unit: str = "s"

    def as_markdown(self) -> str:
        """Return the line."""
        ratios = [b / a if a else float("inf") for a, b in zip(self.ours, self.peer, strict=True)]
        if self.unit != "s":
            if not self.ours[0]:
                shown_peer = f"{self.peer[0]:.0f} {self.unit}"
                return f"| {self.what} | within what the start takes | {shown_peer} | | | {self.goal} |"
            shown = [f"{value:.0f} {self.unit}" for value, _ in (self.ours, self.peer)]
            return f"| {self.what} | {shown[0]} | {shown[1]} | {ratios[0]:.1f}x | | {self.goal} |"
        shown = [f"{seconds(cpu)} ({seconds(wall)})" for cpu, wall in (self.ours, self.peer)]
        return (
            f"| {self.what} | {shown[0]} | {shown[1]} | {ratios[0]:.1f}x | {ratios[1]:.1f}x | {self.goal} |"
        )


def seconds(value: float) -> str:
    """Return a time in a unit that suits it."""
    for factor, unit in ((1.0, "s"), (1e3, "ms")):
        if value * factor >= 1:
            return f"{value * factor:.3g} {unit}"
    return f"{value * 1e6:.3g} µs"


def write_report(
    tables: Sequence[tuple[str, Sequence[Row]]],
    reads: Sequence[Row],
    grown: Sequence[tuple[int, float, float, float, float]],
) -> str:
    """Return the whole report."""
    names = ("coadd-butler", "lsst-daf-butler", "sqlalchemy", "astropy", "fitsio")
    versions = ", ".join(f"{name} {_version(name)}" for name in names)
    parts = [
        "# Registry and region reads, measured",
        "Written by `bench/registry.py`, but for the last section, which is `bench/registry_limits.md`. Both "
        "sides hold the same data and take turns in one process; "
        f"each figure is the median of its turns. Python {platform.python_version()}, "
        f"{os.cpu_count()} processors; {versions}. The machine was shared with other work, so the ratio of "
        "CPU seconds is the figure to trust.",
    ]
    for title, rows in tables:
        parts += [f"## {title}", "\n".join([_HEAD, *(row.as_markdown() for row in rows)])]
    parts += [
        "## Region reads: one warp of 4200², three planes, file opened each time; against astropy and fitsio",
        "\n".join([_HEAD, *(row.as_markdown() for row in reads)]),
    ]
    if grown:
        lines = [
            "| refs | find, CPU ms | get, CPU ms | query of 30, CPU ms | insert, refs per CPU s |",
            "|---|---|---|---|---|",
        ]
        lines += [f"| {n:.0e} | {a:.3f} | {b:.3f} | {c:.2f} | {rate:.0f} |" for n, a, b, c, rate in grown]
        parts += ["## Ours alone, growing", "\n".join(lines)]
    parts.append(_LIMITS.read_text(encoding="utf-8").strip())
    return "\n\n".join(parts) + "\n"


def _version(name: str) -> str:
    try:
        return importlib.metadata.version(name)
    except importlib.metadata.PackageNotFoundError:
        return "absent"
