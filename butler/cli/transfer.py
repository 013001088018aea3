"""Commands that move datasets between repositories."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

import click

from .arguments import all_runs, collections_option, open_butler, repository_argument, where_option
from .main import main

if TYPE_CHECKING:
    from ..butler import Butler
    from ..datasets import DatasetRef

_MODES = ("copy", "link", "hardlink", "symlink", "relsymlink", "direct")
_directory_argument = click.argument("directory", type=click.Path(path_type=Path))


@main.command("export")
@repository_argument
@_directory_argument
@click.argument("dataset_types", metavar="[DATASET_TYPE]...", nargs=-1)
@collections_option
@where_option
@click.option("-t", "--transfer", type=click.Choice([*_MODES, "none"]), default="copy", show_default=True)
def export_datasets(
    repo: Path,
    directory: Path,
    dataset_types: tuple[str, ...],
    collections: tuple[str, ...],
    where: str,
    transfer: str,
) -> None:
    """Export datasets, and what they need, into DIRECTORY; all types if no name or glob is given.

    With the transfer none the export names files relative to the repository.
    """
    mode = None if transfer == "none" else transfer
    with open_butler(repo) as butler:
        refs = _find(butler, dataset_types, collections, where)
        with butler.export(directory=directory, transfer=mode) as export:
            export.saveDatasets(refs)
            for name in _with_children(butler, butler.collections.query(collections)):
                export.saveCollection(name)
    click.echo(f"{len(refs)} datasets exported to {directory}", err=True)


@main.command("import")
@repository_argument
@_directory_argument
@click.option("--export-file", type=click.Path(path_type=Path), help="Export file; DIRECTORY/export.yaml.")
@click.option(
    "-t",
    "--transfer",
    type=click.Choice([*_MODES, "none"]),
    default="copy",
    show_default=True,
    help="How files come; none: they are in their places in REPO.",
)
@click.option("-s", "--skip-dimensions", multiple=True, help="Dimension whose records are left out.")
@click.option("--without-datastore", is_flag=True, help="Register the datasets, but leave out the files.")
def import_datasets(
    repo: Path,
    directory: Path,
    export_file: Path | None,
    transfer: str,
    skip_dimensions: tuple[str, ...],
    without_datastore: bool,
) -> None:
    """Import what was exported to DIRECTORY, also by LSST's butler."""
    with open_butler(repo, writeable=True) as butler:
        report = butler.import_(
            directory=directory,
            filename=export_file,
            transfer=None if transfer == "none" else transfer,
            skip_dimensions=[name for words in skip_dimensions for name in words.split(",")],
            without_datastore=without_datastore,
        )
    for record in report.differing:
        click.echo(f"kept as it is in the repository, the file differs: {record}", err=True)
    records = f"{report.n_new_records} of {report.n_records} dimension records"
    click.echo(f"{records} and {report.n_new_datasets} of {report.n_datasets} datasets were new", err=True)


@main.command("transfer-datasets")
@click.argument("source", type=click.Path(path_type=Path))
@click.argument("dest", type=click.Path(path_type=Path))
@click.option("-d", "--dataset-type", "dataset_types", multiple=True, help="Name or glob; all if not given.")
@collections_option
@where_option
@click.option("-t", "--transfer", type=click.Choice(_MODES), default="copy", show_default=True)
@click.option("--register-dataset-types", is_flag=True, help="Register types that DEST lacks.")
@click.option("--transfer-dimensions/--no-transfer-dimensions", default=True, show_default=True)
@click.option("--dry-run", is_flag=True, help="Change nothing.")
def transfer_datasets(
    source: Path,
    dest: Path,
    dataset_types: tuple[str, ...],
    collections: tuple[str, ...],
    where: str,
    transfer: str,
    register_dataset_types: bool,
    transfer_dimensions: bool,
    dry_run: bool,
) -> None:
    """Bring datasets of the repository SOURCE into DEST, with their UUIDs."""
    with open_butler(source) as origin, open_butler(dest, writeable=True) as butler:
        refs = butler.transfer_from(
            origin,
            _find(origin, dataset_types, collections, where),
            transfer=transfer,
            register_dataset_types=register_dataset_types,
            transfer_dimensions=transfer_dimensions,
            dry_run=dry_run,
        )
    click.echo(f"{len(refs)} datasets {'would come' if dry_run else 'are there now'}", err=True)


def _find(
    butler: Butler, dataset_types: Sequence[str], collections: Sequence[str], where: str
) -> list[DatasetRef]:
    """Return the datasets of some types, given by name or glob, in all of some collections."""
    names: dict[str, None] = {}
    for pattern in dataset_types or ("*",):
        if any(sign in pattern for sign in "*?["):
            names |= dict.fromkeys(found.type.name for found in butler.registry.datasets.query_types(pattern))
        else:
            names[butler.registry.datasets.get_type(pattern).type.name] = None
    searched = butler.collections.flatten(butler.collections.query(collections or all_runs(butler)))
    # One by one: in a search along all of them the first would hide the others.
    found = {
        ref.id: ref
        for name in names
        for collection in searched
        for ref in butler.query_datasets(name, collection.name, where=where, explain=False)
    }
    return list(found.values())


def _with_children(butler: Butler, collections: Sequence[str]) -> list[str]:
    """Return collections and what their chains search, which an import needs."""
    found: dict[str, None] = {}
    waiting = list(collections)
    while waiting:
        name = waiting.pop()
        if name not in found:
            found[name] = None
            waiting += butler.collections.get_info(name).children
    return list(found)
