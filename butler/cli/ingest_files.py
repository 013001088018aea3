"""The command that ingests the files of a table."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any, Final

import click

from .arguments import open_butler, repository_argument, transfer_option
from .command import command
from .data_id_tables import read_data_ids
from .data_ids import parse_data_id

_TRANSFERS: Final = ("auto", "link", "symlink", "hardlink", "copy", "move", "relsymlink", "direct", "split")


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
    for name, values in read_data_ids(path, "file names", n_others=1):
        if twice := sorted(values.keys() & fixed.keys()):
            raise click.UsageError(f"{', '.join(twice)} is a column of {path} and in --data-id, too")
        yield name[0], {**fixed, **values}
