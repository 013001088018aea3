"""What commands print: rows, and how far they are."""

from __future__ import annotations

import csv
import json
import sys
from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import TYPE_CHECKING, Any

import click
from tqdm import tqdm

if TYPE_CHECKING:
    import uuid

    from ..datasets import DatasetRef

__all__ = ["dataset_table", "print_rows", "progress_bar"]


def progress_bar(description: str) -> Callable[[Iterable[Any]], Iterable[Any]]:
    """Return a wrapper that shows a progress bar for work of more than a second."""
    return lambda items: tqdm(items, desc=description, delay=1, leave=False)


def dataset_table(
    refs: Sequence[DatasetRef], paths: Mapping[uuid.UUID, str] | None = None
) -> tuple[tuple[str, ...], list[tuple[Any, ...]]]:
    """Return header and rows for datasets of one type.

    Parameters
    ----------
    refs
        The datasets, at least one.
    paths
        Where their files are; without that column if None.
    """
    keys = refs[0].datasetType.dimensions.data_coordinate_keys
    header = ("type", "run", "id", *keys, *(() if paths is None else ("URI",)))
    rows = []
    for ref in refs:
        values = ref.dataId.required if not ref.dataId.hasFull() else ref.dataId
        row = (ref.datasetType.name, ref.run, str(ref.id), *(values.get(key) for key in keys))
        rows.append(row if paths is None else (*row, paths.get(ref.id)))
    return header, rows


def print_rows(header: Sequence[str], rows: Sequence[Sequence[Any]], style: str) -> None:
    """Print rows; the standard output carries nothing else."""
    if style == "json":
        click.echo(json.dumps([dict(zip(header, row, strict=True)) for row in rows], indent=1, default=str))
        return
    if style == "csv":
        writer = csv.writer(sys.stdout, lineterminator="\n")
        writer.writerow(header)
        writer.writerows(rows)
        return
    texts = [["" if value is None else str(value) for value in row] for row in rows]
    widths = [
        max(len(name), *(len(row[i]) for row in texts)) if texts else len(name)
        for i, name in enumerate(header)
    ]
    for line in [list(header), ["-" * width for width in widths], *texts]:
        click.echo(" ".join(text.ljust(width) for text, width in zip(line, widths, strict=True)).rstrip())
