"""How commands print datasets."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from itertools import groupby
from typing import TYPE_CHECKING

import click

from .output import Rows, choose_columns, print_rows

if TYPE_CHECKING:
    from ..datasets import DatasetRef

__all__ = ["dataset_table", "print_datasets"]


def print_datasets(
    refs: Sequence[DatasetRef],
    style: str,
    uris: Mapping[DatasetRef, str] | None = None,
    columns: Sequence[str] = (),
) -> None:
    """Print datasets, sorted by type: a table for each type, or one in which all have all columns.

    Parameters
    ----------
    refs
        The datasets.
    style
        ``table``, ``csv`` or ``json``.
    uris
        Where their files are; without that column if None.
    columns
        Columns to print.
    """
    groups = [list(members) for _, members in groupby(refs, key=lambda ref: ref.datasetType.name)]
    tables = groups if style == "table" and not columns else [list(refs)]
    chosen = [choose_columns(*dataset_table(members, uris), columns) for members in tables]
    for number, (header, rows) in enumerate(chosen):
        if number:
            click.echo()
        print_rows(header, rows, style)


def dataset_table(
    refs: Sequence[DatasetRef], uris: Mapping[DatasetRef, str] | None = None
) -> tuple[tuple[str, ...], Rows]:
    """Return header and rows for datasets.

    Parameters
    ----------
    refs
        The datasets; of several types have None where a data ID lacks a key.
    uris
        Where their files are; without that column if None.
    """
    keys: dict[str, None] = {}
    for group in dict.fromkeys(ref.datasetType.dimensions for ref in refs):
        keys |= dict.fromkeys(group.data_coordinate_keys)
    header = ("type", "run", "id", *keys, *(() if uris is None else ("URI",)))
    rows = []
    for ref in refs:
        values = ref.dataId if ref.dataId.hasFull() else ref.dataId.required
        row = (ref.datasetType.name, ref.run, str(ref.id), *(values.get(key) for key in keys))
        rows.append(row if uris is None else (*row, uris.get(ref)))
    return header, rows
