"""The command that ingests the files of a table."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

import click

from ..errors import ButlerUserError, FileFormatError
from .arguments import open_butler, repository_argument, transfer_option
from .command import command
from .data_ids import parse_data_id, parse_value

if TYPE_CHECKING:
    from astropy.table import Table

_TRANSFERS: Final = ("auto", "link", "symlink", "hardlink", "copy", "move", "relsymlink", "direct", "split")
_FORMATS: Final = {".csv": "ascii.csv", ".ecsv": "ascii.ecsv", ".fits": "fits", ".parquet": "parquet"}


@command("ingest-files")
@repository_argument
@click.argument("dataset_type")
@click.argument("run")
@click.argument("table_file", type=click.Path(path_type=Path))
@click.option("--formatter", help="Name of the formatter that reads the files; the usual one if not given.")
@click.option(
    "--id-generation-mode",
    type=click.Choice(["unique", "dataid_type", "dataid_type_run"], case_sensitive=False),
    default="unique",
    show_default=True,
    help="UUIDs are new, or follow from what a dataset is.",
)
@click.option("--data-id", "words", multiple=True, metavar="KEY=VALUE", help="Value that all the files have.")
@click.option("--prefix", type=click.Path(path_type=Path), help="Directory of the files with relative names.")
@transfer_option(*_TRANSFERS, default="auto")
@click.option(
    "--track-file-attrs/--no-track-file-attrs",
    default=True,
    show_default=True,
    help="Whether sizes and checksums are recorded.",
)
def ingest_files(
    repo: str,
    dataset_type: str,
    run: str,
    table_file: Path,
    formatter: str | None,
    id_generation_mode: str,
    words: tuple[str, ...],
    prefix: Path | None,
    transfer: str,
    track_file_attrs: bool,
) -> None:
    """Ingest the files that a table lists, as datasets of one type.

    TABLE_FILE is CSV, ECSV or another table that astropy reads: the first column names the files, the others
    are dimensions; a file with several datasets has a row for each. The collection RUN is made if needed. All
    files are ingested, or none.
    """
    from ..datasets import DatasetIdGenEnum, DatasetRef, FileDataset

    fixed = parse_data_id(words)
    with open_butler(repo, writeable=True) as butler:
        registered = butler.get_dataset_type(dataset_type)
        mode = DatasetIdGenEnum[id_generation_mode.upper()]
        held: dict[str, list[DatasetRef]] = {}
        for path, values in _rows(table_file, fixed):
            data_id = butler.defaults.data_id(registered.dimensions, values)
            place = path if "://" in path else str((prefix or Path()) / path)
            ref = DatasetRef(registered, data_id, run, id_generation_mode=mode)
            held.setdefault(place, []).append(ref)
        files = [FileDataset(path, refs, formatter=formatter) for path, refs in held.items()]
        ingested = butler.ingest(*files, transfer=transfer, record_validation_info=track_file_attrs)
    click.echo(f"{len(ingested)} datasets are in {run}", err=True)


def _rows(path: Path, fixed: dict[str, Any]) -> Iterator[tuple[str, dict[str, Any]]]:
    """Yield name and data ID of each file in a table."""
    from ..dimensions import UNIVERSE

    table = _read_table(path)
    files, *keys = table.colnames
    dimensions = [UNIVERSE[key].name for key in keys]
    if twice := sorted(set(dimensions) & fixed.keys()):
        raise click.UsageError(f"{', '.join(twice)} is a column of {path} and in --data-id, too")
    for number, row in enumerate(table, 1):
        cells = [_text(row[name]) for name in (files, *keys)]
        if not all(cells):
            raise FileFormatError(f"row {number} of {path} lacks a value")
        try:
            values = {key: parse_value(key, cell) for key, cell in zip(dimensions, cells[1:], strict=True)}
        except click.UsageError as error:
            raise FileFormatError(f"row {number} of {path}: {error.message}") from None
        yield cells[0], {**fixed, **values}


def _read_table(path: Path) -> Table:
    """Read a table with at least one column and one row.

    Raises
    ------
    ButlerUserError
        Raised if the file is not there.
    FileFormatError
        Raised if it is no table.
    """
    from astropy.table import Table

    if not path.is_file():
        raise ButlerUserError(f"there is no table {path}")
    kind = _FORMATS.get(path.suffix.lower(), "ascii")
    # Numbers without their leading zeros would name other groups and filters.
    settings: dict[str, Any] = {"converters": {"*": str}} if kind in ("ascii", "ascii.csv") else {}
    try:
        table = Table.read(path, format=kind, **settings)
    except (ValueError, TypeError, OSError, ImportError, IndexError, KeyError) as error:
        raise FileFormatError(f"cannot read a table from {path}: {' '.join(str(error).split())}") from error
    if not table.colnames or not len(table):
        raise FileFormatError(f"the table {path} is empty: it needs a column of file names, and rows")
    return table


def _text(cell: Any) -> str:
    """Return the text of a cell; empty if it has no value."""
    from numpy.ma import masked

    if cell is masked:
        return ""
    return (cell.decode() if isinstance(cell, bytes) else str(cell)).strip()
