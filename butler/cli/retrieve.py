"""The command that brings files out of a repository."""

from __future__ import annotations

from pathlib import Path

import click

from .arguments import open_butler, repository_argument, transfer_option
from .command import command
from .selection import Selection, selection_options


@command("retrieve-artifacts")
@repository_argument
@click.argument("destination", type=click.Path(path_type=Path))
@selection_options()
@transfer_option("auto", "copy", "link", "hardlink", "symlink", "relsymlink", default="auto")
@click.option("-v", "--verbose", is_flag=True, help="Print the files' new names.")
@click.option(
    "--preserve-path/--no-preserve-path", default=True, help="Whether files keep their directories."
)
@click.option("--clobber/--no-clobber", default=False, help="Whether to replace files that are there.")
def retrieve_artifacts(
    repo: str,
    destination: Path,
    selection: Selection,
    transfer: str,
    verbose: bool,
    preserve_path: bool,
    clobber: bool,
) -> None:
    """Bring the files of datasets into the directory DESTINATION."""
    with open_butler(repo) as butler:
        refs = selection.find(butler)
        paths = butler.retrieveArtifacts(refs, destination, transfer, preserve_path, clobber)
    for path in paths if verbose else ():
        click.echo(str(path))
    click.echo(f"{len(paths)} files are in {destination}", err=True)
