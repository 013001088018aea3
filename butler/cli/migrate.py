"""The command that brings a repository to the schema version of this program."""

from __future__ import annotations

import click

from .arguments import repository_argument
from .command import command


@command("migrate")
@repository_argument
@click.option("--dry-run", is_flag=True, help="Try it, print the SQL statements, and undo everything.")
def migrate(repo: str, dry_run: bool) -> None:
    """Bring the registry to this program's schema version; while nobody else uses it."""
    from ..butler import Butler

    steps, statements = Butler.migrate(repo, dry_run=dry_run)
    for text in statements if dry_run else ():
        click.echo(f"{text};")
    would = "would be " if dry_run else ""
    for step in steps:
        click.echo(f"{would}done: to schema version {step.version}: {step.title}", err=True)
    if not steps:
        click.echo("the registry has this program's schema version already", err=True)
