"""Commands that bring files out of a repository."""

from __future__ import annotations

from pathlib import Path

import click

from .arguments import all_runs, collections_option, open_butler, repository_argument, where_option
from .main import main
from .selection import select_datasets, split_names, types_option


@main.command("retrieve-artifacts")
@repository_argument
@click.argument("destination", type=click.Path(path_type=Path))
@types_option
@collections_option
@where_option
@click.option(
    "-t",
    "--transfer",
    type=click.Choice(["copy", "link", "hardlink", "symlink", "relsymlink"]),
    default="copy",
    show_default=True,
)
@click.option(
    "--preserve-path/--no-preserve-path", default=True, help="Whether files keep their directories."
)
@click.option("--clobber/--no-clobber", default=False, help="Whether to replace files that are there.")
def retrieve_artifacts(
    repo: Path,
    destination: Path,
    types: tuple[str, ...],
    collections: tuple[str, ...],
    where: str,
    transfer: str,
    preserve_path: bool,
    clobber: bool,
) -> None:
    """Bring the files of datasets into the directory DESTINATION."""
    with open_butler(repo) as butler:
        names = split_names(collections) or all_runs(butler)
        refs = select_datasets(butler, split_names(types), names, where)
        paths = butler.retrieveArtifacts(refs, destination, transfer, preserve_path, clobber)
    for path in paths:
        click.echo(str(path))
    click.echo(f"{len(paths)} files", err=True)
