"""The report of the registry benchmark, as Markdown."""

from __future__ import annotations

import importlib.metadata
import os
import platform
from collections.abc import Sequence
from dataclasses import dataclass

__all__ = ["Row", "write_report"]

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
        "Written by `bench/registry.py`; do not edit. Both sides hold the same data and take turns in one "
        f"process; each figure is the median of its turns. Python {platform.python_version()}, "
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
    parts += ["## What limits the rest", _LIMITS]
    return "\n\n".join(parts) + "\n"


def _version(name: str) -> str:
    try:
        return importlib.metadata.version(name)
    except importlib.metadata.PackageNotFoundError:
        return "absent"


_LIMITS = """\
- `put`, one by one: a file is on disk before its rows are. That is up to three flushes (of the file, its
  directory, and the directory that is new) and their waiting, which the peer does not do; making the file and
  a directory takes the system as long again. In memory (`--directory /dev/shm`) neither counts.
- `put_many`, and puts in a transaction, flush all their files at once. What is left are ten calls of the
  system for each file (a directory, the file, its second name), a path, a checksum, and three rows.
- `from butler import Butler`, and every command that opens a repository: mostly the import of SQLAlchemy,
  numpy, pydantic and lsst.sphgeom, which the peer imports, too. `import butler` and `--help` need none.
- Lists and joins: one object for each ref and data ID; at 10,000 rows the fixed costs of both sides count.
- Region reads beside astropy's memory map: the copy into native byte order is the same for both; a read of
  a large box is that copy and little else, so they come together there.
- A query without the leading keys of a data ID (a patch without its tract) reads all rows of its run.
- The path is most of the bytes of a file record: it is stored whole. That of a file of the datastore is
  indexed by a hash of 64 bits, which adds to it; that of a file elsewhere, as in these tables, is not."""
