"""The command that compares registry and files."""

from __future__ import annotations

import click

from .arguments import open_butler, repository_argument
from .command import command


@command("verify")
@repository_argument
@click.option("--repair", is_flag=True, help="Remove orphaned files, and datasets without their file.")
@click.option("--checksums/--no-checksums", default=True, help="Whether to read every file.")
def verify(repo: str, repair: bool, checksums: bool) -> None:
    """Compare the registry with the files; while nothing else writes."""
    with open_butler(repo, writeable=repair) as butler:
        report = butler.verify(repair=repair, checksums=checksums)
    for dataset_id in report.missing:
        click.echo(f"missing: the file of dataset {dataset_id}")
    for text in report.damaged.values():
        click.echo(f"damaged: {text}")
    for dataset_id, place in report.astray.items():
        click.echo(f"astray: the path {place!r} of dataset {dataset_id} leaves the repository")
    for path in report.orphans:
        click.echo(f"orphan: {path}")
    click.echo(f"{report.n_checked} datasets checked", err=True)
    if not report.is_clean and not repair:
        click.echo(f"mend it with: butler verify {repo} --repair", err=True)
        raise click.exceptions.Exit(1)
