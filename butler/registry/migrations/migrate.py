"""migrate: run the steps that a registry needs, all or none."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from typing import Any

import sqlalchemy as sa

from ..attributes import ATTRIBUTES, check_version, read_attributes
from ..database import Database
from ..schema import SCHEMA_VERSION
from .steps import MigrationStep, pending_steps

__all__ = ["migrate", "run_steps"]


class _OnlyTriedError(Exception):
    """Undoes the transaction of a dry run."""


def migrate(database: Database, *, dry_run: bool = False) -> tuple[Sequence[MigrationStep], list[str]]:
    """Bring a registry to the schema version of this program; nobody else should have it open.

    All is kept, or, after an error or a kill, nothing: both databases change tables in transactions.

    Parameters
    ----------
    database
        Where the registry is.
    dry_run
        Whether to undo all in the end.

    Returns
    -------
    steps
        What was done.
    statements
        The SQL statements that did it.

    Raises
    ------
    SchemaVersionError
        Raised if the registry is newer than this program.
    RepositoryCorruptionError
        Raised if there is no registry, or if rows refer to others that are not there.
    """
    statements: list[str] = []
    steps: Sequence[MigrationStep] = ()
    try:
        with database.rebuilding() as connection, _recorded(connection, statements):
            steps = pending_steps(check_version(read_attributes(database), accept_older=True))
            run_steps(connection, steps)
            if steps:
                written = ATTRIBUTES.update().where(ATTRIBUTES.c.name == "schema_version")
                database.execute(written.values(value=str(SCHEMA_VERSION)))
            if dry_run:
                raise _OnlyTriedError
    except _OnlyTriedError:
        pass
    return steps, statements


def run_steps(connection: sa.Connection, steps: Sequence[MigrationStep]) -> None:
    """Run steps on a connection that is in a transaction."""
    # It is heavy, and nothing else needs it.
    from alembic.migration import MigrationContext
    from alembic.operations import Operations

    operations = Operations(MigrationContext.configure(connection))
    for step in steps:
        step.upgrade(operations)


@contextmanager
def _recorded(connection: sa.Connection, statements: list[str]) -> Iterator[None]:
    """Write down what changes a database."""

    def record(_: Any, __: Any, statement: str, *others: Any) -> None:
        if not statement.lstrip().upper().startswith(("SELECT", "PRAGMA")):
            statements.append(" ".join(statement.split()))

    sa.event.listen(connection, "before_cursor_execute", record)
    try:
        yield
    finally:
        sa.event.remove(connection, "before_cursor_execute", record)
