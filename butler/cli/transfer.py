"""Commands that move datasets between repositories."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Final

import click

from .arguments import open_butler, repository_argument, transfer_option, words_option
from .command import command
from .selection import Selection, selection_options

if TYPE_CHECKING:
    from ..butler import Butler

_MODES: Final = ("copy", "link", "hardlink", "symlink", "relsymlink", "direct")
_directory_argument = click.argument("directory", type=click.Path(path_type=Path))


@command("export")
@repository_argument
@_directory_argument
@selection_options(types="argument")
@transfer_option(
    *_MODES, "none", default="copy", help="How files come; none: named relative to the repository."
)
def export_datasets(repo: str, directory: Path, selection: Selection, transfer: str) -> None:
    """Export datasets, and what they need, into DIRECTORY.

    TYPES are names or globs of dataset types; all if none is given. The collections that are named are
    exported, too.
    """
    mode = None if transfer == "none" else transfer
    with open_butler(repo) as butler:
        refs = selection.find(butler)
        with butler.export(directory=directory, transfer=mode) as export:
            export.saveDatasets(refs)
            if selection.collections:
                for name in _with_children(butler, butler.collections.query(selection.collections)):
                    export.saveCollection(name)
    click.echo(f"{len(refs)} datasets exported to {directory}", err=True)


@command("import")
@repository_argument
@_directory_argument
@click.option("--export-file", type=click.Path(path_type=Path), help="Export file; DIRECTORY/export.yaml.")
@transfer_option(
    "auto",
    *_MODES,
    "move",
    "none",
    default="copy",
    help="How files come; none: they are in their places in REPO.",
)
@words_option("-s", "--skip-dimensions", help="Dimensions whose records are left out.")
@click.option("--without-datastore", is_flag=True, help="Register the datasets, but leave out the files.")
def import_datasets(
    repo: str,
    directory: Path,
    export_file: Path | None,
    transfer: str,
    skip_dimensions: list[str],
    without_datastore: bool,
) -> None:
    """Import what was exported to DIRECTORY, also by LSST's butler.

    The repository REPO is made if needed.
    """
    from ..butler import Butler
    from ..errors import RepositoryNotFoundError

    try:
        opened = open_butler(repo, writeable=True)
    except RepositoryNotFoundError:
        Butler.makeRepo(repo)
        click.echo(f"made a repository at {repo}", err=True)
        opened = open_butler(repo, writeable=True)
    with opened as butler:
        report = butler.import_(
            directory=directory,
            filename=export_file,
            transfer=None if transfer == "none" else transfer,
            skip_dimensions=skip_dimensions,
            without_datastore=without_datastore,
        )
    for record in report.differing:
        click.echo(f"kept as it is in the repository, the file differs: {record}", err=True)
    records = f"{report.n_new_records} of {report.n_records} dimension records"
    click.echo(f"{records} and {report.n_new_datasets} of {report.n_datasets} datasets were new", err=True)


@command("transfer-datasets")
@click.argument("source")
@click.argument("dest")
@selection_options()
@transfer_option("auto", *_MODES, default="copy")
@click.option(
    "--register-dataset-types/--no-register-dataset-types",
    default=False,
    help="Whether to register types that DEST lacks.",
)
@click.option("--transfer-dimensions/--no-transfer-dimensions", default=True, show_default=True)
@click.option("--dry-run", is_flag=True, help="Change nothing.")
def transfer_datasets(
    source: str,
    dest: str,
    selection: Selection,
    transfer: str,
    register_dataset_types: bool,
    transfer_dimensions: bool,
    dry_run: bool,
) -> None:
    """Bring datasets of the repository SOURCE into DEST.

    They keep their UUIDs; those that are there already stay as they are.
    """
    with open_butler(source) as origin, open_butler(dest, writeable=True) as butler:
        refs = butler.transfer_from(
            origin,
            selection.find(origin),
            transfer=transfer,
            register_dataset_types=register_dataset_types,
            transfer_dimensions=transfer_dimensions,
            dry_run=dry_run,
        )
    click.echo(f"{len(refs)} datasets {'would come' if dry_run else 'are there now'}", err=True)


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
